//! What an entry about a client says besides what happened: the members of AWS's log.
//!
//! It decides nothing. The members of each event type stand here once, so that none is forgotten.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>.

use std::net::IpAddr;

use super::authorization::Authorizer;
use super::requests::{HttpCaller, Peer};
use crate::message_broker::ConnectionFacts;
use crate::names::{ClientId, Scope};
use crate::policy::Refusal;
use crate::registry::Registry;
use crate::trace::Entry;

/// Who did it, and from where.
#[derive(Clone, Debug)]
pub(super) struct Who {
    protocol: &'static str,
    client_id: Option<ClientId>,
    principal: Option<String>,
    source_ip: IpAddr,
    source_port: u16,
}

impl Who {
    /// Somebody who has not said who it is.
    pub(super) fn unknown(peer: &Peer) -> Self {
        Self {
            protocol: peer.protocol,
            client_id: None,
            principal: None,
            source_ip: peer.address.ip(),
            source_port: peer.address.port(),
        }
    }

    /// Somebody who has no connection yet.
    pub(super) fn connecting(peer: &Peer, client_id: &ClientId, principal: String) -> Self {
        let (client_id, principal) = (Some(client_id.clone()), Some(principal));
        Self { client_id, principal, ..Self::unknown(peer) }
    }

    /// A client that is connected, or was.
    pub(super) fn connected(facts: &ConnectionFacts) -> Self {
        let details = &facts.details;
        Self {
            protocol: "MQTT",
            client_id: Some(facts.client_id.clone()),
            principal: Some(details.principal.to_string()),
            source_ip: details.source_ip,
            source_port: details.source_port,
        }
    }

    /// Whoever asks over HTTP.
    pub(super) fn over_http(caller: &HttpCaller) -> Self {
        let address = caller.address();
        Self {
            protocol: "HTTP",
            client_id: None,
            principal: caller.principal(),
            source_ip: address.ip(),
            source_port: address.port(),
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# entries of the message broker have protocol, clientId, principalId, sourceIp and sourcePort
    /// `entry` with the members that say who.
    pub(super) fn signs(&self, entry: Entry) -> Entry {
        let mut entry = entry.member("protocol", self.protocol);
        if let Some(client_id) = &self.client_id {
            entry = entry.member("clientId", client_id);
        }
        if let Some(principal) = &self.principal {
            entry = entry.member("principalId", principal);
        }
        entry.member("sourceIp", self.source_ip).member("sourcePort", self.source_port)
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# what a policy refuses is logged with AUTHORIZATION_FAILURE
/// The entry of something that a policy refused.
pub(super) fn refused(
    scope: &Scope,
    event_type: &'static str,
    refusal: &Refusal,
    (authorizer, registry): (&Authorizer, &Registry),
) -> Entry {
    Entry::failure(scope, event_type, "AUTHORIZATION_FAILURE")
        .details("Authorization Failure")
        .why([format!("refused {refusal}")])
        .why(authorizer.why(registry, refusal))
}
