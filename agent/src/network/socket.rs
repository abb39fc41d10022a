//! A conversation with the kernel's routing netlink: one request, its answers. What
//! the messages mean is not known here. The kernel answers while it takes the
//! request, so nothing is waited for but a lock of its own.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{
    DefaultNla, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader,
    NlasIterator,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// The kernel fills at most half of this at a time.
const BUFFER: usize = 64 << 10;

/// Answers to one request: far more than a guest has links, addresses or routes.
const MOST_ANSWERS: usize = 1 << 16;

/// How often a list is asked for again that changed while it was read.
const TRIES: usize = 8;

/// The numbers are in linux/netlink.h; libc lacks the last one.
const NLM_F_DUMP_INTR: u16 = 0x10;
const NETLINK_EXT_ACK: libc::c_int = 11;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;

/// What the kernel refuses, with what it says about that.
#[derive(Debug)]
pub(super) struct Refused {
    /// The error itself.
    pub source: io::Error,
    /// Its own words, where it has some.
    pub said: String,
}

impl Refused {
    pub(super) fn is(&self, errno: Errno) -> bool {
        self.source.raw_os_error() == Some(errno as i32)
    }
}

impl From<io::Error> for Refused {
    fn from(source: io::Error) -> Self {
        Self { source, said: String::new() }
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// An open conversation, in the network namespace of the thread that opened it.
pub(super) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub(super) fn open() -> Result<Self, Refused> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        let on: libc::c_int = 1;
        let length = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open, and the number outlives the call. A kernel
        // that does not know the option has less to say, that is all.
        unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_NETLINK,
                NETLINK_EXT_ACK,
                (&raw const on).cast(),
                length,
            );
        }
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Has something changed. `flags` are those beyond the usual ones.
    pub(super) fn change(
        &mut self,
        kind: u16,
        flags: u16,
        header: &impl Emitable,
        attributes: &[DefaultNla],
    ) -> Result<(), Refused> {
        self.change_raw(kind, flags, &body(header, attributes))
    }

    /// As [`Socket::change`], with a body that the kernel itself has written.
    pub(super) fn change_raw(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), Refused> {
        self.send(kind, flags | NLM_F_ACK, body)?;
        self.receive(false).map(|_| ())
    }

    /// Everything there is of a kind: the bodies of the messages.
    pub(super) fn list(
        &mut self,
        kind: u16,
        header: &impl Emitable,
    ) -> Result<Vec<Vec<u8>>, Refused> {
        let request = body(header, &[]);
        for _ in 0..TRIES {
            self.send(kind, NLM_F_DUMP, &request)?;
            if let Some(answers) = self.receive(true)? {
                return Ok(answers);
            }
        }
        Err(io::Error::other("the list changes all the time").into())
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), Refused> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(HEADER + body.len()).map_err(io::Error::other)?;
        header.message_type = kind;
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let mut message = vec![0; HEADER];
        header.emit(&mut message);
        message.extend_from_slice(body);
        sendto(self.fd.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    /// All answers to the last request; none when the list changed in between.
    fn receive(&mut self, is_list: bool) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        let mut answers = Vec::new();
        let mut whole = true;
        loop {
            let length = match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let mut rest: &[u8] = self.buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
                let size = usize::try_from(message.length()).map_err(io::Error::other)?;
                let payload = message.payload();
                let flags = message.flags();
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
                if message.sequence_number() != self.sequence {
                    continue;
                }
                whole &= flags & NLM_F_DUMP_INTR == 0;
                match i32::from(message.message_type()) {
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        acknowledged(payload, flags)?;
                        return Ok((whole || !is_list).then_some(answers));
                    }
                    libc::NLMSG_NOOP => {}
                    _ if answers.len() < MOST_ANSWERS => answers.push(payload.to_vec()),
                    _ => return Err(io::Error::other("the list is too long").into()),
                }
            }
        }
    }
}

/// The message that ends an answer: a negative error number, or nothing.
fn acknowledged(payload: &[u8], flags: u16) -> Result<(), Refused> {
    let code = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code >= 0 {
        return Ok(());
    }
    let source = io::Error::from_raw_os_error(code.saturating_neg());
    let mut said = String::new();
    if flags & NLM_F_ACK_TLVS != 0 {
        // The request follows, whole or just its header.
        let request = payload.get(4..).unwrap_or_default();
        let whole = request.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let skip = match usize::try_from(whole) {
            Ok(length) if flags & NLM_F_CAPPED == 0 => length.next_multiple_of(4),
            _ => HEADER,
        };
        let words = attributes(request.get(skip..).unwrap_or_default())
            .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG);
        if let Some((_, words)) = words {
            said = text(words);
        }
    }
    Err(Refused { source, said })
}

/// For fuzzing, and in tests: any bytes as the end of an answer.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(bytes: &[u8]) {
    for flags in [0, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED] {
        if let Err(refused) = acknowledged(bytes, flags) {
            assert!(refused.source.raw_os_error().is_some());
        }
    }
}

/// A message's body from its header and its attributes.
fn body(header: &impl Emitable, attributes: &[DefaultNla]) -> Vec<u8> {
    let start = header.buffer_len();
    let mut body = vec![0; start + attributes.buffer_len()];
    header.emit(&mut body);
    attributes.emit(body.get_mut(start..).unwrap_or_default());
    body
}

/// The attributes of a message, by number. What is cut off is left out.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|found| {
        let (kind, length) = (found.kind(), usize::from(found.length()));
        (kind, found.into_inner().get(4..length).unwrap_or_default())
    })
}

/// One attribute to send.
pub(super) fn attribute(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
}

/// One attribute that holds others.
pub(super) fn nested(kind: u16, inside: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; inside.buffer_len()];
    inside.emit(&mut value);
    attribute(kind, &value)
}

/// A text that the kernel has ended with a zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A number of four bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}
