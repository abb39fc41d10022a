//! What the starter and the new process of a container say to each other, over one
//! socket: frames of a length (4 bytes, little-endian) and JSON. A descriptor travels
//! with one byte of its own, straight after the message that announces it.
//!
//! Both ends are this program, but the new process stands in the container's
//! namespaces: what it says is bounded, and waited for with a deadline.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use oci_spec::runtime::{Process, Spec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest message; a spec of thousands of mounts is far below.
const LONGEST: usize = 16 << 20;

/// The length that a process sends which failed before it could say anything: one
/// byte for the step and four for the errno follow.
pub(crate) const RAW_FAILURE: u32 = u32::MAX;

/// The socket's number in the new process.
pub(crate) const SOCKET: i32 = 3;
/// The joined container's first process, as a pidfd, where there is one.
pub(crate) const TARGET: i32 = 4;

/// What the new process is to be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The container's id.
    pub id: String,
    /// The program, as it is to run.
    pub process: Process,
    /// The container's whole spec.
    pub spec: Spec,
    /// The root filesystem, as the starter sees it.
    pub rootfs: PathBuf,
    /// Relative sources of bind mounts are relative to this folder.
    pub bundle: PathBuf,
    /// The container's folder in the cgroup tree, as the starter sees it.
    pub cgroup: PathBuf,
    /// Whether namespaces are made, or those of the process at [`TARGET`] joined.
    pub joins: Option<Join>,
    /// Whether hooks must be run by the starter while the rootfs is prepared.
    pub runtime_hooks: bool,
}

/// What of another process is joined.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// Flags of setns(2).
    pub namespaces: i32,
}

/// From the new process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromStage {
    /// A step begins; the text names it. A hook that has a timeout extends the
    /// deadline by so many seconds.
    At(String, u64),
    /// The namespaces stand: the hooks of the runtime are to be run, then `Go`.
    Namespaces,
    /// A byte with the terminal's descriptor follows.
    Terminal,
    /// Everything that needs the starter's rights outside is due: limits. Then `Go`.
    Limits,
    /// All is done but to run the program; for a container's first process `Start`
    /// is awaited. Said again after the hooks that follow it. The socket's end without
    /// another word means that it runs.
    Ready,
    /// It will not be. The text says it all.
    Failed(String),
}

/// To the new process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToStage {
    /// What it is to be; the first message.
    Setup(Box<Setup>),
    /// What was asked for is done.
    Go,
    /// The program is to run.
    Start,
}

/// Sends one message.
pub(crate) fn send<T: Serialize>(mut socket: &UnixStream, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    if body.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    socket.write_all(&frame)
}

/// What came.
#[derive(Debug)]
pub(crate) enum Received<T> {
    /// A message.
    Message(T),
    /// The other end is closed.
    End,
    /// The other end failed before it could speak: the step and the errno.
    Failure(u8, i32),
    /// Nothing came in time.
    TimedOut,
}

/// Receives one message; waits until `deadline` at most, if there is one.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: &UnixStream,
    deadline: Option<Instant>,
) -> io::Result<Received<T>> {
    let mut length = [0; 4];
    match fill(socket, &mut length, deadline)? {
        Filled::Whole => {}
        Filled::Nothing => return Ok(Received::End),
        Filled::TimedOut => return Ok(Received::TimedOut),
    }
    let length = u32::from_le_bytes(length);
    if length == RAW_FAILURE {
        let mut raw = [0; 5];
        return match fill(socket, &mut raw, deadline)? {
            Filled::Whole => {
                let [step, errno @ ..] = raw;
                Ok(Received::Failure(step, i32::from_le_bytes(errno)))
            }
            Filled::Nothing => Ok(Received::End),
            Filled::TimedOut => Ok(Received::TimedOut),
        };
    }
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut body = vec![0; length];
    match fill(socket, &mut body, deadline)? {
        Filled::Whole => Ok(Received::Message(serde_json::from_slice(&body)?)),
        Filled::Nothing => Ok(Received::End),
        Filled::TimedOut => Ok(Received::TimedOut),
    }
}

enum Filled {
    Whole,
    Nothing,
    TimedOut,
}

/// Fills the buffer. An end in the middle is the same as one at the beginning: the
/// other side has died.
fn fill(mut socket: &UnixStream, mut to: &mut [u8], until: Option<Instant>) -> io::Result<Filled> {
    while !to.is_empty() {
        if let Some(until) = until
            && !readable(socket, until)?
        {
            return Ok(Filled::TimedOut);
        }
        match socket.read(to) {
            Ok(0) => return Ok(Filled::Nothing),
            Ok(read) => to = to.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(Filled::Nothing);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Filled::Whole)
}

/// Whether something can be read before `until`.
pub(crate) fn readable(descriptor: impl AsFd, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that the last wait is none of 0 milliseconds in a circle.
        let left = i32::try_from(left.as_millis()).unwrap_or(i32::MAX - 1) + 1;
        let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if Instant::now() >= until => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sends a descriptor with one byte.
pub(crate) fn send_descriptor(socket: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let sent = [descriptor.as_fd().as_raw_fd()];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&sent)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(())
}

/// Receives a descriptor with its byte.
pub(crate) fn receive_descriptor(socket: &UnixStream, until: Instant) -> io::Result<OwnedFd> {
    if !readable(socket, until)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!([i32; 1]);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut room),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control
            && let Some(&raw) = received.first()
        {
            // SAFETY: the kernel has just made this descriptor for us, and there is
            // room for no second one.
            return Ok(unsafe { OwnedFd::from_raw_fd(raw) });
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "no descriptor came"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(20))
    }

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        send(&theirs, &FromStage::Terminal).expect("it is sent");
        send_descriptor(&theirs, &writer).expect("it is sent");
        send(&theirs, &FromStage::Ready).expect("it is sent");
        drop((theirs, writer));
        let first = receive(&ours, soon()).expect("it comes");
        assert!(matches!(first, Received::Message(FromStage::Terminal)));
        let until = Instant::now() + Duration::from_secs(20);
        let got = receive_descriptor(&ours, until).expect("it comes");
        std::fs::File::from(got).write_all(b"x").expect("it is the pipe");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it can be read");
        assert_eq!(text, "x");
        let second = receive(&ours, soon()).expect("it comes");
        assert!(matches!(second, Received::Message(FromStage::Ready)));
        let third: Received<FromStage> = receive(&ours, soon()).expect("it ends");
        assert!(matches!(third, Received::End));
    }

    #[test]
    fn a_huge_length_is_refused_and_silence_times_out() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let now = Some(Instant::now());
        let silence: Received<FromStage> = receive(&ours, now).expect("no error");
        assert!(matches!(silence, Received::TimedOut));
        theirs.write_all(&(u32::MAX - 1).to_le_bytes()).expect("it is sent");
        assert!(receive::<FromStage>(&ours, soon()).is_err());
    }

    #[test]
    fn a_raw_failure_is_understood() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        theirs.write_all(&[255, 255, 255, 255, 3, 2, 0, 0, 0]).expect("it is sent");
        let failure: Received<FromStage> = receive(&ours, soon()).expect("it comes");
        assert!(matches!(failure, Received::Failure(3, 2)));
    }
}
