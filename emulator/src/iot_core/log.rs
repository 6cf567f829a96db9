//! What an entry about a client says besides what happened: the members of AWS's log.
//!
//! It decides nothing. The members of each event type stand here once, so that none is forgotten,
//! and so do AWS's words for why somebody could not be authenticated.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::authorization::Authorizer;
use super::refusals::Reaction;
use super::requests::{HttpCaller, Peer};
use crate::message::{ProtocolVersion, QoS};
use crate::message_broker::ConnectionFacts;
use crate::names::{ClientId, Scope, TopicFilter};
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
            principal: caller.principal().map(ToString::to_string),
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
        entry.member("sourceIp", self.source_ip).number("sourcePort", self.source_port)
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

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# Connect has thingName, keepAliveDuration, sessionExpiry and cleanSession besides
//? assumed: as numbers and a boolean, as GetConnection has them; thingName where events have it
/// The entry of a client that is let in.
pub(super) fn let_in(scope: &Scope, facts: &ConnectionFacts, session_expiry: u32) -> Entry {
    let entry = Entry::success(scope, "Connect");
    let entry = match &facts.details.thing_name {
        Some(thing) => entry.member("thingName", thing),
        None => entry,
    };
    let entry = entry.number("keepAliveDuration", facts.keep_alive_seconds);
    let entry = entry.number("sessionExpiry", session_expiry);
    Who::connected(facts).signs(entry.boolean("cleanSession", facts.clean_session))
}

/// A filter that is not subscribed to.
#[derive(Debug)]
pub(super) struct RefusedFilter {
    pub(super) filter: TopicFilter,
    /// Says why.
    pub(super) entry: Entry,
    pub(super) reaction: Reaction,
}

/// A SUBSCRIBE while it is worked on, filter by filter: what its one entry will say.
#[derive(Debug, Default)]
pub(super) struct Subscribing {
    /// The filters so far, each with its reason code.
    answered: Vec<(TopicFilter, u8)>,
    pub(super) granted: Vec<TopicFilter>,
    refused: Vec<(TopicFilter, Entry)>,
}

impl Subscribing {
    pub(super) fn grant(&mut self, filter: TopicFilter, qos: QoS) {
        self.answered.push((filter.clone(), qos.into()));
        self.granted.push(filter);
    }

    pub(super) fn refuse(&mut self, told: Box<RefusedFilter>) {
        let RefusedFilter { filter, entry, reaction } = *told;
        self.answered.push((filter.clone(), reaction.refused().code()));
        self.refused.push((filter, entry));
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# one entry for a SUBSCRIBE, with the filters joined by commas, and for MQTT 5 the reason code
    //# of each; it is a Success where one of two is refused
    //? assumed: a Failure where all are; the reason and the details of the first that is refused
    /// The one entry of the SUBSCRIBE, without who sent it.
    pub(super) fn entry(&self, scope: &Scope, version: ProtocolVersion) -> Entry {
        let mut entry = Entry::success(scope, "Subscribe");
        if let Some((_, first)) = self.refused.first() {
            if self.granted.is_empty() {
                entry.outcome = first.outcome;
            }
            (entry.reason, entry.details) = (first.reason, first.details.clone());
            let codes = self.answered.iter().map(|(_, code)| match version {
                ProtocolVersion::Mqtt5 => format!(" 0x{code:02X}"),
                // MQTT 3.1.1 has one code for every failure.
                ProtocolVersion::Mqtt311 => format!(" 0x{:02X}", (*code).min(0x80)),
            });
            entry.answer = Some(format!("SUBACK{}", codes.collect::<String>()));
        }
        for (filter, told) in &self.refused {
            let other = told.details.as_ref().filter(|_| told.details != entry.details);
            let other = other.map(|details| format!("`{filter}`: {details}"));
            entry = entry.why(other).why(&told.why);
        }
        let names: Vec<&str> = self.answered.iter().map(|(filter, _)| filter.as_str()).collect();
        let entry = entry.member("topicName", names.join(","));
        if version == ProtocolVersion::Mqtt311 {
            return entry;
        }
        let answered = self.answered.iter();
        let subscriptions: Vec<Value> = answered
            .map(|(filter, code)| json!({ "topicName": filter.as_str(), "reasonCode": code }))
            .collect();
        entry.json("subscriptions", subscriptions.into())
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the reasons of a Connection.AuthNError, and the details of each
const AUTHENTICATION_ERRORS: [(&str, &str); 14] = [
    ("CUSTOM_AUTHORIZER_LAMBDA_EXECUTION_ERROR", "Custom authorizer Lambda invocation failed"),
    ("CUSTOM_AUTHORIZER_NOT_FOUND", "Could not find custom authorizer"),
    ("CUSTOM_AUTHORIZER_PARAMETER_INVALID", "Custom authentication parameter is invalid"),
    ("DEVICE_CERTIFICATE_INACTIVE", "Device certificate is not active"),
    ("DEVICE_CERTIFICATE_NOT_REGISTERED", "Device certificate is not registered"),
    ("DEVICE_CERTIFICATE_REVOKED", "Device certificate is revoked"),
    (
        "DOMAIN_CONFIGURATION_DISABLED",
        "Domain configuration for the Server Name Indication (SNI) provided is disabled",
    ),
    ("DOMAIN_CONFIGURATION_INVALID", "The endpoint type in domain configuration is invalid"),
    ("INTERNAL_SERVER_ERROR", "Internal server error"),
    ("NOT_AUTHENTICATED", "The credentials provided could not be authenticated"),
    ("SECURITY_TOKEN_EXPIRED", "The security token is expired"),
    ("SECURITY_TOKEN_INVALID", "The security token included in the request is invalid"),
    (
        "SECURITY_TOKEN_SIGNATURE_MISMATCH",
        "Request signature does not match the signature provided",
    ),
    ("SNI_MISUSED", "The client used an SNI that is not associated with this account"),
];

/// AWS's sentence for `reason`, if it is one of a `Connection.AuthNError`.
pub(super) fn authentication_details(reason: &str) -> Option<&'static str> {
    let found = AUTHENTICATION_ERRORS.iter().find(|(known, _)| *known == reason);
    found.map(|(_, details)| *details)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the members of a Connection.AuthNError; clientId and principalId if they are known
/// The entry of somebody who could not be authenticated, without clientId and principalId.
pub(crate) fn authentication_error(
    scope: &Scope,
    peer: &Peer,
    authentication_type: &'static str,
    reason: &'static str,
) -> Entry {
    let mut entry = Entry::failure(scope, "Connection.AuthNError", reason)
        .member("protocol", peer.protocol)
        .member("authenticationType", authentication_type)
        .member("sourceIp", peer.address.ip())
        .number("sourcePort", peer.address.port())
        .member("targetIp", peer.local.ip())
        .number("targetPort", peer.local.port());
    if let Some(server_name) = &peer.server_name {
        entry = entry.member("serverNameIndication", server_name);
    }
    entry.details = authentication_details(reason).map(str::to_owned);
    entry
}
