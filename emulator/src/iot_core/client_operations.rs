//! The operations of the data endpoint over HTTP that are about clients: who is connected, to what
//! it subscribes, and the end of a connection.
//!
//! It decides which permission each needs and that a rate is counted first; who has the permission
//! is decided in `http_calls.rs`, and what there is to tell is the broker's.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::net::IpAddr;

use serde::Serialize;

use super::IotCore;
use super::data_plane::{Page, token};
use super::http_calls::{Asks, Call};
use super::requests::HttpCaller;
use crate::errors::ApiError;
use crate::message_broker::{Deleted, DisconnectReason};
use crate::names::{ClientId, ThingName, TopicFilter};
use crate::policy::{DeleteConnection, GetConnection, ListSubscriptions};
use crate::quotas::CLIENT_ID_BYTES;
use crate::quotas::rates::Rate;

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# the fields of a connection; `vpcEndpointId` only behind a VPC endpoint, which is not here
/// GetConnection's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionStatus {
    client_id: ClientId,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<ThingName>,
    clean_session: bool,
    keep_alive_duration: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnected_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'static str>,
    session_expiry: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_port: Option<u16>,
}

/// ListSubscriptions' answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscriptions {
    subscriptions: Vec<SubscriptionSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionSummary {
    topic_filter: TopicFilter,
    qos: u8,
}

impl IotCore {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# DeleteConnection: the client is disconnected for API_INITIATED_DISCONNECT
    /// `DeleteConnection`.
    pub(crate) fn delete_connection(
        &self,
        caller: &HttpCaller,
        client_id: ClientId,
        clean_session: bool,
        prevent_will_message: bool,
    ) -> Result<(), ApiError> {
        check_client_id(&client_id)?;
        let scope = self.scope();
        self.locked(|state, now| {
            let mut call = Call::new(caller, "DeleteConnection", scope, now);
            let of_client = Rate::DeleteConnectionPerClientId;
            state.count_call(&call, Rate::DeleteConnection, of_client, &client_id)?;
            let permit = state.permit::<DeleteConnection>(&mut call, client_id)?;
            let broker = &mut state.broker;
            let deleted =
                broker.delete_connection(&permit, clean_session, prevent_will_message, now);
            let client_id = permit.resource();
            let deleted = deleted.ok_or_else(|| unknown_client(client_id))?;
            state.note(call.success().member("clientId", client_id));
            if let Deleted::Connection(connection) = deleted {
                let reason = DisconnectReason::ApiInitiatedDisconnect;
                state.end(scope, connection, reason, Some("DeleteConnection was called"), now);
            }
            Ok(())
        })
    }

    /// `GetConnection`.
    pub(crate) fn connection(
        &self,
        caller: &HttpCaller,
        client_id: ClientId,
        include_socket_information: bool,
    ) -> Result<ConnectionStatus, ApiError> {
        check_client_id(&client_id)?;
        self.locked(|state, now| {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# asked for socket information that it may not see, the entire call fails with 403
            let mut call = Call::new(caller, "GetConnection", self.scope(), now)
                .asking(Asks::SocketInformation(include_socket_information));
            let of_client = Rate::GetConnectionPerClientId;
            state.count_call(&call, Rate::GetConnection, of_client, &client_id)?;
            let permit = state.permit::<GetConnection>(&mut call, client_id)?;
            let status = state.broker.client(&permit, now);
            let status = status.ok_or_else(|| unknown_client(permit.resource()))?;
            state.note(call.success().member("clientId", permit.resource()));
            let (facts, details) = (&status.facts, &status.facts.details);
            let since = status.disconnected.map(|(since, _)| since.milliseconds());
            Ok(ConnectionStatus {
                client_id: facts.client_id.clone(),
                connected: since.is_none(),
                //? assumed: as in lifecycle events, only a thing that is attached exclusively
                thing_name: details.thing_name.clone(),
                clean_session: facts.clean_session,
                keep_alive_duration: facts.keep_alive_seconds,
                connected_since: since.is_none().then(|| facts.connected_since.milliseconds()),
                disconnected_since: since,
                disconnect_reason: status.disconnected.map(|(_, reason)| reason.name()),
                session_expiry: status.session_expiry_seconds,
                source_ip: include_socket_information.then_some(details.source_ip),
                source_port: include_socket_information.then_some(details.source_port),
                target_ip: include_socket_information.then_some(details.target_ip),
                target_port: include_socket_information.then_some(details.target_port),
            })
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_ListSubscriptions.html
    //# also of a client that is away and has a persistent session; 20 a page
    /// `ListSubscriptions`.
    pub(crate) fn subscriptions(
        &self,
        caller: &HttpCaller,
        client_id: ClientId,
        page: &Page,
    ) -> Result<Subscriptions, ApiError> {
        check_client_id(&client_id)?;
        let (after, size) = page.read(20)?;
        self.locked(|state, now| {
            let mut call = Call::new(caller, "ListSubscriptions", self.scope(), now);
            let of_client = Rate::ListSubscriptionsPerClientId;
            state.count_call(&call, Rate::ListSubscriptions, of_client, &client_id)?;
            let permit = state.permit::<ListSubscriptions>(&mut call, client_id)?;
            let all = state.broker.subscriptions_of(&permit);
            let all = all.ok_or_else(|| unknown_client(permit.resource()))?;
            let beyond =
                |filter: &TopicFilter| after.as_deref().is_none_or(|after| filter.as_str() > after);
            let mut found = all.filter(|(filter, _)| beyond(filter));
            let subscriptions: Vec<SubscriptionSummary> = found
                .by_ref()
                .take(size)
                .map(|(filter, qos)| SubscriptionSummary {
                    topic_filter: filter.clone(),
                    qos: qos.into(),
                })
                .collect();
            let last = subscriptions.last().map(|last| last.topic_filter.as_str());
            let next_token = found.next().and(last).map(token);
            drop(found);
            //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
            //# with maxResults as a number
            let entry = call.success().member("clientId", permit.resource());
            state.note(entry.number("maxResults", u64::try_from(size).unwrap_or_default()));
            Ok(Subscriptions { subscriptions, next_token })
        })
    }
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
//# a client ID has 1 to 128 characters and does not begin with `$`
fn check_client_id(client_id: &ClientId) -> Result<(), ApiError> {
    let text = client_id.as_str();
    let constraint = if text.is_empty() {
        "have length greater than or equal to 1".to_owned()
    } else if text.len() > CLIENT_ID_BYTES {
        format!("have length less than or equal to {CLIENT_ID_BYTES}")
    } else if text.starts_with('$') {
        "satisfy regular expression pattern: ^[^$].*".to_owned()
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_request(format!(
        "1 validation error detected: Value at 'clientId' failed to satisfy constraint: Member \
         must {constraint}"
    )))
}

//? assumed: the text
fn unknown_client(client_id: &ClientId) -> ApiError {
    ApiError::not_found(format!("Client {client_id} not found"))
}
