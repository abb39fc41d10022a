//! The header structure of rpm files: an index of tags and a store of their
//! values, big-endian. Every offset and count is checked when the header is
//! read, and nothing is copied before it is asked for. It knows no meaning of
//! tags beyond the region that says which of them a signature covers.

/// What a header begins with: magic, version 1, four reserved bytes.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
/// The magic and the two counts after it, in bytes.
const INTRO: usize = 16;
/// One index entry, in bytes.
const ENTRY: usize = 16;
/// The tags of the regions of a signature header and of a package's header.
const SIGNATURE_REGION: u32 = 62;
const PACKAGE_REGION: u32 = 63;

/// Which of a package's two headers is read; decides how large it may be (rpm's
/// own numbers) and whether signatures must cover all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The first, with the signatures and digests of the second. Whoever alters
    /// it can only make those fail.
    Signature,
    /// The second, which describes the package.
    Package,
}

impl Role {
    /// Most index entries, and most bytes in the store.
    fn bounds(self) -> (usize, usize) {
        match self {
            Self::Signature => (32, 64 << 20),
            Self::Package => (0xffff, 256 << 20),
        }
    }
}

/// One header, borrowed.
#[derive(Debug, Clone)]
pub(super) struct Header<'a> {
    /// All of its bytes, which signatures and digests cover.
    pub bytes: &'a [u8],
    entries: Vec<Entry>,
    store: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    kind: Kind,
    /// Where the value begins in the store, and past its end.
    start: usize,
    end: usize,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Numbers of so many bytes each.
    Number(usize),
    /// Bytes.
    Binary,
    /// NUL-terminated strings; one, or as many as counted.
    Strings,
}

impl<'a> Header<'a> {
    /// Reads the header at the start of `bytes`; gives it and what follows. The
    /// error is one sentence about the header.
    pub fn read(bytes: &'a [u8], role: Role) -> Result<(Self, &'a [u8]), &'static str> {
        let (most_entries, largest_store) = role.bounds();
        let intro = bytes.get(..INTRO).ok_or("it is cut off")?;
        if intro[..4] != MAGIC[..4] {
            return Err("it does not begin like one");
        }
        if intro[4..8] != MAGIC[4..] {
            return Err("its reserved bytes are in use");
        }
        let (count, size) = (number(intro, 8)?, number(intro, 12)?);
        if count == 0 || count > most_entries {
            return Err("it has no entries or too many");
        }
        if size > largest_store {
            return Err("it is larger than any real one");
        }
        // Both are far below the range of usize now.
        let index_end = INTRO + count * ENTRY;
        let end = index_end + size;
        let whole = bytes.get(..end).ok_or("it is cut off")?;
        let (index, store) = (&whole[INTRO..index_end], &whole[index_end..]);
        let mut entries = Vec::with_capacity(count.min(4096));
        // Values lie in the order of the index. That keeps this loop linear, since
        // no string is looked at for two entries.
        let mut used = 0;
        for raw in index.chunks_exact(ENTRY) {
            let entry = Entry::read(raw, store)?;
            if matches!(entry.tag, SIGNATURE_REGION | PACKAGE_REGION) && entries.is_empty() {
                entries.push(entry);
                continue;
            }
            if entry.start < used {
                return Err("its values overlap");
            }
            used = entry.end;
            entries.push(entry);
        }
        if role == Role::Package {
            check_region(index, &entries, store)?;
            if entries.first().is_some_and(|region| region.start < used) {
                return Err("its values overlap");
            }
        }
        entries.retain(|entry| !matches!(entry.tag, SIGNATURE_REGION | PACKAGE_REGION));
        entries.sort_by_key(|entry| entry.tag);
        if entries.windows(2).any(|pair| pair[0].tag == pair[1].tag) {
            return Err("it has a tag twice");
        }
        Ok((Self { bytes: whole, entries, store }, &bytes[end..]))
    }

    fn find(&self, tag: u32) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&tag, |entry| entry.tag).ok()?;
        self.entries.get(at)
    }

    fn value(&self, entry: &Entry) -> &'a [u8] {
        &self.store[entry.start..entry.end]
    }

    /// Whether the tag is there.
    pub fn has(&self, tag: u32) -> bool {
        self.find(tag).is_some()
    }

    /// The bytes of a tag of binary type.
    pub fn binary(&self, tag: u32) -> Option<&'a [u8]> {
        self.find(tag).filter(|entry| entry.kind == Kind::Binary).map(|entry| self.value(entry))
    }

    /// The strings of a tag; none where it is absent, of another type or holds
    /// bytes that are not UTF-8.
    pub fn strings(&self, tag: u32) -> Option<Vec<&'a str>> {
        let entry = self.find(tag).filter(|entry| entry.kind == Kind::Strings)?;
        let mut strings = Vec::with_capacity(entry.count.min(1 << 16));
        let mut rest = self.value(entry);
        for _ in 0..entry.count {
            // The end was found when the header was read.
            let end = memchr::memchr(0, rest)?;
            strings.push(std::str::from_utf8(&rest[..end]).ok()?);
            rest = &rest[end + 1..];
        }
        Some(strings)
    }

    /// The first string of a tag.
    pub fn string(&self, tag: u32) -> Option<&'a str> {
        let entry = self.find(tag).filter(|entry| entry.kind == Kind::Strings)?;
        let bytes = self.value(entry);
        std::str::from_utf8(bytes.split(|&b| b == 0).next()?).ok()
    }

    /// The numbers of a tag, whatever their width.
    pub fn numbers(&self, tag: u32) -> Option<Vec<u64>> {
        let entry = self.find(tag)?;
        let Kind::Number(width) = entry.kind else { return None };
        let value = |bytes: &[u8]| bytes.iter().fold(0, |sum, &b| (sum << 8) | u64::from(b));
        Some(self.value(entry).chunks_exact(width).map(value).collect())
    }

    /// The first number of a tag.
    pub fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }
}

