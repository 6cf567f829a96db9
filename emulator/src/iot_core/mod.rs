//! [`IotCore`]: AWS IoT Core of one account in one Region. It owns the state and the only lock.
//!
//! Every door calls its methods: MQTT, HTTPS, the AWS API, the Rust API. It brings the rooms of the
//! core together (who is it, may it, who gets it, which rules) and decides nothing that one of
//! them can decide. What must happen afterwards it hands out when the lock is free again.
//!
//! - `identity.rs`: a presented chain becomes a `Principal`, or a rejection and what follows from
//!   it
//! - `connections.rs`: a client connects and goes; `held.rs`: all that it may ask meanwhile
//!   ([`Held`]); `live.rs`: where the live ones are kept
//! - `publishing.rs`: one message to subscribers and rules, and the events
//! - the operations of the data endpoint over HTTP: `data_plane.rs` those about messages,
//!   `client_operations.rs` about clients, `direct_messages.rs` those that may wait for a PUBACK,
//!   `absent.rs` those that nobody serves, `http_calls.rs` what all share
//! - `authorization.rs`: policies and variables of one connection; `propagation.rs`: since when a
//!   change of them counts
//! - `log.rs`: the members of an entry of the trace, as AWS's log has them; `metrics.rs` and
//!   `provisioning_metrics.rs`: how often things happened, under CloudWatch's names
//! - `domains.rs`: domain configurations, whose names all accounts share
//! - `operations.rs`: operations of the AWS API that need more than one room; `transfers.rs`: those
//!   that need another account (`neighbours.rs`)
//! - `provisioning.rs`: templates at work, and the hooks of templates; `template_queue.rs`: which
//!   of them are still to be run; `bulk_registration.rs`: for each line of a file;
//!   `fleet_provisioning.rs`: the requests that devices publish, and their replies
//! - `tagging.rs`: tags, which rules have too; `throttling.rs`: what comes above one of AWS's rates
//! - `refusals.rs`, `topics.rs`: what a refused packet is answered; which topics there are
//! - `requests.rs`: what the doors hand in; `rust_api.rs`: the typed helpers of the library

mod absent;
mod authorization;
mod bulk_registration;
mod client_operations;
mod connections;
#[cfg(test)]
mod connections_tests;
mod data_plane;
mod direct_messages;
mod domains;
mod fleet_provisioning;
mod held;
mod http_calls;
mod identity;
mod live;
mod log;
mod metrics;
mod neighbours;
mod operations;
mod propagation;
mod provisioning;
mod provisioning_metrics;
mod publishing;
mod refusals;
mod requests;
mod rust_api;
mod tagging;
mod template_queue;
mod throttling;
mod topics;
mod transfers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

pub(crate) use absent::Absent;
pub(crate) use bulk_registration::{ReportFile, ReportLinks};
pub(crate) use data_plane::Page;
pub(crate) use direct_messages::Sent;
pub(crate) use domains::{Domain, Domains};
pub(crate) use held::Held;
pub(crate) use http_calls::{Decisions, HttpRefusal, http_status};
pub(crate) use identity::Unknown;
pub(crate) use log::authentication_error;
pub use metrics::Metric;
pub(crate) use neighbours::Neighbours;
pub(crate) use refusals::{Published, Reaction, Refused};
pub(crate) use requests::{
    Accepted, ConnectRequest, DirectMessageRequest, HttpCaller, Peer, PublishRequest,
};
pub use rust_api::{AutoRegistration, allow};

use self::authorization::Sources;
use self::bulk_registration::BulkRegistration;
use self::live::{Live, LiveConnections};
use self::metrics::Metrics;
use self::propagation::Propagation;
use self::template_queue::TemplateQueue;
use crate::lambda::Functions;
use crate::message_broker::{ConnectionId, DirectMessageId, MessageBroker, Undelivered};
use crate::names::{AccountId, CertificateId, Region, Scope};
use crate::outbox::{Effect, Outbox, Waiting};
pub(crate) use crate::provisioning::Principal;
use crate::quotas::Quotas;
use crate::registry::{CertificateMode, Registry};
pub(crate) use crate::registry::{
    DomainAuthentication, DomainProtocol, DomainTerms, SecurityPolicy,
};
use crate::rules_engine::RulesEngine;
use crate::time::{Clock, Timestamp};
use crate::trace::{Entry, Trace};

