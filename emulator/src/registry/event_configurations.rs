//! Which events the registry publishes: DescribeEventConfigurations, UpdateEventConfigurations.
//!
//! What an event says is decided in `events/`; when one happens, by the operation that causes it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-events.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::events::{Event, Occasion};
use crate::time::Timestamp;

use super::{Change, EventType, Registry};

/// DescribeEventConfigurations takes nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct DescribeEventConfigurationsRequest {}

/// DescribeEventConfigurations' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeEventConfigurationsResponse {
    pub(crate) event_configurations: BTreeMap<EventType, Configuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creation_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified_date: Option<Timestamp>,
}

/// UpdateEventConfigurations' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateEventConfigurationsRequest {
    pub(crate) event_configurations: BTreeMap<EventType, Configuration>,
}

/// Whether events of a type are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Configuration {
    #[serde(rename = "Enabled")]
    pub(crate) enabled: bool,
}

/// What is configured, and how many events there were.
#[derive(Debug, Default)]
pub(super) struct EventConfigurations {
    enabled: BTreeMap<EventType, Configuration>,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    told: u64,
}

impl Registry {
    //= https://docs.aws.amazon.com/cli/latest/reference/iot/describe-event-configurations.html
    //# every event type is listed, and none is enabled at first
    /// Which events are published.
    pub(crate) fn describe_event_configurations(
        &self,
        _input: DescribeEventConfigurationsRequest,
    ) -> Result<DescribeEventConfigurationsResponse, ApiError> {
        let configured = &self.event_configurations;
        let of = |kind: EventType| configured.enabled.get(&kind).copied().unwrap_or_default();
        Ok(DescribeEventConfigurationsResponse {
            event_configurations: EventType::ALL.iter().map(|kind| (*kind, of(*kind))).collect(),
            creation_date: configured.created,
            last_modified_date: configured.modified,
        })
    }

    //? assumed: types that the request leaves out stay as they are
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-events.html
    //# POLICY and CERTIFICATE can be enabled; no event of theirs is described
    //= https://github.com/ministackorg/ministack/pull/1755
    //# measured: a certificate that registers itself has its event whatever CA_CERTIFICATE says
    /// Turns events on and off.
    pub(crate) fn update_event_configurations(
        &mut self,
        input: UpdateEventConfigurationsRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let configured = &mut self.event_configurations;
        configured.enabled.extend(input.event_configurations);
        configured.created.get_or_insert(now);
        configured.modified = Some(now);
        Ok(())
    }

    /// Publishes what `event` makes, if events of its type are wanted.
    pub(super) fn announce(
        &mut self,
        kind: EventType,
        now: Timestamp,
        event: impl FnOnce(&Self, &Occasion<'_>) -> Option<Event>,
    ) {
        if !self.event_configurations.enabled.get(&kind).is_some_and(|kind| kind.enabled) {
            return;
        }
        self.event_configurations.told += 1;
        let event_id = self.derive_uuid("event", self.event_configurations.told);
        let occasion = Occasion { event_id: &event_id, at: now, account: &self.scope.account };
        if let Some(event) = event(self, &occasion) {
            self.changes.push(Change::Event(event));
        }
    }
}
