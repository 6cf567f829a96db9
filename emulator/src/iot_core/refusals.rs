//! What a refused packet is answered: the table of AWS's reactions, by packet and MQTT version.
//!
//! Truth: measured by floci on eu-west-1, 2026-10-02, and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use crate::message::{ProtocolVersion, QoS};

/// Why a packet was not obeyed, in a word; the gateway knows the reason code of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotAuthorized,
    ClientIdentifierNotValid,
    TopicNameInvalid,
    TopicFilterInvalid,
    QosNotSupported,
    QuotaExceeded,
    /// More payload than any message may have.
    PayloadTooLarge,
    UnspecifiedError,
}

impl Refused {
    /// MQTT 5's reason code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::NotAuthorized => 0x87,
            Self::ClientIdentifierNotValid => 0x85,
            Self::TopicNameInvalid => 0x90,
            Self::TopicFilterInvalid => 0x8F,
            Self::QosNotSupported => 0x9B,
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# Packet too large is not among the codes that AWS sends
            //? assumed: a payload above the quota has the code of an exceeded quota
            Self::QuotaExceeded | Self::PayloadTooLarge => 0x97,
            Self::UnspecifiedError => 0x80,
        }
    }

    //= https://github.com/aws-greengrass/aws-greengrass-nucleus/issues/1754
    //# Client is not authenticated/authorized to send the message
    //? assumed: the words for anything else, in a reason string of the same form
    /// What a reason string says.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NotAuthorized => "Client is not authenticated/authorized to send the message",
            Self::ClientIdentifierNotValid => "Client identifier is not valid",
            Self::TopicNameInvalid => "Topic name is not valid",
            Self::TopicFilterInvalid => "Topic filter is not valid",
            Self::QosNotSupported => "QoS is not supported",
            Self::QuotaExceeded => "Quota is exceeded",
            Self::PayloadTooLarge => "Payload is too large",
            Self::UnspecifiedError => "Connection is not allowed",
        }
    }
}

/// What became of a publish that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Accepted,
    /// It came above one of AWS's rates: nobody gets it, and no PUBACK is sent.
    Discarded,
}

/// How the connection reacts to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The acknowledgement says so, and the connection lives on.
    Acknowledge(Refused),
    /// The connection ends; MQTT 5 clients are told why.
    Disconnect(Refused),
    /// The acknowledgement says nothing of it, and the connection ends.
    AcknowledgeThenDisconnect(Refused),
}

impl Reaction {
    /// Why the packet was not obeyed.
    pub(super) const fn refused(self) -> Refused {
        match self {
            Self::Acknowledge(refused)
            | Self::Disconnect(refused)
            | Self::AcknowledgeThenDisconnect(refused) => refused,
        }
    }

    /// What the client sees, as the trace says it; it waits for `acknowledgement`.
    pub(super) fn answer(self, version: ProtocolVersion, acknowledgement: &str) -> String {
        match (self, version) {
            (Self::Acknowledge(refused), ProtocolVersion::Mqtt5) => {
                format!("{acknowledgement} 0x{:02X}", refused.code())
            }
            // MQTT 3.1.1 has one code for every failure.
            (Self::Acknowledge(_), ProtocolVersion::Mqtt311) => format!("{acknowledgement} 0x80"),
            (Self::Disconnect(refused), ProtocolVersion::Mqtt5) => {
                format!("DISCONNECT 0x{:02X}", refused.code())
            }
            (Self::Disconnect(_), ProtocolVersion::Mqtt311) => "disconnects".to_owned(),
            (Self::AcknowledgeThenDisconnect(refused), version) => {
                let then = Self::Disconnect(refused).answer(version, acknowledgement);
                format!("{acknowledgement}, {then}")
            }
        }
    }
}

