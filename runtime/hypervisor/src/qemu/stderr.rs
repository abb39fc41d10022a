//! The last lines a helper process wrote to its standard error, for the error
//! message that explains why it left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// How many bytes are kept.
const LIMIT: usize = 8 * 1024;
/// How many lines are shown.
const LINES: usize = 20;

/// Collects a stream's end while it runs.
#[derive(Debug)]
pub struct StderrTail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    task: JoinHandle<()>,
}

impl StderrTail {
    /// Reads `source` in the background until it ends.
    pub fn collect<R: AsyncRead + Unpin + Send + 'static>(mut source: R) -> Self {
        let bytes: Arc<Mutex<VecDeque<u8>>> = Arc::default();
        let kept = Arc::clone(&bytes);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = source.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..count]);
                let excess = kept.len().saturating_sub(LIMIT);
                kept.drain(..excess);
            }
        });
        Self { bytes, task }
    }

    /// The last lines so far.
    pub fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> =
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(ToString::to_string).collect()
    }

    /// Waits until the stream has ended, then gives its last lines.
    pub async fn finished(&mut self) -> Vec<String> {
        // A finished task may be awaited once only, and this is called again
        // by every further wait for the same machine.
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
        self.lines()
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_is_kept() {
        let text: String = (0..5000).map(|number| format!("line {number}\n\n")).collect();
        let mut tail = StderrTail::collect(std::io::Cursor::new(text.into_bytes()));
        let lines = tail.finished().await;
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().unwrap(), "line 4999");
        assert_eq!(tail.finished().await, lines, "asking again gives the same");
        assert!(tail.bytes.lock().unwrap().len() <= LIMIT);
    }
}
