//! One MQTT connection: read packets, ask `IotCore`, write packets.
//!
//! It decides nothing but how an answer is put on this connection. Keep-alive follows real time.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::answers::{self, Outgoing};
use super::codec::CodecError;
use super::codec::decode::Decoder;
use super::codec::packets::{Connect, Packet};
use super::conversation::Conversation;
use super::throughput::Throughput;
use crate::cloud::{Cloud, Meant};
use crate::iot_core::{Accepted, IotCore, Peer, Principal, Unknown};
use crate::message::ProtocolVersion;
use crate::message_broker::DisconnectReason;
use crate::names::ClientId;
use crate::outbox::Mailbox;
use crate::quotas::PACKET_BYTES;
use crate::tls::{self, Stream};

//? assumed: how long a device may take for its CONNECT after the handshake
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Room for what arrives at once; many small packets fit.
const READ_BYTES: usize = 8 * 1024;

/// What carries MQTT's bytes.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {
    /// What it means that nothing more comes.
    fn end(&self) -> End;

    /// Closes in order.
    fn hang_up(self) -> impl Future<Output = ()> + Send;
}

/// How a carrier ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Without a word.
    Lost,
    /// The client said so.
    Closed,
    /// The client broke the rules of the carrier.
    Misused(&'static str),
}

impl Carrier for Stream {
    fn end(&self) -> End {
        End::Lost
    }

    async fn hang_up(self) {
        tls::hang_up(self).await;
    }
}

/// Serves one connection of a client with a certificate.
pub(super) async fn serve(cloud: &Cloud, meant: Meant, accepted: tls::Accepted) {
    let tls::Accepted { stream, server_name, chain, peer, local, .. } = accepted;
    let (by_name, protocol, ends) = (meant.by_name, "MQTT", None);
    let peer = Peer { address: peer, local, server_name, by_name, protocol, ends };
    let iot_core = meant.iot_core;
    //= https://github.com/ministackorg/ministack/pull/1755
    //# a certificate is registered on the CONNECT packet, not on the handshake; no CONNACK follows
    let identify = |client_id: &ClientId| iot_core.present(&chain, &peer, Some(client_id));
    speak(cloud, iot_core.clone(), peer.clone(), stream, identify).await;
}

/// Serves one connection from its first packet to its orderly close; `identify` tells who it is.
pub(super) async fn speak<S: Carrier>(
    cloud: &Cloud,
    iot_core: IotCore,
    peer: Peer,
    mut stream: S,
    identify: impl FnOnce(&ClientId) -> Result<Arc<Principal>, Unknown>,
) {
    let mut decoder = Decoder::new(PACKET_BYTES);
    let mut buffer = BytesMut::new();
    let first = timeout(CONNECT_WITHIN, first_packet(&mut stream, &mut decoder, &mut buffer)).await;
    let connect = match first {
        Ok(Ok(Some(connect))) => connect,
        Ok(Err(error)) => {
            iot_core.note_misuse_before_connect(&peer, &error.to_string());
            return stream.hang_up().await;
        }
        Ok(Ok(None)) => {
            if let End::Misused(why) = stream.end() {
                iot_core.note_misuse_before_connect(&peer, why);
            }
            return stream.hang_up().await;
        }
        Err(_elapsed) => {
            let why = format!("no CONNECT within {} s of the handshake", CONNECT_WITHIN.as_secs());
            iot_core.note_misuse_before_connect(&peer, &why);
            return stream.hang_up().await;
        }
    };
    if peer.ends.is_some_and(|ends| ends <= iot_core.now()) {
        iot_core.note_misuse_before_connect(&peer, "a CONNECT after the WebSocket's 24 hours");
        return stream.hang_up().await;
    }
    let Ok(principal) = identify(&connect.client_id) else {
        return stream.hang_up().await;
    };
    let mailbox = Mailbox::new(cloud.outbox().activity());
    let asked_for = connect.client_id.clone();
    let wants = Wants::of(&connect);
    let request = answers::connect_request(*connect);
    match iot_core.connect(principal, &peer, request, mailbox.clone()) {
        Ok(accepted) => {
            let mut out = Vec::new();
            answers::connack(&accepted, &wants, asked_for.as_str().is_empty(), &mut out);
            let throughput = Throughput::new(&iot_core, accepted.connection);
            let link = Link { iot_core, stream, decoder, buffer, mailbox, wants, throughput };
            link.run(accepted, out).await;
        }
        Err(refused) => {
            let mut out = Vec::new();
            answers::connect_refused(refused, &wants, &cloud.uuid().to_string(), &mut out);
            let _gone = timeout(FAREWELL, stream.write_all(&out)).await;
            stream.hang_up().await;
        }
    }
}

/// What a client said in its CONNECT about how it wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    pub(super) version: ProtocolVersion,
    pub(super) session_expiry_seconds: Option<u32>,
    pub(super) maximum_packet_size: Option<u32>,
    pub(super) problem_information: bool,
}

impl Wants {
    fn of(connect: &Connect) -> Self {
        let properties = &connect.properties;
        Self {
            version: connect.version,
            session_expiry_seconds: properties.session_expiry_interval_seconds,
            maximum_packet_size: properties.maximum_packet_size,
            problem_information: properties.request_problem_information,
        }
    }
}

