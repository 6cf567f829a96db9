//! MQTT 5's reason codes in one table: value, name, MQTT 3.1.1 return code, who may send it where.
//!
//! It decides nothing but what each code is called and where a client may use it; which code
//! answers what is decided by who refuses.
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, 2.4 and the tables of
//! 3.4 to 3.7, 3.14 and 3.15; return codes: MQTT 3.1.1, table 3.1.

use std::fmt;

use super::PacketType;

/// In no packet of a client.
const NO: u16 = 0;
/// In PUBACK and PUBREC.
const ACK: u16 = PacketType::PubAck.bit() | PacketType::PubRec.bit();
/// In PUBREL and PUBCOMP.
const END: u16 = PacketType::PubRel.bit() | PacketType::PubComp.bit();
/// In DISCONNECT.
const BYE: u16 = PacketType::Disconnect.bit();
/// In AUTH.
const AUTH: u16 = PacketType::Auth.bit();

macro_rules! reason_codes {
    ($($variant:ident $value:literal $name:literal $return_code:expr, $client:expr;)*) => {
        /// What an answer says; `ReasonCode::Success` is also the normal disconnection and QoS 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(crate) enum ReasonCode {
            $(#[doc = $name] $variant = $value,)*
        }

        impl ReasonCode {
            /// Every code, by value.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code of this value, if MQTT 5 knows it.
            pub(crate) const fn from_value(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// What MQTT 5 calls it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What an MQTT 3.1.1 CONNACK says instead, if it has a word for it.
            pub(crate) const fn return_code(self) -> Option<u8> {
                match self {
                    $(Self::$variant => $return_code,)*
                }
            }

            /// The packets in which a client may send it, as bits of [`PacketType::bit`].
            const fn client_packets(self) -> u16 {
                match self {
                    $(Self::$variant => $client,)*
                }
            }
        }
    };
}

reason_codes! {
    Success                             0x00 "Success" Some(0), ACK | END | BYE;
    GrantedQos1                         0x01 "Granted QoS 1" None, NO;
    GrantedQos2                         0x02 "Granted QoS 2" None, NO;
    DisconnectWithWillMessage           0x04 "Disconnect with Will Message" None, BYE;
    NoMatchingSubscribers               0x10 "No matching subscribers" None, NO;
    NoSubscriptionExisted               0x11 "No subscription existed" None, NO;
    ContinueAuthentication              0x18 "Continue authentication" None, AUTH;
    ReAuthenticate                      0x19 "Re-authenticate" None, AUTH;
    UnspecifiedError                    0x80 "Unspecified error" None, ACK | BYE;
    MalformedPacket                     0x81 "Malformed Packet" None, BYE;
    ProtocolError                       0x82 "Protocol Error" None, BYE;
    ImplementationSpecificError         0x83 "Implementation specific error" None, ACK | BYE;
    UnsupportedProtocolVersion          0x84 "Unsupported Protocol Version" Some(1), NO;
    ClientIdentifierNotValid            0x85 "Client Identifier not valid" Some(2), NO;
    BadUserNameOrPassword               0x86 "Bad User Name or Password" Some(4), NO;
    NotAuthorized                       0x87 "Not authorized" Some(5), ACK;
    ServerUnavailable                   0x88 "Server unavailable" Some(3), NO;
    ServerBusy                          0x89 "Server busy" Some(3), NO;
    Banned                              0x8A "Banned" Some(5), NO;
    ServerShuttingDown                  0x8B "Server shutting down" None, NO;
    BadAuthenticationMethod             0x8C "Bad authentication method" None, NO;
    KeepAliveTimeout                    0x8D "Keep Alive timeout" None, NO;
    SessionTakenOver                    0x8E "Session taken over" None, NO;
    TopicFilterInvalid                  0x8F "Topic Filter invalid" None, NO;
    TopicNameInvalid                    0x90 "Topic Name invalid" None, ACK | BYE;
    PacketIdentifierInUse               0x91 "Packet Identifier in use" None, ACK;
    PacketIdentifierNotFound            0x92 "Packet Identifier not found" None, END;
    ReceiveMaximumExceeded              0x93 "Receive Maximum exceeded" None, BYE;
    TopicAliasInvalid                   0x94 "Topic Alias invalid" None, BYE;
    PacketTooLarge                      0x95 "Packet too large" None, BYE;
    MessageRateTooHigh                  0x96 "Message rate too high" None, BYE;
    QuotaExceeded                       0x97 "Quota exceeded" None, ACK | BYE;
    AdministrativeAction                0x98 "Administrative action" None, BYE;
    PayloadFormatInvalid                0x99 "Payload format invalid" None, ACK | BYE;
    RetainNotSupported                  0x9A "Retain not supported" None, NO;
    QosNotSupported                     0x9B "QoS not supported" None, NO;
    UseAnotherServer                    0x9C "Use another server" None, NO;
    ServerMoved                         0x9D "Server moved" None, NO;
    SharedSubscriptionsNotSupported     0x9E "Shared Subscriptions not supported" None, NO;
    ConnectionRateExceeded              0x9F "Connection rate exceeded" None, NO;
    MaximumConnectTime                  0xA0 "Maximum connect time" None, NO;
    SubscriptionIdentifiersNotSupported 0xA1 "Subscription Identifiers not supported" None, NO;
    WildcardSubscriptionsNotSupported   0xA2 "Wildcard Subscriptions not supported" None, NO;
}

impl ReasonCode {
    /// The byte on the wire.
    pub(crate) const fn value(self) -> u8 {
        self as u8
    }

    /// Whether it says that something was refused or failed.
    pub(crate) const fn is_error(self) -> bool {
        self.value() >= 0x80
    }

    /// Whether a client may send it in `packet`.
    pub(super) const fn is_for_client(self, packet: PacketType) -> bool {
        self.client_packets() & packet.bit() != 0
    }

    /// The byte in an MQTT 3.1.1 SUBACK: a granted QoS or the one failure it knows.
    pub(super) const fn suback_return_code(self) -> u8 {
        if self.value() <= 2 { self.value() } else { 0x80 }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_value_and_the_table_is_in_order() {
        for pair in ReasonCode::ALL.windows(2) {
            assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
        }
        for value in 0..=u8::MAX {
            let found = ReasonCode::from_value(value);
            assert_eq!(found, ReasonCode::ALL.iter().copied().find(|code| code.value() == value));
        }
        assert_eq!(ReasonCode::ALL.len(), 43);
    }

    #[test]
    fn a_code_says_its_name_and_value() {
        assert_eq!(ReasonCode::PacketTooLarge.to_string(), "Packet too large (0x95)");
        assert_eq!(ReasonCode::UnsupportedProtocolVersion.return_code(), Some(1));
        assert_eq!(ReasonCode::NotAuthorized.suback_return_code(), 0x80);
        assert_eq!(ReasonCode::GrantedQos1.suback_return_code(), 1);
    }
}
