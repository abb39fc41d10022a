//! The thread that sends spans. A host that is not there, or does not read, holds up
//! this thread and nobody else; the agent's end waits for it, but not for long. It
//! must not know what a span means.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::line::{Dial, Line};
use super::queue::Queue;
use super::record::Record;
use super::wire;

/// How long the agent's end waits until all spans have been taken.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// How long the host's end of the line may take to close. Not every vsock device tells
/// it that this end is through.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// How long to wait until the host is tried a third time, and the most later on. The
/// second time is at once, for a line that broke may be had anew.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Takes spans that are to be sent.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Arc<Queue>,
    /// Ends with the thread.
    thread: Mutex<Receiver<()>>,
}

impl Exporter {
    /// Starts the thread. It connects when there is something to say.
    ///
    /// # Errors
    ///
    /// When there can't be a thread.
    pub(super) fn start(dial: Dial) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (alive, thread) = mpsc::channel();
        let sender = Sender { queue: Arc::clone(&queue), dial, line: None };
        std::thread::Builder::new().name("trace".to_owned()).spawn(move || {
            sender.run();
            drop(alive);
        })?;
        Ok(Self { queue, thread: Mutex::new(thread) })
    }

    /// Sends a span some time.
    pub(super) fn send(&self, record: Record) {
        self.queue.push(record);
    }

    /// Takes no more spans and waits until the host has those that were sent, within
    /// reason.
    pub(super) fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.recv_timeout(LAST_SPANS) == Err(RecvTimeoutError::Timeout) {
            let (left, dropped) = (self.queue.len() + 1, self.queue.take_dropped());
            log::warn!("the host does not read spans: {left} were left, {dropped} dropped");
        }
    }
}

struct Sender {
    queue: Arc<Queue>,
    dial: Dial,
    line: Option<Box<dyn Line>>,
}

impl Sender {
    fn run(mut self) {
        while let Some(record) = self.queue.next() {
            match wire::frame(&record) {
                Ok(frame) => {
                    if !self.deliver(&frame) {
                        return;
                    }
                }
                Err(error) => log::warn!("a span can't be sent: {error}"),
            }
        }
        // Bytes may still lie in this machine when it stops; the host closes its end
        // when it has read them all.
        if let Some(mut line) = self.line
            && line.finish(LAST_BYTES).is_ok()
        {
            // Its end, or no answer: it has nothing to say.
            let _ = line.read(&mut [0]);
        }
    }

    /// Tries until the host has taken the bytes; false if it is too late for that.
    fn deliver(&mut self, frame: &[u8]) -> bool {
        let mut pause = Duration::ZERO;
        let mut failed = false;
        while let Err(error) = self.write(frame) {
            // Half a span may be out; what follows must not be taken for its rest.
            self.line = None;
            if failed && self.queue.is_closed() {
                let (left, dropped) = (self.queue.len() + 1, self.queue.take_dropped());
                log::warn!("the host takes no spans: {error}; {left} were left, {dropped} dropped");
                return false;
            }
            if !failed {
                log::warn!("the host takes no spans: {error}; it is tried again");
                failed = true;
            }
            self.queue.rest(pause);
            pause = (pause * 2).clamp(PAUSES.0, PAUSES.1);
        }
        match self.queue.take_dropped() {
            0 if failed => log::info!("the host takes spans again"),
            0 => {}
            dropped => log::warn!("{dropped} spans were dropped while the host took none"),
        }
        true
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let line = match &mut self.line {
            Some(line) => line,
            none => none.insert((self.dial)()?),
        };
        line.write_all(frame)
    }
}
