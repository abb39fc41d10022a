//! Where two files begin to differ: for artifacts that ought to be equal byte
//! for byte. It knows nothing of what is in them.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Bytes shown of each side.
const SHOWN: usize = 16;

/// The first place at which two files differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Bytes from the start that both have in common.
    pub offset: u64,
    /// Line of that place, from 1; of use in text only.
    pub line: u64,
    /// What the one has there, 16 bytes at most; empty at its end.
    pub one: Vec<u8>,
    /// What the other has there.
    pub two: Vec<u8>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| match bytes {
            [] => "the end".to_owned(),
            bytes if bytes.iter().all(|b| (b' '..=b'~').contains(b)) => {
                format!("`{}`", String::from_utf8_lossy(bytes))
            }
            bytes => hex::encode(bytes),
        };
        let (offset, line) = (self.offset, self.line);
        write!(f, "offset {offset:#x} (line {line}): {} and {}", shown(&self.one), shown(&self.two))
    }
}

/// Compares two files; `None` where they are equal.
///
/// # Errors
/// When one can't be read.
pub fn first_difference(one: &Path, two: &Path) -> io::Result<Option<Difference>> {
    let open = |path| Ok::<_, io::Error>(BufReader::with_capacity(1 << 20, File::open(path)?));
    between(open(one)?, open(two)?)
}

fn between(mut one: impl Read, mut two: impl Read) -> io::Result<Option<Difference>> {
    let (mut offset, mut line) = (0, 1);
    loop {
        let (left, right) = (chunk(&mut one)?, chunk(&mut two)?);
        let equal = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
        line += left[..equal].iter().filter(|byte| **byte == b'\n').count() as u64;
        offset += equal as u64;
        if equal < left.len() || equal < right.len() {
            let part = |bytes: &[u8]| bytes[equal..bytes.len().min(equal + SHOWN)].to_vec();
            return Ok(Some(Difference { offset, line, one: part(&left), two: part(&right) }));
        }
        if left.is_empty() {
            return Ok(None);
        }
    }
}

fn chunk(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(one: &[u8], two: &[u8]) -> Option<String> {
        between(one, two).unwrap().map(|difference| difference.to_string())
    }

    #[test]
    fn the_place_and_both_sides_are_told() {
        assert_eq!(told(b"", b""), None);
        assert_eq!(told(b"same\nbytes", b"same\nbytes"), None);
        let text = told(b"a: 1\nb: 2\n", b"a: 1\nb: 3");
        assert_eq!(text.unwrap(), "offset 0x8 (line 2): 320a and `3`");
        assert_eq!(told(b"ab", b"a").unwrap(), "offset 0x1 (line 1): `b` and the end");
        let mut long = vec![7; 3 << 20];
        let other = long.clone();
        long[(2 << 20) + 5] = 8;
        let text = told(&long, &other).unwrap();
        assert!(text.starts_with("offset 0x200005 (line 1): 0807"), "{text}");
    }
}
