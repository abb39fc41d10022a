//! The parsed form of a Packages index as bytes, so that a warm build need not
//! unpack and parse fifty megabytes again. It is made from verified data only
//! and is looked up by the digest of that data; it knows no store and no mirror.
//!
//! Layout: [`FORMAT`], the number of chunks, each chunk's lengths, then the
//! chunks. A chunk is read on its own (and in parallel) and has two parts:
//! numbers (LEB128) and, one after another, the text that those numbers give
//! the lengths of. Whoever keeps the bytes guards them against damage.

use rayon::prelude::*;

use crate::package::{Comparison, Family, Identity, Package, Provide, Relation, Requirement};

/// Names the layout; a change of the layout or of what the parser takes from an
/// index needs another number here.
pub const FORMAT: &[u8; 8] = b"debidx01";
/// Packages in one chunk.
const CHUNK: usize = 2048;
const DIGEST: usize = 32;

/// The bytes for some packages; all must be of family deb.
pub fn encode(packages: &[Package]) -> Vec<u8> {
    let chunks: Vec<Writer> = packages
        .par_chunks(CHUNK)
        .map(|packages| {
            let mut writer = Writer::default();
            packages.iter().for_each(|package| writer.package(package));
            writer
        })
        .collect();
    let mut head = Writer::default();
    head.number(chunks.len() as u64);
    for (chunk, packages) in chunks.iter().zip(packages.chunks(CHUNK)) {
        head.number(packages.len() as u64);
        head.number(chunk.numbers.len() as u64);
        head.number(chunk.text.len() as u64);
    }
    let mut body = head.numbers;
    for chunk in chunks {
        body.extend_from_slice(&chunk.numbers);
        body.extend_from_slice(chunk.text.as_bytes());
    }
    [FORMAT.as_slice(), &body].concat()
}

/// The packages that [`encode`] was given; `None` for bytes that are not of its
/// form, for which the index has to be parsed again.
pub fn decode(bytes: &[u8]) -> Option<Vec<Package>> {
    let body = bytes.strip_prefix(FORMAT)?;
    let mut head = Reader { numbers: body, text: "" };
    let count = head.count()?;
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push((head.count()?, head.count()?, head.count()?));
    }
    let mut rest = head.numbers;
    let mut chunks = Vec::new();
    for (packages, numbers, text) in sizes {
        let (numbers, after) = rest.split_at_checked(numbers)?;
        let (text, after) = after.split_at_checked(text)?;
        chunks.push((packages, numbers, text));
        rest = after;
    }
    let decoded: Vec<Vec<Package>> = chunks
        .into_par_iter()
        .map(|(packages, numbers, text)| {
            let mut reader = Reader { numbers, text: std::str::from_utf8(text).ok()? };
            let packages: Vec<Package> =
                (0..packages).map(|_| reader.package()).collect::<Option<_>>()?;
            (reader.numbers.is_empty() && reader.text.is_empty()).then_some(packages)
        })
        .collect::<Option<_>>()?;
    let mut packages = Vec::with_capacity(decoded.iter().map(Vec::len).sum());
    decoded.into_iter().for_each(|chunk| packages.extend(chunk));
    rest.is_empty().then_some(packages)
}

#[derive(Default)]
struct Writer {
    numbers: Vec<u8>,
    text: String,
}

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.numbers.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.numbers.push(value.to_le_bytes()[0]);
    }

    fn word(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.text.push_str(text);
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| write(self, item));
    }

    fn relation(&mut self, relation: &Relation) {
        let op = match &relation.constraint {
            None => 0,
            Some((Comparison::Less, _)) => 1,
            Some((Comparison::LessEqual, _)) => 2,
            Some((Comparison::Equal, _)) => 3,
            Some((Comparison::GreaterEqual, _)) => 4,
            Some((Comparison::Greater, _)) => 5,
            Some((Comparison::Fuzzy, _)) => 6,
        };
        self.number(op);
        self.word(&relation.name);
        if let Some((_, version)) = &relation.constraint {
            self.word(version);
        }
    }

    fn package(&mut self, package: &Package) {
        self.word(&package.name);
        self.word(&package.version);
        self.word(&package.architecture);
        self.list(&package.provides, |w, provide| {
            // One more than the length leaves zero for "no version".
            w.word(&provide.name);
            w.number(provide.version.as_ref().map_or(0, |version| version.len() as u64 + 1));
            w.text.push_str(provide.version.as_deref().unwrap_or_default());
        });
        self.list(&package.depends, |w, requirement| {
            w.list(&requirement.alternatives, Self::relation);
        });
        self.list(&package.conflicts, Self::relation);
        self.list(&package.replaces, Self::relation);
        self.word(&package.location);
        self.number(package.size);
        self.number(package.installed_size);
        let mut digest = [0; DIGEST];
        // No deb has another identity; zeroes would match no file's digest.
        if let Identity::Sha256(sha256) = &package.identity {
            digest = *sha256;
        }
        self.numbers.extend_from_slice(&digest);
        self.word(&package.source);
    }
}

