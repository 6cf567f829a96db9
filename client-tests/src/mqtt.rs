//! [`Mqtt`]: a connected device. What it asks for it waits for; what it is sent it keeps.

use std::fmt;

use serde_json::Value;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::rumqtt::{Client, Driver, Failure, News};
use crate::tunnel::Tunnel;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server closed it in order and without a word.
    HungUp,
    /// The server sent an MQTT 5 DISCONNECT.
    Disconnected {
        /// Its reason code.
        reason: u8,
        /// Its reason string.
        reason_string: Option<String>,
    },
    /// Any other way, in the client's words.
    Broken(String),
}

/// Why something that a device asked for did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MqttError {
    /// It was acknowledged with this reason code.
    Refused(u8),
    /// The connection ended.
    Closed(Closed),
    /// Nothing came in time.
    Timeout,
}

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The QoS that it was delivered with.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub duplicate: bool,
    /// 0 with QoS 0.
    pub packet_id: u16,
    /// What MQTT 5 says of it besides; nothing in MQTT 3.1.1.
    pub properties: Properties,
}

/// The properties of an MQTT 5 message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Payload Format Indicator.
    pub payload_format: Option<u8>,
    /// Message Expiry Interval, in seconds.
    pub expiry_seconds: Option<u32>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// Topic Alias.
    pub topic_alias: Option<u16>,
    /// User Properties, in their order.
    pub user_properties: Vec<(String, String)>,
}

/// One filter of a SUBSCRIBE; MQTT 3.1.1 has only its QoS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The filter.
    pub filter: &'a str,
    /// The QoS that is asked for.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Retain Handling: 0, 1 or 2.
    pub retain_handling: u8,
}

impl Message {
    /// The payload as text.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload of text")
    }

    /// The payload as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("a payload of JSON")
    }
}

/// A connected client. Dropping it loses the connection, as a power cut does.
pub struct Mqtt {
    client: Client,
    session_present: bool,
    /// One request at a time, so that the next acknowledgement is its own.
    acknowledgements: Mutex<mpsc::UnboundedReceiver<News>>,
    messages: Mutex<mpsc::UnboundedReceiver<Message>>,
    closed: watch::Receiver<Option<Closed>>,
    task: JoinHandle<()>,
    _tunnel: Option<Tunnel>,
}

