//! What a process writes: each line goes to the host at once, the last 4 KB stay for the answer.

use std::collections::VecDeque;
use std::future;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};

use super::super::host::Host;
use crate::names::Scope;

//= https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html
//# X-Amz-Log-Result holds the last 4 KB of the execution log
/// How much of the log an answer carries, in bytes.
const TAIL_BYTES: usize = 4 * 1024;

/// A line that grows beyond this is cut into several.
const LINE_BYTES: usize = 64 * 1024;

/// How much is asked for at once, in bytes.
const READ_BYTES: usize = 8 * 1024;

/// How often a pipe is read to empty it; one holds 64 KB, and a process may fill it meanwhile.
const DRAIN_READS: usize = 32;

/// The two streams of one process. They are read only while it has an event, as AWS freezes the
/// process in between.
#[derive(Debug)]
pub(super) struct Logs {
    output: Stream<ChildStdout>,
    errors: Stream<ChildStderr>,
    journal: Journal,
}

#[derive(Debug)]
struct Stream<R> {
    /// `None` when the process has closed it.
    reader: Option<R>,
    unread: BytesMut,
}

/// Where lines go.
#[derive(Debug)]
struct Journal {
    host: Arc<Host>,
    scope: Scope,
    name: String,
    tail: VecDeque<u8>,
}

impl Logs {
    pub(super) fn new(
        host: &Arc<Host>,
        scope: &Scope,
        name: &str,
        output: Option<ChildStdout>,
        errors: Option<ChildStderr>,
    ) -> Self {
        let journal = Journal {
            host: Arc::clone(host),
            scope: scope.clone(),
            name: name.to_owned(),
            tail: VecDeque::new(),
        };
        let output = Stream { reader: output, unread: BytesMut::new() };
        Self { output, errors: Stream { reader: errors, unread: BytesMut::new() }, journal }
    }

    /// Adds a line of our own, such as `START`.
    pub(super) fn note(&mut self, line: &str) {
        self.journal.write(line.as_bytes());
    }

    /// Passes on what is written; never ends.
    pub(super) async fn pump(&mut self) -> ! {
        loop {
            self.step().await;
        }
    }

    /// Passes on what has been written up to now, also a line without an end.
    ///
    /// A runtime writes before it reports, and a process before it ends, so that whoever has seen
    /// the report or the end finds the pipes readable.
    pub(super) async fn drain(&mut self) {
        for _ in 0..DRAIN_READS {
            let more = tokio::select! {
                biased;
                () = tokio::task::unconstrained(self.step()) => true,
                () = future::ready(()) => false,
            };
            if !more {
                break;
            }
        }
        self.output.pass_on(true, &mut self.journal);
        self.errors.pass_on(true, &mut self.journal);
    }

    /// The last 4 KB since this was called last.
    pub(super) fn take_tail(&mut self) -> String {
        let tail: Vec<u8> = std::mem::take(&mut self.journal.tail).into();
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// Reads once from whichever stream has something; waits for ever when both are closed.
    async fn step(&mut self) {
        tokio::select! {
            () = self.output.fill() => {}
            () = self.errors.fill() => {}
        }
        self.output.pass_on(false, &mut self.journal);
        self.errors.pass_on(false, &mut self.journal);
    }
}

impl<R: AsyncRead + Unpin> Stream<R> {
    async fn fill(&mut self) {
        let Some(reader) = &mut self.reader else { return future::pending().await };
        self.unread.reserve(READ_BYTES);
        let read = reader.read_buf(&mut self.unread).await;
        if !matches!(read, Ok(1..)) {
            self.reader = None;
        }
    }

    /// Passes on every whole line, and with `all` also what follows the last one.
    fn pass_on(&mut self, all: bool, journal: &mut Journal) {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line = self.unread.split_to(end + 1);
            journal.write(&line[..end]);
        }
        let last = all || self.reader.is_none() || self.unread.len() >= LINE_BYTES;
        if last && !self.unread.is_empty() {
            journal.write(&self.unread.split());
        }
    }
}

impl Journal {
    fn write(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.host.log(&self.scope, &self.name, &String::from_utf8_lossy(line));
        self.tail.extend(line);
        self.tail.push_back(b'\n');
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus);
    }
}
