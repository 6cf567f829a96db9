//! The closed lists of words that the AWS IoT control plane uses for states and modes.
//!
//! A word outside its list does not get here: AWS's model is asked first (`service_model`).
//! Truth: the enumerations of botocore's model of `iot` 2015-05-28.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        pub(crate) enum $name { $($(#[$note])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// AWS's word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    //# ERROR, WARN, INFO and DEBUG each include those before, DISABLED nothing
    /// How much is logged, from little to much.
    LogLevel {
        Disabled = "DISABLED",
        Error = "ERROR",
        Warn = "WARN",
        Info = "INFO",
        Debug = "DEBUG",
    }
}

words! {
    /// What a level of logging is for.
    LogTargetType {
        Default = "DEFAULT",
        ThingGroup = "THING_GROUP",
        ClientId = "CLIENT_ID",
        SourceIp = "SOURCE_IP",
        PrincipalId = "PRINCIPAL_ID",
    }
}

words! {
    /// What became of a bulk registration task so far.
    ThingRegistrationTaskStatus {
        InProgress = "InProgress",
        Completed = "Completed",
        Failed = "Failed",
        Cancelled = "Cancelled",
        Cancelling = "Cancelling",
    }
}

words! {
    /// Which of its reports.
    ReportType {
        Errors = "ERRORS",
        Results = "RESULTS",
    }
}

words! {
    /// The state of a device certificate.
    CertificateStatus {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
        Revoked = "REVOKED",
        PendingTransfer = "PENDING_TRANSFER",
        /// Deprecated by AWS; still a word that may be stored.
        RegisterInactive = "REGISTER_INACTIVE",
        /// Registered just in time, and waiting for somebody to activate it.
        PendingActivation = "PENDING_ACTIVATION",
    }
}

words! {
    /// The state of a registered CA certificate.
    CaCertificateStatus {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
    }
}

words! {
    /// Whether a CA's device certificates register themselves when they are first presented.
    AutoRegistrationStatus {
        Enable = "ENABLE",
        Disable = "DISABLE",
    }
}

words! {
    /// Whether a certificate counts without SNI, or only where SNI names the account's endpoint.
    CertificateMode {
        Default = "DEFAULT",
        SniOnly = "SNI_ONLY",
    }
}

words! {
    /// Whether a domain configuration is served.
    DomainConfigurationStatus {
        Enabled = "ENABLED",
        Disabled = "DISABLED",
    }
}

words! {
    /// Who chose the name of a domain configuration.
    DomainType {
        /// The endpoint that every account has.
        Endpoint = "ENDPOINT",
        AwsManaged = "AWS_MANAGED",
        CustomerManaged = "CUSTOMER_MANAGED",
    }
}

words! {
    /// What an endpoint is for.
    ServiceType {
        Data = "DATA",
        CredentialProvider = "CREDENTIAL_PROVIDER",
        Jobs = "JOBS",
    }
}

words! {
    /// Which versions and suites of TLS a domain speaks.
    SecurityPolicy {
        Tls13 = "IoTSecurityPolicy_TLS13_1_3_2022_10",
        Tls13And12 = "IoTSecurityPolicy_TLS13_1_2_2022_10",
        Tls12 = "IoTSecurityPolicy_TLS12_1_2_2022_10",
        Tls12Of2016 = "IoTSecurityPolicy_TLS12_1_0_2016_01",
        Tls12Of2015 = "IoTSecurityPolicy_TLS12_1_0_2015_01",
    }
}

words! {
    /// Who speaks for the clients of a domain, as far as it is served here.
    DomainAuthentication {
        X509 = "AWS_X509",
        /// As port and ALPN say.
        ByPort = "DEFAULT",
    }
}

words! {
    /// What the clients of a domain speak, as far as it is served here.
    DomainProtocol {
        Mqtt = "SECURE_MQTT",
        Https = "HTTPS",
        /// As port and ALPN say.
        ByPort = "DEFAULT",
    }
}

words! {
    /// What TestAuthorization can ask about.
    ActionType {
        Publish = "PUBLISH",
        Subscribe = "SUBSCRIBE",
        Receive = "RECEIVE",
        Connect = "CONNECT",
    }
}

words! {
    /// What the registry can publish events of.
    EventType {
        Thing = "THING",
        ThingGroup = "THING_GROUP",
        ThingType = "THING_TYPE",
        ThingGroupMembership = "THING_GROUP_MEMBERSHIP",
        ThingGroupHierarchy = "THING_GROUP_HIERARCHY",
        ThingTypeAssociation = "THING_TYPE_ASSOCIATION",
        Job = "JOB",
        JobExecution = "JOB_EXECUTION",
        Policy = "POLICY",
        Certificate = "CERTIFICATE",
        CaCertificate = "CA_CERTIFICATE",
    }
}

impl EventType {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Thing,
        Self::ThingGroup,
        Self::ThingType,
        Self::ThingGroupMembership,
        Self::ThingGroupHierarchy,
        Self::ThingTypeAssociation,
        Self::Job,
        Self::JobExecution,
        Self::Policy,
        Self::Certificate,
        Self::CaCertificate,
    ];
}

words! {
    /// Whether a thing is the only one that its principal may be attached to.
    ThingPrincipalType {
        Exclusive = "EXCLUSIVE_THING",
        NonExclusive = "NON_EXCLUSIVE_THING",
    }
}

words! {
    /// How devices come to a provisioning template: with a claim, or with a certificate of a CA.
    TemplateType {
        FleetProvisioning = "FLEET_PROVISIONING",
        Jitp = "JITP",
    }
}
