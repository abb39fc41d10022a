//! One process of a container: how to signal it, its end, and its streams.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use guest_container::{Process, Streams as Made};

use crate::process::{Ending, Ends, Handover, Ports, Streams};

/// A process that was started, or waits for its start.
#[derive(Debug)]
pub struct Running {
    /// How it ends.
    pub ending: Ending,
    /// Its standard streams.
    pub streams: Streams,
    waited: AtomicBool,
}

impl Running {
    /// Takes over the streams of a process.
    ///
    /// # Errors
    ///
    /// When a connection for a stream did not come, or a stream can't be watched.
    pub async fn new(process: &mut Process, handover: &Handover, ports: Ports) -> io::Result<Self> {
        let (ending, tell) = Ending::pair();
        process.exit().on_end(Box::new(tell));
        let streams = match process.take_streams() {
            Made { terminal: Some(master), .. } => {
                handover.wire(Ends::Terminal(master), ports, &ending).await?
            }
            Made { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr), .. } => {
                handover.wire(Ends::Pipes { stdin, stdout, stderr }, ports, &ending).await?
            }
            _ => Streams::default(),
        };
        Ok(Self { ending, streams, waited: AtomicBool::new(false) })
    }

    /// Waits for the end. Whoever asks is told, however often.
    pub async fn wait(&self) -> Option<i32> {
        let code = self.ending.wait().await;
        self.waited.store(true, Ordering::Relaxed);
        code
    }

    /// Whether it has ended, and somebody has been told.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ending.code().is_some() && self.waited.load(Ordering::Relaxed)
    }
}
