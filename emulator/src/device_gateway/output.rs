//! What is said to a client and not written yet.
//!
//! It decides which buffer a connection says it in: one that has nothing to say keeps none.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// A larger buffer is given back once it is written.
const IDLE_BYTES: usize = 1024;
/// A still larger one not even to the next connection that writes.
const SPARE_BYTES: usize = 128 * 1024;

thread_local! {
    /// What the next connection writes into.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes on their way to the client.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// Whether something below may hold back what was written.
    unflushed: bool,
}

impl Output {
    /// Begins with these bytes.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// What waits to be written.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn is_sent(&self) -> bool {
        self.unsent().is_empty() && !self.unflushed
    }

    /// Lets `say` append what it has to say, if anything.
    pub(super) fn append<R>(&mut self, say: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
        let said = say(&mut self.bytes);
        if self.bytes.is_empty() {
            self.end();
        }
        said
    }

    /// Writes what can be written now; `moved` hears how much each write took.
    pub(super) fn poll_send(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
        mut moved: impl FnMut(usize),
    ) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match stream.as_mut().poll_write(context, &self.bytes[self.written..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    moved(count);
                    self.written += count;
                }
                Poll::Pending => return Ok(()),
            }
            self.unflushed = true;
        }
        if self.unflushed && stream.poll_flush(context)?.is_ready() {
            self.end();
        }
        Ok(())
    }

    /// All was said.
    fn end(&mut self) {
        self.bytes.clear();
        if (IDLE_BYTES + 1..=SPARE_BYTES).contains(&self.bytes.capacity()) {
            SPARE.set(std::mem::take(&mut self.bytes));
        } else if self.bytes.capacity() > SPARE_BYTES {
            self.bytes = Vec::new();
        }
        (self.written, self.unflushed) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Says so many bytes, writes them, and gives the capacity that is kept.
    fn say(output: &mut Output, bytes: usize) -> usize {
        output.append(|out| out.resize(bytes, 0));
        let mut context = Context::from_waker(Waker::noop());
        let mut sink = tokio::io::sink();
        output.poll_send(Pin::new(&mut sink), &mut context, |_| {}).unwrap();
        assert!(output.is_sent());
        output.bytes.capacity()
    }

    #[test]
    fn whoever_says_nothing_keeps_no_buffer_and_a_large_one_goes_from_hand_to_hand() {
        let (mut one, mut other) = (Output::default(), Output::default());
        assert_eq!(say(&mut one, 64 * 1024), 0);
        other.append(|out| assert!(out.capacity() >= 64 * 1024));
        assert_eq!(other.bytes.capacity(), 0);
        one.append(|out| assert!(out.capacity() >= 64 * 1024));
        // Nobody else has one meanwhile.
        one.append(|out| out.push(1));
        assert!(say(&mut other, 10) <= IDLE_BYTES);
        say(&mut one, 10);
        // What is too large for a spare one is no more.
        let mut loud = Output::default();
        SPARE.take();
        assert_eq!(say(&mut loud, SPARE_BYTES + 1), 0);
        assert_eq!(SPARE.take().capacity(), 0);
    }
}