impl Entry {
    fn read(raw: &[u8], store: &[u8]) -> Result<Self, &'static str> {
        let tag = u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]);
        let (kind, start, count) = (number(raw, 4)?, number(raw, 8)?, number(raw, 12)?);
        let bad = "an entry points outside of its store";
        let rest = store.get(start..).ok_or(bad)?;
        if count == 0 {
            return Err("an entry has no value");
        }
        let kind = match kind {
            1 | 2 => Kind::Number(1),
            3 => Kind::Number(2),
            4 => Kind::Number(4),
            5 => Kind::Number(8),
            6 if count != 1 => return Err("a single string is several"),
            6 | 8 | 9 => Kind::Strings,
            7 => Kind::Binary,
            _ => return Err("an entry has an unknown type"),
        };
        let length = match kind {
            Kind::Number(width) => {
                if !start.is_multiple_of(width) {
                    return Err("an entry's numbers are not aligned");
                }
                count.checked_mul(width).ok_or(bad)?
            }
            Kind::Binary => count,
            Kind::Strings => {
                // Each string takes a byte at least, so a count is bounded by the store.
                let mut ends = memchr::memchr_iter(0, rest);
                ends.nth(count - 1).ok_or("a string does not end")? + 1
            }
        };
        if length > rest.len() {
            return Err(bad);
        }
        Ok(Self { tag, kind, start, end: start + length, count })
    }
}

/// The region must cover the whole header: nothing may stand outside of what a
/// signature means.
fn check_region(index: &[u8], entries: &[Entry], store: &[u8]) -> Result<(), &'static str> {
    let first = entries.first().filter(|entry| entry.tag == PACKAGE_REGION);
    let first = first.ok_or("it does not begin with its region")?;
    if first.kind != Kind::Binary || first.end - first.start != ENTRY {
        return Err("its region is malformed");
    }
    let trailer = &store[first.start..first.end];
    // The trailer is an entry like the first, whose offset is how far back the
    // index begins, as a negative number.
    let covered = i32::from_be_bytes([trailer[8], trailer[9], trailer[10], trailer[11]]);
    let covered = usize::try_from(covered.wrapping_neg()).unwrap_or(0);
    if trailer[..8] != index[..8] || trailer[12..16] != index[12..16] {
        return Err("its region is malformed");
    }
    if covered != index.len() || first.end != store.len() {
        return Err("it has entries outside of its region");
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize) -> Result<usize, &'static str> {
    let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    usize::try_from(u32::from_be_bytes(raw)).map_err(|_| "a number is too large")
}
