//! A connected client: reads what it says, writes what it is told, until one side ends it.
//!
//! It decides when something is read and written, and nothing of what it means: `conversation.rs`
//! obeys packets. What comes is read even while the client is slow to take what goes out, so that
//! its PINGREQ and PUBACK count; only so much may wait for it, and then nothing is read either.
//! Keep-alive follows real time: whoever moves a manual clock by an hour cuts nobody off.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::answers::Outgoing;
use super::codec::decode::Decoder;
use super::conversation::Conversation;
use super::mqtt::{Carrier, End, FAREWELL};
use super::output::Output;
use super::throughput::Throughput;
use crate::alarm::Alarm;
use crate::message_broker::DisconnectReason;
use crate::outbox::{Letter, Mailbox, UnderWay};

/// Room for what arrives at once; many small packets fit.
const READ_BYTES: usize = 16 * 1024;
/// How often a client is read from before anything is written to it, while all that it is answered
/// is less than this: one write serves many packets.
const READS: u8 = 16;
const SOON_BYTES: usize = 16 * 1024;
/// A client for which more waits is not read from until it takes some. A batch of deliveries, of
/// which the last may be as large as a message can be, is less.
const UNSENT_BYTES: usize = 256 * 1024;
/// How much is done for a client that never has to wait before all others have their turn: what
/// the runtime itself allows for is some MB.
const TURNS: u8 = 16;

thread_local! {
    /// Where connections read into. One that has no half packet keeps no buffer of its own.
    static READ: RefCell<BytesMut> = RefCell::default();
}

/// One connected client.
pub(super) struct Link<S> {
    stream: S,
    decoder: Decoder,
    /// What was read and is no whole packet yet.
    input: BytesMut,
    output: Output,
    mailbox: Mailbox,
    conversation: Conversation,
    /// Whether more waits in the session's queue than the last batch held.
    more: bool,
    /// While it is here, not all that waited has been written.
    under_way: Option<UnderWay>,
    /// How often it was read from since anything was written.
    reads: u8,
    throughput: Throughput,
    patience: Patience,
}

/// How long a client may be silent.
struct Patience {
    limit: Duration,
    /// When the last whole packet came.
    heard: Instant,
    /// Looks whether the client has been silent for too long; moved on only when it goes off.
    alarm: Alarm,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        let heard = Instant::now();
        Self { limit, heard, alarm: Alarm::at(heard + limit) }
    }

    /// Ready when the client has been silent for too long.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Self { limit, heard, alarm } = self;
        alarm.poll_until(context, |_now| *heard + *limit)
    }
}

/// What is to be done next.
enum Turn {
    /// Bytes have come.
    Obey,
    /// Something waits for the client, and there is room for it.
    Deliver,
}

impl<S: Carrier> Link<S> {
    /// A client that was let in; `input` holds what came behind its CONNECT, `greeting` the
    /// CONNACK.
    pub(super) fn new(
        stream: S,
        (decoder, input): (Decoder, BytesMut),
        greeting: Vec<u8>,
        mailbox: Mailbox,
        (conversation, throughput): (Conversation, Throughput),
        keep_alive_seconds: u16,
    ) -> Self {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
        //# a client that is silent for one and a half times its keep-alive is disconnected
        let patience = Duration::from_millis(u64::from(keep_alive_seconds) * 1500);
        Self {
            stream,
            decoder,
            input,
            output: Output::of(greeting),
            mailbox,
            conversation,
            more: false,
            under_way: None,
            reads: 0,
            throughput,
            patience: Patience::new(patience),
        }
    }

    /// Serves the client until its connection is over.
    pub(super) async fn run(mut self: Box<Self>) {
        let Err(reason) = self.converse().await;
        self.conversation.end(reason);
        // In boxes, for which a client that idles keeps no room.
        Box::pin(self.say_farewell()).await;
        Box::pin(self.stream.hang_up()).await;
    }

    async fn say_farewell(&mut self) {
        let Self { stream, output, .. } = self;
        let farewell = async {
            stream.write_all(output.unsent()).await?;
            stream.flush().await
        };
        let _gone = timeout(FAREWELL, farewell).await;
        self.under_way = None;
    }

    /// Reads and writes until something ends the connection; the output then holds the last words.
    async fn converse(&mut self) -> Result<Infallible, DisconnectReason> {
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# a client may send packets right after its CONNECT, before the CONNACK
        self.obey()?;
        let mut turns = 0;
        loop {
            let turn = poll_fn(|context| {
                let turn = self.poll_turn(context);
                // Whoever waits lets the others have their turn.
                turns = if turn.is_pending() { 0 } else { turns + 1 };
                turn
            });
            match turn.await? {
                Turn::Obey => self.obey()?,
                Turn::Deliver => self.deliver(),
            }
            if turns == TURNS {
                turns = 0;
                yield_now().await;
            }
        }
    }

