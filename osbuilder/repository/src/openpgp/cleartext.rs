//! The cleartext signature framework (RFC 9580, section 7): taking a signed text
//! and its signatures out of their frame in one linear, bounded pass. It decides
//! nothing about trust.
//!
//! The frame is read here rather than by the `pgp` crate because that one's
//! search for the end of the text takes quadratic time, which a hostile mirror
//! could use, and because only one reading of the frame may be possible.

use pgp::packet::Signature;

use super::SignatureError;
use super::detached::armored;

const BEGIN_TEXT: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &[u8] = b"-----END PGP SIGNATURE-----";

/// Largest signed file, in bytes; the largest Release files are under 2 MB.
const MAX_FILE: usize = 16 << 20;

/// A signed text out of its frame.
pub(super) struct Message {
    /// The text, lines ended by `\n`.
    pub text: Vec<u8>,
    /// The text as it was hashed: lines separated by CRLF, none after the last.
    pub hashed: Vec<u8>,
    /// The signatures, in the order of the file.
    pub signatures: Vec<Signature>,
}

/// Takes `signed` apart.
pub(super) fn split(signed: &[u8]) -> Result<Message, SignatureError> {
    let not = SignatureError::NotCleartext;
    if signed.len() > MAX_FILE {
        return Err(not("it is larger than 16 MiB"));
    }
    let mut lines = Lines { rest: signed };
    if lines.next() != Some(BEGIN_TEXT) {
        return Err(not("it does not begin with the line BEGIN PGP SIGNED MESSAGE"));
    }
    loop {
        match lines.next() {
            Some(b"") => break,
            Some(header) if header.starts_with(b"Hash: ") => {}
            Some(_) => return Err(not("its header has a line that is not `Hash:`")),
            None => return Err(not("it ends inside of its header")),
        }
    }
    let (mut text, mut hashed) = (Vec::new(), Vec::new());
    let block = loop {
        let before = lines.rest;
        let line = lines.next().ok_or(not("it ends before its signatures"))?;
        if line == BEGIN_SIGNATURE {
            break before;
        }
        let line = match line.strip_prefix(b"- ") {
            Some(escaped) => escaped,
            None if line.starts_with(b"-") => {
                return Err(not("a line of its text begins with an unescaped dash"));
            }
            None => line,
        };
        // A bare CR is a line break to some readers and a blank to others.
        if memchr::memchr2(b'\r', 0, line).is_some() {
            return Err(not("a line of its text holds a carriage return or a null byte"));
        }
        if !text.is_empty() {
            hashed.extend_from_slice(b"\r\n");
        }
        hashed.extend_from_slice(line);
        text.extend_from_slice(line);
        text.push(b'\n');
    };
    loop {
        match lines.next() {
            Some(END_SIGNATURE) => break,
            Some(_) => {}
            None => return Err(not("its signatures are cut off")),
        }
    }
    if !lines.rest.trim_ascii().is_empty() {
        return Err(not("something follows its signatures"));
    }
    Ok(Message { text, hashed, signatures: armored(block)? })
}

/// Lines without their breaks and without the blanks at their ends, which are
/// not part of what is signed.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr(b'\n', self.rest) {
            Some(i) => (&self.rest[..i], &self.rest[i + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        self.rest = rest;
        let mut line = line.strip_suffix(b"\r").unwrap_or(line);
        while let [head @ .., b' ' | b'\t'] = line {
            line = head;
        }
        Some(line)
    }
}