struct Reader<'a> {
    numbers: &'a [u8],
    text: &'a str,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.numbers.split_first()?;
            self.numbers = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn take(&mut self, length: usize) -> Option<String> {
        let (word, rest) = self.text.split_at_checked(length)?;
        self.text = rest;
        Some(word.to_owned())
    }

    fn word(&mut self) -> Option<String> {
        let length = self.count()?;
        self.take(length)
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        // Every item takes at least one number, so a count beyond them is damage
        // and must not reserve memory.
        if count > self.numbers.len() {
            return None;
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }

    fn relation(&mut self) -> Option<Relation> {
        let op = match self.number()? {
            0 => None,
            1 => Some(Comparison::Less),
            2 => Some(Comparison::LessEqual),
            3 => Some(Comparison::Equal),
            4 => Some(Comparison::GreaterEqual),
            5 => Some(Comparison::Greater),
            6 => Some(Comparison::Fuzzy),
            _ => return None,
        };
        let name = self.word()?;
        let constraint = match op {
            None => None,
            Some(op) => Some((op, self.word()?)),
        };
        Some(Relation { name, constraint })
    }

    fn package(&mut self) -> Option<Package> {
        Some(Package {
            family: Family::Deb,
            name: self.word()?,
            version: self.word()?,
            architecture: self.word()?,
            provides: self.list(|r| {
                let name = r.word()?;
                let version = match r.count()? {
                    0 => None,
                    more => Some(r.take(more - 1)?),
                };
                Some(Provide { name, version })
            })?,
            depends: self.list(|r| Some(Requirement { alternatives: r.list(Self::relation)? }))?,
            conflicts: self.list(Self::relation)?,
            replaces: self.list(Self::relation)?,
            rich: Vec::new(),
            location: self.word()?,
            size: self.number()?,
            installed_size: self.number()?,
            identity: {
                let (digest, rest) = self.numbers.split_first_chunk::<DIGEST>()?;
                self.numbers = rest;
                Identity::Sha256(*digest)
            },
            source: self.word()?,
            license: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::deb::packages;

    fn some_packages(count: usize) -> Vec<Package> {
        let text: String = (0..count)
            .map(|i| {
                format!(
                    "Package: p{i}\nVersion: {i}:1~x\nArchitecture: all\nFilename: pool/p{i}.deb\n\
                     Size: {i}\nInstalled-Size: 300\nSHA256: {}\nSource: s\nProvides: v, w (= 1)\n\
                     Depends: a (<< 1) | b, c (= 2)\nPre-Depends: d (>= 3)\nBreaks: e (>> 4)\n\
                     Conflicts: f (<= 5)\nReplaces: g\n\n",
                    hex::encode(Sha256::digest(i.to_le_bytes()))
                )
            })
            .collect();
        packages::parse(text.as_bytes(), "amd64").unwrap()
    }

    #[test]
    fn what_was_kept_comes_back() {
        for count in [0, 1, CHUNK + 3] {
            let packages = some_packages(count);
            let bytes = encode(&packages);
            assert_eq!(decode(&bytes).as_ref(), Some(&packages));
            assert_eq!(encode(&packages), bytes);
        }
    }

    #[test]
    fn damage_never_panics_and_truncation_gives_nothing() {
        let bytes = encode(&some_packages(3));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut to {cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[at] ^= 1 << bit;
                // Some changes are other packages; that no record is altered is
                // the store's to see to.
                let _ = decode(&altered);
            }
        }
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), None);
    }
}
