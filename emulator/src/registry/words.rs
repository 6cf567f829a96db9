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
    /// What TestAuthorization can ask about.
    ActionType {
        Publish = "PUBLISH",
        Subscribe = "SUBSCRIBE",
        Receive = "RECEIVE",
        Connect = "CONNECT",
    }
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