/// What an `IotCore` needs from the emulator around it.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) scope: Scope,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) trace: Trace,
    pub(crate) outbox: Outbox,
    pub(crate) functions: Functions,
    /// What `DescribeEndpoint` answers.
    pub(crate) endpoint_host: String,
    /// The first part of the AWS-style endpoint name.
    pub(crate) endpoint_prefix: String,
    /// Where its devices reach it: MQTT, HTTPS.
    pub(crate) addresses: (SocketAddr, SocketAddr),
    pub(crate) root_ca_pem: Arc<str>,
    /// How long after it a change of policies counts.
    pub(crate) policy_propagation: Duration,
    /// How long after the connection that asks for it a provisioning template runs.
    pub(crate) provisioning_delay: Duration,
    /// Whether AWS's rates are enforced.
    pub(crate) quotas: Quotas,
    /// Is told when a deadline comes nearer.
    pub(crate) timers: Arc<Notify>,
    pub(crate) ca_owners: CaOwners,
    pub(crate) domains: Domains,
    /// How reports of bulk registration are found from outside.
    pub(crate) report_links: ReportLinks,
    /// The other accounts.
    pub(crate) neighbours: Neighbours,
}

/// AWS IoT Core of one account in one Region; clones are the same.
///
/// [`IotCore::call`] runs any operation with the JSON of the AWS CLI; the other methods are sugar
/// over it.
#[derive(Clone)]
pub struct IotCore {
    shared: Arc<Shared>,
}

struct Shared {
    around: Surroundings,
    /// Never held across an `.await`, nor while a user's function runs.
    state: Mutex<State>,
}

impl fmt::Debug for IotCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IotCore({})", self.scope())
    }
}

/// All that changes.
struct State {
    registry: Registry,
    propagation: Propagation,
    broker: MessageBroker,
    rules: RulesEngine,
    live: LiveConnections,
    /// Who waits for the PUBACK of a direct message.
    waiting: HashMap<DirectMessageId, oneshot::Sender<Delivered>>,
    /// The live connections that end at a moment, soonest first.
    lifetimes: BTreeSet<(Timestamp, ConnectionId)>,
    templates: TemplateQueue,
    /// What AWS draws at random and nobody can derive: session identifiers, trace IDs.
    random: fastrand::Rng,
    metrics: Metrics,
    /// What fleet provisioning has not answered yet.
    fleet_waiting: Waiting,
    /// The bulk registration task that runs.
    bulk: Option<BulkRegistration>,
    after: After,
    /// The deadline that the timer knows of.
    armed: Option<Timestamp>,
}

/// What became of a direct message.
type Delivered = Result<(), Undelivered>;

/// What is done when the lock is free again.
#[derive(Debug, Default)]
struct After {
    effects: Vec<Effect>,
    delivered: Vec<(oneshot::Sender<Delivered>, Delivered)>,
    entries: Vec<Entry>,
    /// CAs that this account no longer owns.
    released: Vec<CertificateId>,
}

impl State {
    fn new(around: &Surroundings) -> Self {
        let Surroundings { scope, seed, .. } = around;
        // Each account and Region rolls dice of its own.
        let salt = scope.to_string().bytes().fold(*seed, |salt, byte| {
            salt.wrapping_mul(0x0100_0000_01B3).wrapping_add(u64::from(byte))
        });
        let broker = MessageBroker::new(salt);
        Self {
            registry: Registry::new(scope.clone(), *seed),
            propagation: Propagation::new(around.policy_propagation),
            broker: match around.quotas {
                Quotas::Sizes => broker,
                Quotas::Strict => broker.with_rates(),
            },
            rules: RulesEngine::new(scope.clone()),
            live: LiveConnections::default(),
            waiting: HashMap::new(),
            lifetimes: BTreeSet::new(),
            templates: TemplateQueue::new(around.provisioning_delay),
            random: fastrand::Rng::with_seed(salt),
            metrics: Metrics::default(),
            fleet_waiting: Waiting::default(),
            bulk: None,
            after: After::default(),
            armed: None,
        }
    }