impl fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mqtt").field("closed", &*self.closed.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mqtt {
    pub(crate) fn new(
        client: Client,
        driver: Driver,
        tunnel: Option<Tunnel>,
        session_present: bool,
    ) -> Self {
        let (tell_acknowledgement, acknowledgements) = mpsc::unbounded_channel();
        let (tell_message, messages) = mpsc::unbounded_channel();
        let (tell_closed, closed) = watch::channel(None);
        let task = tokio::spawn(drive(driver, tell_acknowledgement, tell_message, tell_closed));
        Self {
            client,
            session_present,
            acknowledgements: Mutex::new(acknowledgements),
            messages: Mutex::new(messages),
            closed,
            task,
            _tunnel: tunnel,
        }
    }

    /// Whether the CONNACK said that an earlier session goes on.
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub async fn publish(&self, topic: &str, payload: impl AsRef<[u8]>) -> Result<(), MqttError> {
        self.publish_with(topic, payload, 1, false).await
    }

    /// Publishes; with QoS 1 it waits for the PUBACK, with QoS 0 until it is sent.
    pub async fn publish_with(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: u8,
        retain: bool,
    ) -> Result<(), MqttError> {
        let payload = payload.as_ref().to_vec();
        let request = self.client.publish(topic, payload, qos, retain);
        self.published(qos, request).await
    }

    async fn published(
        &self,
        qos: u8,
        request: impl Future<Output = bool>,
    ) -> Result<(), MqttError> {
        let code = self.ask(request, |news| match news {
            News::Sent if qos == 0 => Some(0),
            News::Published(code) => Some(code),
            _ => None,
        });
        match code.await? {
            0x00 | 0x10 => Ok(()),
            code => Err(MqttError::Refused(code)),
        }
    }

    /// Publishes an MQTT 5 message with properties; otherwise as [`Mqtt::publish_with`].
    ///
    /// # Panics
    ///
    /// If the client speaks MQTT 3.1.1.
    pub async fn publish_saying(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        (qos, retain): (u8, bool),
        properties: &Properties,
    ) -> Result<(), MqttError> {
        let payload = payload.as_ref().to_vec();
        let request = self.client.publish_saying(topic, payload, (qos, retain), properties);
        self.published(qos, request).await
    }

    /// Subscribes to one filter with QoS 1 and answers the code of the SUBACK.
    pub async fn subscribe(&self, filter: &str) -> Result<u8, MqttError> {
        Ok(self.subscribe_all(&[filter], 1).await?[0])
    }

    /// Subscribes to filters in one packet and answers the codes of the SUBACK.
    pub async fn subscribe_all(&self, filters: &[&str], qos: u8) -> Result<Vec<u8>, MqttError> {
        let subscription = |filter| Subscription { filter, qos, ..Subscription::default() };
        let filters: Vec<_> = filters.iter().copied().map(subscription).collect();
        self.subscribe_as(&filters).await
    }

    /// The same, each with all that MQTT 5 can ask for.
    pub async fn subscribe_as(
        &self,
        subscriptions: &[Subscription<'_>],
    ) -> Result<Vec<u8>, MqttError> {
        let request = self.client.subscribe(subscriptions);
        let codes = self.ask(request, |news| match news {
            News::Subscribed(codes) => Some(codes),
            _ => None,
        });
        codes.await
    }

    /// Unsubscribes and answers the codes of the UNSUBACK; MQTT 3.1.1 has none.
    pub async fn unsubscribe(&self, filter: &str) -> Result<Vec<u8>, MqttError> {
        let request = self.client.unsubscribe(filter);
        let codes = self.ask(request, |news| match news {
            News::Unsubscribed(codes) => Some(codes),
            _ => None,
        });
        codes.await
    }

    async fn ask<T>(
        &self,
        request: impl Future<Output = bool>,
        mut answer: impl FnMut(News) -> Option<T>,
    ) -> Result<T, MqttError> {
        let mut acknowledgements = self.acknowledgements.lock().await;
        let asking = async {
            // A request that cannot be made finds the connection closed below.
            let _made = request.await;
            while let Some(news) = acknowledgements.recv().await {
                if let Some(answer) = answer(news) {
                    return Ok(answer);
                }
            }
            Err(self.end())
        };
        timeout(PATIENCE, asking).await.unwrap_or(Err(MqttError::Timeout))
    }

    fn end(&self) -> MqttError {
        let closed = self.closed.borrow().clone();
        MqttError::Closed(closed.unwrap_or(Closed::Broken("the client is gone".to_owned())))
    }

    /// The next message.
    pub async fn next_message(&self) -> Result<Message, MqttError> {
        let mut messages = self.messages.lock().await;
        match timeout(PATIENCE, messages.recv()).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.end()),
            Err(_elapsed) => Err(MqttError::Timeout),
        }
    }

    /// Every message before the first on `topic`: what did not arrive by then was not sent.
    ///
    /// # Panics
    ///
    /// If that one does not come.
    pub async fn messages_before(&self, topic: &str) -> Vec<Message> {
        let mut before = Vec::new();
        loop {
            let message = self.next_message().await;
            let message = message.unwrap_or_else(|error| {
                panic!("no message on {topic}: {error:?}; before it {before:?}")
            });
            if message.topic == topic {
                return before;
            }
            before.push(message);
        }
    }

    /// Waits until the connection is over, and answers how it ended.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.closed.clone();
        let ending = timeout(PATIENCE, closed.wait_for(Option::is_some)).await;
        let ended = ending.expect("the end of the connection").expect("somebody who tells");
        ended.clone().expect("an ending")
    }

    /// Says DISCONNECT and waits until the server has closed the connection.
    pub async fn disconnect(self) {
        let _made = self.client.disconnect().await;
        let _ended = self.closed().await;
    }
}

/// Moves bytes until the end, and tells each kind of news to whoever waits for it.
async fn drive(
    mut driver: Driver,
    acknowledgements: mpsc::UnboundedSender<News>,
    messages: mpsc::UnboundedSender<Message>,
    closed: watch::Sender<Option<Closed>>,
) {
    let tell = |news: News| {
        // Whoever is not there to hear it does not want to know.
        match news {
            News::Message(message) => drop(messages.send(message)),
            news => drop(acknowledgements.send(news)),
        }
    };
    let ended = loop {
        match driver.step().await {
            (Some(news), None) => tell(news),
            (_, Some(Failure::Closed(ended))) => break ended,
            (_, Some(Failure::Connect(error))) => break Closed::Broken(format!("{error:?}")),
            (None, None) => {}
        }
    };
    driver.left_over().into_iter().for_each(tell);
    closed.send_replace(Some(ended));
}