//= https://github.com/floci-io/floci/pull/3180
//# MQTT 3.1.1 is disconnected; MQTT 5 gets PUBACK 0x87 with QoS 1 and DISCONNECT 0x87 with QoS 0
//= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
//# a payload above the quota ends the connection as a client error, in either version
//? assumed: what is wrong with a topic or too large in the properties is told as a denial is
/// The reaction to a publish; `qos` is `None` for QoS 2.
pub(super) fn publish(version: ProtocolVersion, qos: Option<QoS>, refused: Refused) -> Reaction {
    let in_the_puback = matches!(
        refused,
        Refused::NotAuthorized | Refused::TopicNameInvalid | Refused::QuotaExceeded
    );
    match (version, qos) {
        (ProtocolVersion::Mqtt5, Some(QoS::AtLeastOnce)) if in_the_puback => {
            Reaction::Acknowledge(refused)
        }
        _ => Reaction::Disconnect(refused),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# MQTT 5 gets a code for each filter; MQTT 3.1.1 is disconnected, but an excess of subscriptions
//# is answered 0x80
//? assumed: one filter of several that is refused ends an MQTT 3.1.1 connection too
//? assumed: QoS 2 in a SUBSCRIBE ends the connection, with 0x9B in MQTT 5
/// The reaction to one filter of a SUBSCRIBE.
pub(super) fn subscribe(version: ProtocolVersion, refused: Refused) -> Reaction {
    match (version, refused) {
        (_, Refused::QosNotSupported) => Reaction::Disconnect(refused),
        (ProtocolVersion::Mqtt5, _) | (ProtocolVersion::Mqtt311, Refused::QuotaExceeded) => {
            Reaction::Acknowledge(refused)
        }
        (ProtocolVersion::Mqtt311, _) => Reaction::Disconnect(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolVersion::{Mqtt5, Mqtt311};
    use Reaction::{Acknowledge, Disconnect};
    use Refused::{
        NotAuthorized, PayloadTooLarge, QosNotSupported, QuotaExceeded, TopicFilterInvalid,
    };

    #[test]
    fn c34_a_refused_publish() {
        let table = [
            (Mqtt311, Some(QoS::AtLeastOnce), NotAuthorized, Disconnect(NotAuthorized)),
            (Mqtt311, Some(QoS::AtMostOnce), NotAuthorized, Disconnect(NotAuthorized)),
            (Mqtt5, Some(QoS::AtLeastOnce), NotAuthorized, Acknowledge(NotAuthorized)),
            (Mqtt5, Some(QoS::AtMostOnce), NotAuthorized, Disconnect(NotAuthorized)),
            (Mqtt5, None, QosNotSupported, Disconnect(QosNotSupported)),
            (Mqtt311, None, QosNotSupported, Disconnect(QosNotSupported)),
            (Mqtt5, Some(QoS::AtLeastOnce), QuotaExceeded, Acknowledge(QuotaExceeded)),
            (Mqtt5, Some(QoS::AtLeastOnce), PayloadTooLarge, Disconnect(PayloadTooLarge)),
            (Mqtt5, Some(QoS::AtMostOnce), PayloadTooLarge, Disconnect(PayloadTooLarge)),
            (Mqtt311, Some(QoS::AtLeastOnce), PayloadTooLarge, Disconnect(PayloadTooLarge)),
        ];
        for (version, qos, refused, expected) in table {
            assert_eq!(publish(version, qos, refused), expected, "{version} {qos:?} {refused:?}");
        }
    }

    #[test]
    fn the_trace_names_the_packet_that_the_client_sees() {
        let table = [
            (Acknowledge(NotAuthorized), Mqtt5, "SUBACK", "SUBACK 0x87"),
            (Acknowledge(QuotaExceeded), Mqtt311, "SUBACK", "SUBACK 0x80"),
            (Acknowledge(NotAuthorized), Mqtt5, "PUBACK", "PUBACK 0x87"),
            (Disconnect(QosNotSupported), Mqtt5, "PUBACK", "DISCONNECT 0x9B"),
            (Disconnect(NotAuthorized), Mqtt311, "PUBACK", "disconnects"),
        ];
        for (reaction, version, acknowledgement, answer) in table {
            assert_eq!(reaction.answer(version, acknowledgement), answer);
        }
    }

    #[test]
    fn c34_c36_a_refused_subscribe() {
        let table = [
            (Mqtt311, NotAuthorized, Disconnect(NotAuthorized)),
            (Mqtt5, NotAuthorized, Acknowledge(NotAuthorized)),
            (Mqtt311, QuotaExceeded, Acknowledge(QuotaExceeded)),
            (Mqtt5, QuotaExceeded, Acknowledge(QuotaExceeded)),
            (Mqtt5, TopicFilterInvalid, Acknowledge(TopicFilterInvalid)),
            (Mqtt5, QosNotSupported, Disconnect(QosNotSupported)),
        ];
        for (version, refused, expected) in table {
            assert_eq!(subscribe(version, refused), expected, "{version} {refused:?}");
        }
    }
}