    /// What decides by policies.
    fn sources(&mut self, now: Timestamp) -> Sources<'_> {
        Sources { registry: &self.registry, propagation: &mut self.propagation, now }
    }

    /// A live connection that knows what decides by now, and the registry that it knows it from.
    fn live_now(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Option<(&mut Live, &Registry)> {
        let Self { registry, propagation, live, .. } = self;
        let live = live.get_mut(connection)?;
        live.authorizer.bring_up_to_date(Sources { registry, propagation, now });
        Some((live, registry))
    }

    fn uuid(&mut self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid()
    }

    /// When something has to happen next.
    fn next_deadline(&self) -> Option<Timestamp> {
        let ends = self.lifetimes.first().map(|(ends, _)| *ends);
        let lapses = self.registry.next_token_deadline();
        let templates = self.templates.next_deadline();
        [self.broker.next_deadline(), ends, templates, lapses].into_iter().flatten().min()
    }

    /// Keeps an entry until the lock is free, and counts what it tells.
    fn note(&mut self, entry: Entry) {
        self.metrics.count(&entry);
        self.after.entries.push(entry);
    }
}

impl IotCore {
    pub(crate) fn new(around: Surroundings) -> Self {
        let state = Mutex::new(State::new(&around));
        Self { shared: Arc::new(Shared { around, state }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is our bug; the others go on with what there is.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` under the lock, and what follows from it once the lock is free.
    fn locked<R>(&self, work: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.now();
        let mut guard = self.state();
        let result = work(&mut guard, now);
        self.unlock(guard, now);
        result
    }

    /// Frees the lock, and does what follows from what was done under it.
    fn unlock(&self, mut guard: MutexGuard<'_, State>, now: Timestamp) {
        let state = &mut *guard;
        state.propagation.observe(&state.registry, now);
        state.react_to_changes(self.scope(), now);
        state.gather();
        let deadline = state.next_deadline();
        let nearer = deadline.is_some_and(|next| state.armed.is_none_or(|armed| next < armed));
        state.armed = deadline;
        let after = std::mem::take(&mut state.after);
        // Before the lock is free, so that nobody registers the CA again in between.
        for ca in &after.released {
            self.ca_owners().release(self.scope(), *ca);
        }
        drop(guard);
        if nearer {
            self.shared.around.timers.notify_waiters();
        }
        self.perform(after);
    }

    fn perform(&self, after: After) {
        for entry in after.entries {
            self.trace().record(entry);
        }
        for effect in after.effects {
            let sent = self.shared.around.outbox.send(effect);
            let refused = sent.map_err(|refused| *refused);
            if let Err(Effect::Invoke { rule_arn, function_arn, .. }) = refused {
                let rule = rule_arn.as_str().rsplit('/').next().unwrap_or_default();
                let entry = Entry::failure(self.scope(), "RuleMessageThrottled", "THROTTLED");
                let entry = entry.member("ruleName", rule).member("functionArn", function_arn);
                self.note(entry.details("too many invocations wait already"));
            }
        }
        for (sender, delivered) in after.delivered {
            // Whoever waits no longer has withdrawn the message.
            let _gone = sender.send(delivered);
        }
    }

    /// Counts what `entry` tells, and records it.
    pub(crate) fn note(&self, entry: Entry) {
        self.state().metrics.count(&entry);
        self.trace().record(entry);
    }

    /// Works on the registry.
    pub(crate) fn registry<R>(&self, work: impl FnOnce(&mut Registry, Timestamp) -> R) -> R {
        self.locked(|state, now| work(&mut state.registry, now))
    }

    /// Works on the topic rules.
    pub(crate) fn rules<R>(&self, work: impl FnOnce(&mut RulesEngine, Timestamp) -> R) -> R {
        self.locked(|state, now| work(&mut state.rules, now))
    }

    /// When something has to happen next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.state().next_deadline()
    }

    /// Lets happen what is due by now.
    pub(crate) fn handle_timeout(&self) {
        self.locked(|state, now| {
            state.broker.handle_timeout(now);
            state.end_what_is_over(self.scope(), now);
            state.run_due_templates(self.scope(), now);
            state.lapse_tokens(self.scope(), now);
        });
    }

    /// Forgets everything; connected clients are closed.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        let mut fresh = State::new(&self.shared.around);
        fresh.broker.count_on_from(&state.broker);
        let gone = std::mem::replace(&mut *state, fresh);
        drop(state);
        for live in gone.live.into_all() {
            live.close(crate::message_broker::DisconnectReason::ServerInitiatedDisconnect);
        }
    }

    /// Whether the CA `certificate` is registered here so that its devices are found without SNI.
    pub(crate) fn owns_by_default(&self, certificate: CertificateId) -> bool {
        self.state().registry.owns_ca_by_default(certificate)
    }

    /// Whether `certificate` is registered here so that it is found without SNI.
    pub(crate) fn holds_by_default(&self, certificate: CertificateId) -> bool {
        let now = self.now();
        let state = self.state();
        let record = state.registry.certificate(certificate);
        // What another account offers is found there.
        record
            .is_some_and(|record| record.mode == CertificateMode::Default && !record.is_incoming())
            || state.registry.holds_claim(certificate, now)
    }
}

// === getters ===

impl IotCore {
    /// The account and Region.
    pub fn scope(&self) -> &Scope {
        &self.shared.around.scope
    }

    /// The host name that `DescribeEndpoint` answers.
    pub fn endpoint(&self) -> &str {
        &self.shared.around.endpoint_host
    }

    /// AWS's form of the endpoint name, which SNI may carry: `PREFIX-ats.iot.REGION.amazonaws.com`.
    pub fn aws_endpoint(&self) -> String {
        format!("{}-ats.iot.{}.amazonaws.com", self.endpoint_prefix(), self.scope().region)
    }

    /// Where devices of this account and Region speak MQTT: port 8883 of AWS.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.shared.around.addresses.0
    }

    /// Where devices of this account and Region speak HTTPS: port 8443 of AWS.
    pub fn https_address(&self) -> SocketAddr {
        self.shared.around.addresses.1
    }

    /// The root CA that devices trust, PEM.
    pub fn root_ca_pem(&self) -> &str {
        &self.shared.around.root_ca_pem
    }

    pub(crate) fn endpoint_prefix(&self) -> &str {
        &self.shared.around.endpoint_prefix
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.shared.around.functions
    }

    pub(crate) fn ca_owners(&self) -> &CaOwners {
        &self.shared.around.ca_owners
    }

    fn domains(&self) -> &Domains {
        &self.shared.around.domains
    }

    fn trace(&self) -> &Trace {
        &self.shared.around.trace
    }

    pub(crate) fn quotas(&self) -> Quotas {
        self.shared.around.quotas
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.around.clock.now()
    }
}

/// Which account owns a CA in `DEFAULT` mode, for each Region; all `IotCore`s share it.
//= https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html
//# in `DEFAULT` mode a CA belongs to one account in a Region
#[derive(Clone, Debug, Default)]
pub(crate) struct CaOwners(Arc<Mutex<BTreeMap<(Region, CertificateId), AccountId>>>);

impl CaOwners {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Region, CertificateId), AccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `scope` the owner, unless another account is; `false` then.
    pub(crate) fn claim(&self, scope: &Scope, ca: CertificateId) -> bool {
        let mut owners = self.lock();
        let owner =
            owners.entry((scope.region.clone(), ca)).or_insert_with(|| scope.account.clone());
        *owner == scope.account
    }

    /// `scope` owns the CA no longer.
    pub(crate) fn release(&self, scope: &Scope, ca: CertificateId) {
        let mut owners = self.lock();
        let key = (scope.region.clone(), ca);
        if owners.get(&key) == Some(&scope.account) {
            owners.remove(&key);
        }
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }
}
