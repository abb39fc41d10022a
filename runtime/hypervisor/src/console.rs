//! The guest's serial console as lines with arrival times.
//!
//! The guest is not trusted: lines, their number and the log file are bounded,
//! and control sequences are taken out before anything is shown to a person.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Longer lines are cut into pieces of this many bytes.
const LINE_LIMIT: usize = 4096;
/// When more lines than this are held, the oldest is forgotten.
const LINES_LIMIT: usize = 20_000;
/// The log file stops growing here, in bytes.
const LOG_LIMIT: usize = 16 * 1024 * 1024;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLine {
    /// When its last byte arrived, counted from the start of the machine.
    pub at: Duration,
    /// The text without line end and control characters.
    pub text: String,
}

/// A shared, growing view of the console. Clones see the same lines.
#[derive(Debug, Clone)]
pub struct Console {
    lines: Arc<Mutex<VecDeque<ConsoleLine>>>,
    seen: Arc<watch::Sender<u64>>,
    start: Instant,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// An empty console whose clock starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Arc::default(), seen: Arc::new(watch::Sender::new(0)), start: Instant::now() }
    }

    /// The time since the machine was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// All lines held, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<ConsoleLine> {
        self.locked().iter().cloned().collect()
    }

    /// A receiver that wakes whenever lines arrived; its value counts all
    /// lines ever seen.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<ConsoleLine>> {
        // Every critical section leaves the queue whole, so a poisoned lock is usable.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, raw: &[u8]) {
        let line = ConsoleLine { at: self.elapsed(), text: clean(raw) };
        let mut lines = self.locked();
        if lines.len() == LINES_LIMIT {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        self.seen.send_modify(|count| *count += 1);
    }

    /// Reads `source` until it ends, keeping lines here and raw bytes in the
    /// file at `log`, if one is given.
    /// A log that can't be written is given up with a warning, since the lines
    /// in memory matter more.
    pub async fn capture<R: AsyncRead + Unpin>(&self, mut source: R, log: Option<std::fs::File>) {
        let mut log = log.map(tokio::fs::File::from_std);
        let mut logged = 0;
        let mut pending = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            // A read error ends the stream just as its end does: QEMU is gone.
            let count = source.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            let bytes = &buffer[..count];
            if let Some(file) = log.as_mut() {
                let room = bytes.len().min(LOG_LIMIT - logged);
                let written = match file.write_all(&bytes[..room]).await {
                    Ok(()) => file.flush().await,
                    error => error,
                };
                logged += room;
                if let Err(error) = written {
                    tracing::warn!(%error, "the console log can't be written any more");
                    log = None;
                }
            }
            self.split(&mut pending, bytes);
        }
        if !pending.is_empty() {
            self.push(&pending);
        }
    }

    fn split(&self, pending: &mut Vec<u8>, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.push(pending);
                pending.clear();
            } else {
                pending.push(byte);
                if pending.len() == LINE_LIMIT {
                    self.push(pending);
                    pending.clear();
                }
            }
        }
    }
}

/// Makes the log file anew.
///
/// # Errors
/// The file can't be made.
pub fn create_log(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::create(path)
}

/// Takes out what a terminal would obey: escape sequences and other control
/// characters, except the tab.
fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(character) = chars.next() {
        if character == '\u{1b}' {
            skip_escape(&mut chars);
        } else if character == '\t' || !character.is_control() {
            cleaned.push(character);
        }
    }
    cleaned
}

/// Skips the rest of an escape sequence: `[` parameters and a final letter
/// (CSI), or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.next() == Some('[') {
        for character in chars.by_ref() {
            if ('@'..='~').contains(&character) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn texts(bytes: &[u8]) -> Vec<String> {
        let console = Console::new();
        console.capture(bytes, None).await;
        console.lines().into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn lines_lose_their_ends_and_control_sequences() {
        assert_eq!(
            texts(b"\x1b[2J\x1b[01;32mSeaBIOS\x1b[0m\r\n[    0.0] a\tb\x07\r\nno end").await,
            ["SeaBIOS", "[    0.0] a\tb", "no end"]
        );
        assert_eq!(texts(b"\xff\xfe\n\x1b").await, ["\u{fffd}\u{fffd}", ""]);
    }

    #[tokio::test]
    async fn endless_lines_and_endless_output_stay_bounded() {
        let long = texts(&vec![b'x'; LINE_LIMIT * 2 + 1]).await;
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [LINE_LIMIT, LINE_LIMIT, 1]);
        let many = texts(&b"y\n".repeat(LINES_LIMIT + 5)).await;
        assert_eq!(many.len(), LINES_LIMIT);
    }

    #[tokio::test]
    async fn the_log_keeps_the_raw_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.log");
        let console = Console::new();
        console.capture(&b"a\r\nb"[..], Some(create_log(&path).unwrap())).await;
        assert_eq!(std::fs::read(path).unwrap(), b"a\r\nb");
        assert_eq!(*console.watch().borrow(), 2);
    }
}
