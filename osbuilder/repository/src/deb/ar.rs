//! The `ar` container around a .deb: a magic line, then members of a 60-byte
//! header and their bytes. Borrowed, bounded, without the extensions of linkers.

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Most members; a .deb has three, and some more that begin with `_`.
const MAX_MEMBERS: usize = 16;

/// One member of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, without the slash that some writers end it with.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Reads all members; the error is one sentence about the container.
pub fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>, &'static str> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin like an ar archive")?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        if members.len() == MAX_MEMBERS {
            return Err("it has too many members");
        }
        let (header, after) = rest.split_at_checked(HEADER).ok_or("it is cut off in a header")?;
        if &header[58..] != b"`\n" {
            return Err("a member's header is damaged");
        }
        let name = text(&header[..16]).ok_or("a member's name is not plain text")?;
        let size: usize = text(&header[48..58])
            .filter(|size| size.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|size| size.parse().ok())
            .ok_or("a member's size is not a number")?;
        let (content, after) = after.split_at_checked(size).ok_or("it is cut off in a member")?;
        members.push(Member { name: name.strip_suffix('/').unwrap_or(name), bytes: content });
        // Members begin at even offsets; the last one's padding may be missing.
        rest = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
    }
    Ok(members)
}

/// A header's field: printable ASCII, padded with spaces.
fn text(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes a container.
    pub(crate) fn make(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, bytes) in members {
            let size = bytes.len();
            out.extend_from_slice(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644")
                    .as_bytes(),
            );
            out.extend_from_slice(bytes);
            if size % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    #[test]
    fn members_are_read() {
        let bytes = make(&[("debian-binary", b"2.0\n"), ("odd/", b"abc"), ("empty", b"")]);
        let read: Vec<_> =
            members(&bytes).unwrap().iter().map(|m| (m.name, m.bytes.len())).collect();
        assert_eq!(read, [("debian-binary", 4), ("odd", 3), ("empty", 0)]);
    }

    #[test]
    fn damage_is_named() {
        let good = make(&[("debian-binary", b"2.0\n"), ("odd", b"abc")]);
        assert_eq!(members(b"PK"), Err("it does not begin like an ar archive"));
        assert_eq!(members(&good[..30]), Err("it is cut off in a header"));
        assert_eq!(members(&good[..good.len() - 2]), Err("it is cut off in a member"));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(members(&with(8 + 58, b'x')), Err("a member's header is damaged"));
        assert_eq!(members(&with(8 + 48, b'-')), Err("a member's size is not a number"));
        assert_eq!(members(&with(8, 0xff)), Err("a member's name is not plain text"));
        let many = make(&[("x", b"" as &[u8]); MAX_MEMBERS + 1]);
        assert_eq!(members(&many), Err("it has too many members"));
    }
}
