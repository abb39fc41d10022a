//! Which way the streams of a process go: through RPCs, or over connections that
//! the host has made for them.

use std::io;
use std::os::fd::OwnedFd;

use super::{Ending, Handover, Streams, forward};

/// The agent's ends of a process' streams.
#[derive(Debug)]
pub enum Ends {
    /// A pipe each.
    Pipes {
        /// Written to.
        stdin: OwnedFd,
        /// Read from.
        stdout: OwnedFd,
        /// Read from.
        stderr: OwnedFd,
    },
    /// One terminal.
    Terminal(OwnedFd),
}

/// Vsock ports of the host that connections came from; 0 for none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// For standard input.
    pub stdin: u32,
    /// For standard output, and all that a terminal says.
    pub stdout: u32,
    /// For standard error.
    pub stderr: u32,
}

impl Ports {
    fn any(self) -> bool {
        (self.stdin, self.stdout, self.stderr) != (0, 0, 0)
    }
}

impl Handover {
    /// The streams of a process. Those with a port are copied from now on.
    ///
    /// # Errors
    ///
    /// When a connection did not come, or an end can't be watched.
    pub async fn wire(&self, ends: Ends, ports: Ports, ending: &Ending) -> io::Result<Streams> {
        match ends {
            Ends::Terminal(master) => {
                if ports.any() {
                    let (input, output) = (master.try_clone()?, master.try_clone()?);
                    self.input(input, ports.stdin, ending).await?;
                    self.output(output, ports.stdout, ending).await?;
                }
                Streams::terminal(master, ports.any())
            }
            Ends::Pipes { stdin, stdout, stderr } => {
                let stdin = self.input(stdin, ports.stdin, ending).await?;
                let stdout = self.output(stdout, ports.stdout, ending).await?;
                let stderr = self.output(stderr, ports.stderr, ending).await?;
                Streams::pipes(stdin, stdout, stderr)
            }
        }
    }

    /// The end itself where it has no port.
    async fn input(&self, to: OwnedFd, port: u32, ending: &Ending) -> io::Result<Option<OwnedFd>> {
        if port == 0 {
            return Ok(Some(to));
        }
        let from = self.take(port).await?;
        forward::into_process(from, to, ending.clone())?;
        Ok(None)
    }

    async fn output(
        &self,
        from: OwnedFd,
        port: u32,
        ending: &Ending,
    ) -> io::Result<Option<OwnedFd>> {
        if port == 0 {
            return Ok(Some(from));
        }
        let to = self.take(port).await?;
        forward::out_of_process(from, to, ending.clone())?;
        Ok(None)
    }
}
