//! One MQTT connection up to its CONNACK: the first packet, who it is, whether it may connect.
//!
//! It decides nothing but how an answer is put on this connection; `link.rs` goes on from there.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::answers;
use super::codec::CodecError;
use super::codec::decode::Decoder;
use super::codec::packets::{Connect, Packet};
use super::conversation::Conversation;
use super::link::Link;
use super::peer_of;
use super::throughput::Throughput;
use crate::cloud::{Cloud, Meant};
use crate::iot_core::{IotCore, Peer, Principal, Unknown};
use crate::message::ProtocolVersion;
use crate::names::ClientId;
use crate::outbox::Mailbox;
use crate::quotas::PACKET_BYTES;
use crate::tls::{self, Stream};

//? assumed: how long a device may take for its CONNECT after the handshake
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the last words may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
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

/// Greets a client with a certificate. Nothing of its certificates stays with the connection, nor
/// the box that it came in, which whoever opened it here would keep.
pub(super) async fn greet_device(
    cloud: &Cloud,
    meant: Meant,
    accepted: Box<tls::Accepted>,
) -> Option<Box<Link<Stream>>> {
    let peer = peer_of(&accepted, meant.by_name, "MQTT");
    let tls::Accepted { stream, chain, .. } = *accepted;
    let iot_core = meant.iot_core;
    //= https://github.com/ministackorg/ministack/pull/1755
    //# a certificate is registered on the CONNECT packet, not on the handshake; no CONNACK follows
    let identify = |client_id: &ClientId| iot_core.present(&chain, &peer, Some(client_id));
    greet(cloud, iot_core.clone(), peer.clone(), stream, identify).await
}

/// Waits for the CONNECT and answers it; `identify` tells who it is. Whoever is not let in has been
/// hung up on.
pub(super) async fn greet<S: Carrier>(
    cloud: &Cloud,
    iot_core: IotCore,
    peer: Peer,
    mut stream: S,
    identify: impl FnOnce(&ClientId) -> Result<Arc<Principal>, Unknown>,
) -> Option<Box<Link<S>>> {
    let mut decoder = Decoder::new(PACKET_BYTES);
    let mut buffer = BytesMut::new();
    let first = timeout(CONNECT_WITHIN, first_packet(&mut stream, &mut decoder, &mut buffer)).await;
    let connect = match first {
        Ok(Ok(Some(connect))) => connect,
        //? assumed: a CONNECT that is malformed or of a version that AWS does not speak gets no
        //? CONNACK: of 0x81, 0x82 and 0x84, of 1 and 2 in MQTT 3.1.1, AWS lists none
        Ok(Err(error)) => {
            iot_core.note_misuse_before_connect(&peer, &error.to_string());
            stream.hang_up().await;
            return None;
        }
        Ok(Ok(None)) => {
            if let End::Misused(why) = stream.end() {
                iot_core.note_misuse_before_connect(&peer, why);
            }
            stream.hang_up().await;
            return None;
        }
        Err(_elapsed) => {
            let why = format!("no CONNECT within {} s of the handshake", CONNECT_WITHIN.as_secs());
            iot_core.note_misuse_before_connect(&peer, &why);
            stream.hang_up().await;
            return None;
        }
    };
    if peer.ends.is_some_and(|ends| ends <= iot_core.now()) {
        iot_core.note_misuse_before_connect(&peer, "a CONNECT after the WebSocket's 24 hours");
        stream.hang_up().await;
        return None;
    }
    let Ok(principal) = identify(&connect.client_id) else {
        stream.hang_up().await;
        return None;
    };
    let mailbox = Mailbox::new(cloud.outbox().activity());
    let asked_for = connect.client_id.clone();
    let wants = Wants::of(&connect);
    let request = answers::connect_request(*connect);
    match iot_core.connect(principal, &peer, request, mailbox.clone()) {
        Ok(accepted) => {
            let mut out = Vec::new();
            answers::connack(&accepted, &wants, asked_for.as_str().is_empty(), &mut out);
            let keep_alive = accepted.keep_alive_seconds;
            let throughput = Throughput::new(&iot_core, accepted.connection);
            let conversation = Conversation::new(iot_core, accepted.connection, wants);
            let (read, speech) = ((decoder, buffer), (conversation, throughput));
            Some(Box::new(Link::new(stream, read, out, mailbox, speech, keep_alive)))
        }
        Err((refused, trace_id)) => {
            let mut out = Vec::new();
            answers::connect_refused(refused, &wants, &trace_id, &mut out);
            let _gone = timeout(FAREWELL, stream.write_all(&out)).await;
            stream.hang_up().await;
            None
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