/// The CONNECT; `None` if the client went away before it had sent one.
async fn first_packet(
    stream: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
    buffer: &mut BytesMut,
) -> Result<Option<Box<Connect>>, CodecError> {
    loop {
        match decoder.decode(buffer)? {
            Some(Packet::Connect(connect)) => return Ok(Some(connect)),
            // The decoder lets nothing else come first.
            Some(_) => return Ok(None),
            None => {}
        }
        buffer.reserve(READ_BYTES);
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

/// A connected client.
struct Link<S> {
    iot_core: IotCore,
    stream: S,
    decoder: Decoder,
    buffer: BytesMut,
    mailbox: Mailbox,
    wants: Wants,
    throughput: Throughput,
}

impl<S: Carrier> Link<S> {
    async fn run(mut self, accepted: Accepted, mut out: Vec<u8>) {
        let connection = accepted.connection;
        let patience = Duration::from_millis(u64::from(accepted.keep_alive_seconds) * 1500);
        let mut conversation = Conversation::new(self.iot_core.clone(), connection, self.wants);
        let Err(reason) = self.converse(&mut conversation, patience, &mut out).await;
        self.iot_core.end(connection, reason);
        let _gone = timeout(FAREWELL, self.stream.write_all(&out)).await;
        self.stream.hang_up().await;
    }

    /// Reads and writes until something ends the connection; `out` then holds the last words.
    async fn converse(
        &mut self,
        conversation: &mut Conversation,
        patience: Duration,
        out: &mut Vec<u8>,
    ) -> Result<Infallible, DisconnectReason> {
        let mut last_packet = Instant::now();
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# a client may send packets right after its CONNECT, before the CONNACK
        self.obey(conversation, out)?;
        loop {
            self.send(out, patience).await?;
            self.buffer.reserve(READ_BYTES);
            let held_back = self.throughput.is_held_back();
            let turn = async {
                tokio::select! {
                    read = self.stream.read_buf(&mut self.buffer), if !held_back => {
                        Turn::Read(read.unwrap_or(0))
                    }
                    news = self.mailbox.news() => Turn::News(news),
                }
            };
            match timeout_at(last_packet + patience, turn).await {
                Ok(Turn::Read(0)) => return Err(self.ended(conversation)),
                Ok(Turn::Read(bytes)) => {
                    last_packet = Instant::now();
                    self.throughput.moved(bytes);
                    self.obey(conversation, out)?;
                }
                Ok(Turn::News(news)) => {
                    if let Some(reason) = news.closed {
                        answers::disconnect_for(reason, &self.wants, out);
                        return Err(reason);
                    }
                    self.throughput.look_again();
                    if self.throughput.is_held_back() {
                        continue;
                    }
                    // The news counts as unread until all that waited is on its way.
                    while conversation.deliver(out) == Outgoing::More {
                        self.send(out, patience).await?;
                        if self.throughput.is_held_back() {
                            break;
                        }
                    }
                    self.send(out, patience).await?;
                }
                // It may have said something that was not read.
                Err(_elapsed) if held_back => last_packet = Instant::now(),
                //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
                //# a client that is silent for one and a half times its keep-alive is disconnected
                Err(_elapsed) => {
                    let reason = DisconnectReason::MqttKeepAliveTimeout;
                    answers::disconnect_for(reason, &self.wants, out);
                    return Err(reason);
                }
            }
        }
    }

    /// Obeys what has come.
    fn obey(
        &mut self,
        conversation: &mut Conversation,
        out: &mut Vec<u8>,
    ) -> Result<(), DisconnectReason> {
        match conversation.read(&mut self.decoder, &mut self.buffer, out) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(reason) => Err(reason),
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# a WebSocket close frame is the client's wish like DISCONNECT, so that no will is sent
    /// Why the connection is over, of which nothing more comes.
    fn ended(&self, conversation: &Conversation) -> DisconnectReason {
        match self.stream.end() {
            End::Lost => DisconnectReason::ConnectionLost,
            End::Closed => DisconnectReason::ClientInitiatedDisconnect,
            End::Misused(why) => {
                conversation.note_misuse(why);
                DisconnectReason::ClientError
            }
        }
    }

    /// Writes and empties `out`. A client that takes nothing for as long as it may be silent is
    /// lost, and one whose connection is over meanwhile is waited for no longer.
    async fn send(
        &mut self,
        out: &mut Vec<u8>,
        patience: Duration,
    ) -> Result<(), DisconnectReason> {
        if out.is_empty() {
            return Ok(());
        }
        self.throughput.moved(out.len());
        let Self { stream, mailbox, .. } = self;
        let writing = timeout(patience, async {
            stream.write_all(out).await?;
            stream.flush().await
        });
        let sent = tokio::select! {
            // What can be written is: the end of the connection comes after it.
            biased;
            written = writing => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(DisconnectReason::ConnectionLost),
                Err(_elapsed) => Err(DisconnectReason::MqttKeepAliveTimeout),
            },
            // Half a packet may be on its way, so there are no last words.
            reason = mailbox.closed() => Err(reason),
        };
        out.clear();
        sent
    }
}

enum Turn {
    Read(usize),
    News(crate::outbox::News),
}