    /// Lets go out what waits, unless the connection is held back: then there is news when it may
    /// go on.
    fn deliver(&mut self) {
        self.throughput.look_again();
        self.more = !self.throughput.is_held_back()
            && self.output.append(|out| self.conversation.deliver(out)) == Outgoing::More;
    }

    /// Obeys what has come.
    fn obey(&mut self) -> Result<(), DisconnectReason> {
        let Self { decoder, input, output, conversation, .. } = self;
        let packets = match output.append(|out| conversation.read(decoder, input, out)) {
            ControlFlow::Continue(packets) => packets,
            ControlFlow::Break(reason) => return Err(reason),
        };
        if packets > 0 {
            self.patience.heard = Instant::now();
        }
        if self.input.is_empty() {
            // What it shared with other connections is free for them again.
            self.input = BytesMut::new();
        }
        Ok(())
    }

    /// Does what can be done without the core, until the core has to be asked or the connection
    /// is over.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Result<Turn, DisconnectReason>> {
        loop {
            let held_back = self.throughput.is_held_back();
            let room = self.output.unsent().len() < SOON_BYTES;
            if room && !held_back && self.reads < READS {
                self.reads += 1;
                if let Poll::Ready(turn) = self.poll_read(context) {
                    return Poll::Ready(turn);
                }
            }
            let read_all = held_back || room && self.reads < READS;
            if room && !held_back && self.more {
                return Poll::Ready(Ok(Turn::Deliver));
            }
            match self.mailbox.poll(context, room) {
                Poll::Ready(Letter::News(under_way)) => {
                    self.under_way = Some(under_way);
                    return Poll::Ready(Ok(Turn::Deliver));
                }
                Poll::Ready(Letter::Closed(reason, under_way)) => {
                    self.under_way = Some(under_way);
                    return Poll::Ready(Err(self.closed(reason)));
                }
                Poll::Pending => {}
            }
            if self.poll_send(context).is_err() {
                return Poll::Ready(Err(DisconnectReason::ConnectionLost));
            }
            if self.output.is_sent() {
                self.under_way = None;
            }
            self.reads = 0;
            if read_all || self.output.unsent().len() >= SOON_BYTES {
                break;
            }
        }
        if self.throughput.is_held_back() {
            // It may have said something that was not read.
            self.patience.heard = Instant::now();
        } else if (SOON_BYTES..UNSENT_BYTES).contains(&self.output.unsent().len())
            && let Poll::Ready(turn) = self.poll_read(context)
        {
            return Poll::Ready(turn);
        }
        ready!(self.patience.poll_over(context));
        Poll::Ready(Err(self.closed(DisconnectReason::MqttKeepAliveTimeout)))
    }

    /// Reads what has come.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Turn, DisconnectReason>> {
        let Self { stream, input, .. } = self;
        let read = if input.is_empty() {
            READ.with_borrow_mut(|room| {
                room.reserve(READ_BYTES);
                let read = ready!(pin!(stream.read_buf(room)).poll(context));
                *input = room.split();
                Poll::Ready(read)
            })
        } else {
            input.reserve(READ_BYTES);
            pin!(stream.read_buf(input)).poll(context)
        };
        Poll::Ready(match ready!(read) {
            Ok(0) | Err(_) => Err(self.ended()),
            Ok(bytes) => {
                self.throughput.moved(bytes);
                Ok(Turn::Obey)
            }
        })
    }

    /// Writes what can be written now.
    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let throughput = &mut self.throughput;
        self.output.poll_send(Pin::new(&mut self.stream), context, |bytes| throughput.moved(bytes))
    }

    /// The core or the clock ended the connection: the client is told.
    fn closed(&mut self, reason: DisconnectReason) -> DisconnectReason {
        self.output.append(|out| self.conversation.farewell(reason, out));
        reason
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# a WebSocket close frame is the client's wish like DISCONNECT, so that no will is sent
    /// Why the connection is over, of which nothing more comes.
    fn ended(&self) -> DisconnectReason {
        match self.stream.end() {
            End::Lost => DisconnectReason::ConnectionLost,
            End::Closed => DisconnectReason::ClientInitiatedDisconnect,
            End::Misused(why) => {
                self.conversation.note_misuse(why);
                DisconnectReason::ClientError
            }
        }
    }
}
