//! The broker against a slow one that is plainly right: random operations, equal observations.
//!
//! The slow broker keeps one list per session and looks at every subscription for every message.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::message::{ProtocolVersion, QoS};
use crate::names::ClientId;

const CLIENTS: [&str; 3] = ["ann", "bob", "cy"];
const TOPICS: [&str; 7] = ["a", "a/", "a/b", "a/b/c", "b", "/b", "$aws/b"];
const FILTERS: [&str; 12] =
    ["a", "a/b", "a/+", "a/#", "#", "+", "+/b", "+/+", "a/+/c", "$aws/b", "$aws/#", "b/#"];
const REDELIVERY: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
enum Step {
    Connect {
        client: usize,
        version: ProtocolVersion,
        clean: bool,
        expiry: u32,
        window: u16,
    },
    Lose {
        client: usize,
    },
    Disconnect {
        client: usize,
        expiry: Option<u32>,
    },
    Subscribe {
        client: usize,
        filter: usize,
        options: SubscribeOptions,
    },
    Unsubscribe {
        client: usize,
        filter: usize,
    },
    Publish {
        by: usize,
        topic: usize,
        qos: QoS,
        retain: bool,
        empty: bool,
        expiry: Option<u32>,
    },
    /// Fetch so many, of which every second is refused if asked.
    Fetch {
        client: usize,
        count: usize,
        refuse: bool,
    },
    /// Acknowledge the message in this place among those in flight.
    Acknowledge {
        client: usize,
        place: usize,
    },
    Advance {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS.len();
    let version = prop_oneof![Just(ProtocolVersion::Mqtt311), Just(ProtocolVersion::Mqtt5)];
    let connect = (client.clone(), version, any::<bool>(), 0..3_u32, 1..5_u16).prop_map(
        |(client, version, clean, expiry, window)| {
            let expiry = [0, 100, 10_000][expiry as usize];
            Step::Connect { client, version, clean, expiry, window }
        },
    );
    let disconnect = (client.clone(), prop::option::of(0..200_u32))
        .prop_map(|(client, expiry)| Step::Disconnect { client, expiry });
    let subscribe = (client.clone(), 0..FILTERS.len(), options())
        .prop_map(|(client, filter, options)| Step::Subscribe { client, filter, options });
    let unsubscribe = (client.clone(), 0..FILTERS.len())
        .prop_map(|(client, filter)| Step::Unsubscribe { client, filter });
    let fetch = (client.clone(), 1..6_usize, any::<bool>())
        .prop_map(|(client, count, refuse)| Step::Fetch { client, count, refuse });
    let acknowledge = (client.clone(), 0..5_usize)
        .prop_map(|(client, place)| Step::Acknowledge { client, place });
    let seconds = prop_oneof![0..30_u64, 0..4000_u64];
    prop_oneof![
        2 => connect,
        1 => client.prop_map(|client| Step::Lose { client }),
        1 => disconnect,
        4 => subscribe,
        1 => unsubscribe,
        8 => publish(),
        6 => fetch,
        4 => acknowledge,
        2 => seconds.prop_map(|seconds| Step::Advance { seconds }),
    ]
}

fn options() -> impl Strategy<Value = SubscribeOptions> {
    use RetainHandling::*;
    let handling = prop_oneof![Just(Send), Just(SendIfNew), Just(DoNotSend)];
    (0..2_u8, any::<bool>(), any::<bool>(), handling).prop_map(
        |(number, no_local, retain_as_published, retain_handling)| SubscribeOptions {
            qos: qos(number),
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

fn publish() -> impl Strategy<Value = Step> {
    let expiry = prop::option::of(0..60_u32);
    let retain = prop::bool::weighted(0.3);
    let empty = prop::bool::weighted(0.1);
    (0..=CLIENTS.len(), 0..TOPICS.len(), 0..2_u8, retain, empty, expiry).prop_map(
        |(by, topic, number, retain, empty, expiry)| {
            let qos = qos(number);
            Step::Publish { by, topic, qos, retain, empty, expiry }
        },
    )
}

#[derive(Clone, Debug)]
struct Waiting {
    topic: &'static str,
    payload: String,
    qos: QoS,
    retain: bool,
    expires: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Sent {
    waiting: Waiting,
    packet_id: u16,
    first: Timestamp,
    last: Timestamp,
    due: bool,
}

#[derive(Debug)]
struct Session {
    version: ProtocolVersion,
    expiry: u64,
    subscriptions: BTreeMap<&'static str, SubscribeOptions>,
    waiting: Vec<Waiting>,
    sent: Vec<Sent>,
    online: Option<(ConnectionId, usize)>,
    expires: Option<Timestamp>,
    /// Whether the connection was told that nothing is left.
    idle: bool,
}

#[derive(Debug)]
struct Retained {
    waiting: Waiting,
    by: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Model {
    sessions: BTreeMap<&'static str, Session>,
    retained: BTreeMap<&'static str, Retained>,
    /// The last number, when its connection ended, and for how many seconds it counts then.
    versions: BTreeMap<&'static str, (u64, Timestamp, u64)>,
}

impl Session {
    fn open(&self) -> bool {
        let window = self.online.map_or(0, |(_connection, window)| window);
        self.sent.iter().filter(|sent| !sent.due).count() < window
    }

    /// What goes out next: the place among those sent, or among those that wait.
    fn next(&mut self, now: Timestamp) -> Option<Result<usize, usize>> {
        let alive = |waiting: &Waiting| waiting.expires.is_none_or(|expires| expires > now);
        self.waiting.retain(alive);
        self.sent.retain(|sent| !sent.due || alive(&sent.waiting));
        if self.open()
            && let Some(place) = self.sent.iter().position(|sent| sent.due)
        {
            return Some(Ok(place));
        }
        let open = self.open();
        let goes = |waiting: &Waiting| open || waiting.qos == QoS::AtMostOnce;
        self.waiting.iter().position(goes).map(Err)
    }

    fn receive(&mut self, waiting: Waiting) {
        if self.online.is_some() || waiting.qos == QoS::AtLeastOnce {
            self.waiting.push(waiting);
        }
    }
}

impl Model {
    fn end_connection(&mut self, client: &'static str, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(client) else { return false };
        if session.online.take().is_none() {
            return false;
        }
        let version = self.versions.get_mut(client).unwrap();
        (version.1, version.2) = (now, if session.expiry == 0 { 3600 } else { session.expiry });
        if session.expiry == 0 {
            self.sessions.remove(client);
            return true;
        }
        session.expires = Some(now + Duration::from_secs(session.expiry));
        session.waiting.retain(|waiting| waiting.qos == QoS::AtLeastOnce);
        session.sent.iter_mut().for_each(|sent| sent.due = false);
        true
    }

    fn publish(&mut self, message: &Waiting, retain: bool, by: Option<&'static str>) {
        let topic = TopicName::new(message.topic);
        for (client, session) in &mut self.sessions {
            let own = by == Some(client);
            let matching: Vec<_> = session
                .subscriptions
                .iter()
                .filter(|(filter, _)| TopicFilter::new(filter).matches(&topic))
                .map(|(_, options)| options)
                .filter(|options| !(own && options.no_local))
                .collect();
            let Some(best) = matching.iter().map(|options| options.qos).max() else { continue };
            // Which filters count for RETAIN: those that let a client's own message through are
            // merged with the others.
            let retain = retain && matching.iter().any(|options| options.retain_as_published);
            let qos = best.min(message.qos);
            session.receive(Waiting { qos, retain, ..message.clone() });
        }
        if retain && message.payload.is_empty() {
            self.retained.remove(message.topic);
        } else if retain {
            self.retained.insert(message.topic, Retained { waiting: message.clone(), by });
        }
    }
}

/// Both brokers, side by side.
#[derive(Default)]
struct Pair {
    stage: Stage,
    model: Model,
    published: u32,
}

impl Pair {
    fn online(&self, client: &str) -> Option<ConnectionId> {
        Some(self.model.sessions.get(client)?.online?.0)
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Connect { client, version, clean, expiry, window } => {
                self.connect(CLIENTS[client], version, clean, expiry, window);
            }
            Step::Lose { client } => {
                if let Some(connection) = self.online(CLIENTS[client]) {
                    self.stage.lose(connection);
                    self.model.end_connection(CLIENTS[client], self.stage.now);
                }
            }
            Step::Disconnect { client, expiry } => self.disconnect(CLIENTS[client], expiry),
            Step::Subscribe { client, filter, options } => {
                self.subscribe(CLIENTS[client], FILTERS[filter], options);
            }
            Step::Unsubscribe { client, filter } => {
                let Some(connection) = self.online(CLIENTS[client]) else { return };
                let filter = FILTERS[filter];
                let session = self.model.sessions.get_mut(CLIENTS[client]).unwrap();
                let existed = session.subscriptions.remove(filter).is_some();
                let answer = self.stage.broker.unsubscribe(connection, &filter.into());
                assert_eq!(answer, Some(existed));
            }
            Step::Publish { by, topic, qos, retain, empty, expiry } => {
                self.publish(CLIENTS.get(by).copied(), TOPICS[topic], qos, retain, empty, expiry);
            }
            Step::Fetch { client, count, refuse } => {
                for number in 0..count {
                    self.fetch(CLIENTS[client], refuse && number % 2 == 1);
                }
            }
            Step::Acknowledge { client, place } => {
                let Some(connection) = self.online(CLIENTS[client]) else { return };
                let session = self.model.sessions.get_mut(CLIENTS[client]).unwrap();
                if place < session.sent.len() {
                    let packet_id = session.sent.remove(place).packet_id;
                    assert!(self.stage.broker.acknowledge(connection, packet_id));
                    assert!(!self.stage.broker.acknowledge(connection, packet_id));
                }
            }
            Step::Advance { seconds } => self.advance(Duration::from_secs(seconds)),
        }
    }

    fn connect(
        &mut self,
        client: &'static str,
        version: ProtocolVersion,
        clean: bool,
        expiry: u32,
        window: u16,
    ) {
        let now = self.stage.now;
        let expected_end = self.model.end_connection(client, now);
        let resumable = |session: &Session| !clean && session.version == version;
        let present = self.model.sessions.get(client).is_some_and(resumable);
        if !present {
            self.model.sessions.remove(client);
        }
        let version_number = match self.model.versions.get(client) {
            Some((number, since, kept)) if now.since(*since).as_secs() < *kept => number + 1,
            _ => 0,
        };
        self.model.versions.insert(client, (version_number, now, 3600));

        let request = ConnectRequest {
            session_expiry_seconds: Some(expiry),
            receive_maximum: Some(window),
            ..request(version, clean)
        };
        let connected = self.stage.connect(client, request);
        assert_eq!(connected.taken_over.is_some(), expected_end);
        assert_eq!(connected.session_present, present);
        assert_eq!(connected.facts.version_number, version_number);
        let expiry = match version {
            ProtocolVersion::Mqtt311 => {
                if clean {
                    0
                } else {
                    3600
                }
            }
            ProtocolVersion::Mqtt5 => u64::from(expiry.min(3600)),
        };
        let session = self.model.sessions.entry(client).or_insert(Session {
            version,
            expiry,
            subscriptions: BTreeMap::new(),
            waiting: Vec::new(),
            sent: Vec::new(),
            online: None,
            expires: None,
            idle: true,
        });
        (session.expiry, session.expires, session.idle) = (expiry, None, true);
        session.online = Some((connected.connection, usize::from(window)));
        for sent in &mut session.sent {
            (sent.due, sent.first) = (true, now);
        }
    }

    fn disconnect(&mut self, client: &'static str, asked: Option<u32>) {
        let Some(connection) = self.online(client) else { return };
        let session = self.model.sessions.get_mut(client).unwrap();
        let raised = session.expiry == 0 && asked.is_some_and(|asked| asked > 0);
        if let Some(asked) = asked.filter(|_| !raised) {
            session.expiry = u64::from(asked.min(3600));
        }
        let packet = ClientDisconnect { with_will: false, session_expiry_seconds: asked };
        let now = self.stage.now;
        let ended = self.stage.broker.client_disconnect(connection, packet, now).unwrap();
        assert_eq!(ended.reason == DisconnectReason::ClientError, raised);
        self.model.end_connection(client, now);
    }

    fn subscribe(&mut self, client: &'static str, filter: &'static str, options: SubscribeOptions) {
        let Some(connection) = self.online(client) else { return };
        self.stage.subscribe_with(connection, filter, options).unwrap();
        let session = self.model.sessions.get_mut(client).unwrap();
        let is_new = session.subscriptions.insert(filter, options).is_none();
        let wanted = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        let Some(retained) = self.model.retained.get(filter).filter(|_| wanted) else { return };
        if !(options.no_local && retained.by == Some(client)) {
            let qos = options.qos.min(retained.waiting.qos);
            session.receive(Waiting { qos, retain: true, ..retained.waiting.clone() });
        }
    }

    fn publish(
        &mut self,
        by: Option<&'static str>,
        topic: &'static str,
        qos: QoS,
        retain: bool,
        empty: bool,
        expiry: Option<u32>,
    ) {
        self.published += 1;
        let payload = if empty { String::new() } else { self.published.to_string() };
        self.stage.publish_with(
            topic,
            Publication {
                payload: payload.clone().into(),
                qos,
                retain: retain.then(|| Permit::<RetainPublish>::of_aws(topic.into())),
                expiry_seconds: expiry,
                properties: None,
                publisher: by.map(ClientId::new),
            },
        );
        let seconds = expiry.map(|seconds| Duration::from_secs(u64::from(seconds.max(1))));
        let expires = seconds.map(|seconds| self.stage.now + seconds);
        self.model.publish(&Waiting { topic, payload, qos, retain: false, expires }, retain, by);
    }

    /// Fetches one message and compares it.
    fn fetch(&mut self, client: &'static str, refuse: bool) {
        let Some(connection) = self.online(client) else { return };
        let now = self.stage.now;
        let session = self.model.sessions.get_mut(client).unwrap();
        let place = session.next(now);
        let Some(pending) = self.stage.broker.next_delivery(connection, now) else {
            assert_eq!(place, None, "the model has a message for {client}");
            session.idle = true;
            return;
        };
        let place = place.expect("a message that the model does not have");
        session.idle = false;
        if refuse {
            assert!(pending.refuse().is_none(), "there are no groups here");
            match place {
                Ok(place) => drop(session.sent.remove(place)),
                Err(place) => drop(session.waiting.remove(place)),
            }
            return;
        }
        let permit = Permit::of_test(pending.message().topic.clone());
        let delivery = pending.deliver(permit).unwrap();
        let expected = match place {
            Ok(place) => {
                let mut sent = session.sent.remove(place);
                assert_eq!(delivery.packet_id, Some(sent.packet_id), "it keeps its packet ID");
                (sent.last, sent.due) = (now, false);
                session.sent.push(sent.clone());
                sent.waiting
            }
            Err(place) => {
                let waiting = session.waiting.remove(place);
                if let Some(packet_id) = delivery.packet_id {
                    let twice = session.sent.iter().any(|sent| sent.packet_id == packet_id);
                    assert!(!twice && packet_id > 0, "packet ID {packet_id} is in flight");
                    let waiting = waiting.clone();
                    let (first, last, due) = (now, now, false);
                    session.sent.push(Sent { waiting, packet_id, first, last, due });
                }
                waiting
            }
        };
        let number = u8::from(expected.qos == QoS::AtLeastOnce);
        let seconds = expected.expires.map(|expires| expires.since(now).as_secs());
        assert_eq!(delivery.expiry_seconds.map(u64::from), seconds);
        let expected = (expected.topic.to_owned(), expected.payload, number, expected.retain);
        assert_eq!(seen(&delivery), expected);
    }

    /// Moves the time at once, as a suspended machine does.
    fn advance(&mut self, duration: Duration) {
        let now = self.stage.now + duration;
        self.stage.now = now;
        self.stage.broker.handle_timeout(now);
        assert!(self.stage.broker.next_deadline().is_none_or(|at| at > now));
        let gone = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        self.model.sessions.retain(|_, session| !gone(session.expires));
        self.model.retained.retain(|_, retained| !gone(retained.waiting.expires));
        for session in self.model.sessions.values_mut().filter(|one| one.online.is_some()) {
            let seconds = if session.version == ProtocolVersion::Mqtt5 { 960 } else { 3600 };
            let overdue = |sent: &Sent| !sent.due && sent.last + REDELIVERY <= now;
            let hopeless = |sent: &Sent| sent.first + Duration::from_secs(seconds) <= now;
            session.sent.retain(|sent| !(overdue(sent) && hopeless(sent)));
            for sent in &mut session.sent {
                sent.due |= overdue(sent);
            }
        }
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let woken = self.stage.woken();
        let now = self.stage.now;
        for (client, session) in &mut self.model.sessions {
            let Some((connection, _window)) = session.online else { continue };
            // Who was woken fetches until nothing is left, and need not be woken again.
            session.idle &= !woken.contains(&connection);
            assert!(!session.idle || session.next(now).is_none(), "{client} was not woken");
        }
        let connected = self.stage.connections();
        let mut expected: Vec<_> =
            CLIENTS.iter().filter_map(|client| self.online(client)).collect();
        expected.sort_by_key(|connection| connection.slot.index());
        assert_eq!(connected, expected);
        for client in CLIENTS {
            let actual = self.stage.subscriptions_of(client);
            let expected = self.model.sessions.get(client).map(|session| {
                let all = session.subscriptions.iter();
                all.map(|(filter, options)| ((*filter).to_owned(), options.qos)).collect()
            });
            assert_eq!(actual, expected);
        }
        let retained = self.stage.retained_topics(None);
        let alive = |kept: &Retained| kept.waiting.expires.is_none_or(|expires| expires > now);
        let expected = self.model.retained.iter().filter(|(_, kept)| alive(kept));
        let expected: Vec<_> = expected.map(|(topic, _)| (*topic).to_owned()).collect();
        assert_eq!(retained, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_broker_behaves_like_one_that_is_plainly_right(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.run(step);
            pair.check();
        }
        // Whatever is left ends by itself, and nothing is left over.
        for client in CLIENTS {
            if let Some(connection) = pair.online(client) {
                pair.stage.lose(connection);
            }
        }
        pair.stage.advance(Duration::from_secs(2 * 3600));
        prop_assert_eq!(pair.stage.broker.next_deadline(), None);
    }
}
