//! An rpm file: lead, signature header, header, payload. Reads its frame and
//! proves, layer by layer, that the payload is what the header says and the
//! header what a key signed. It does not look into the payload.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::dependencies::{Dependencies, List, is_feature};
use super::error::FileError;
use super::header::{Header, Role};
use super::rich::canonical;
use super::tags;
use crate::compression::Compression;
use crate::openpgp::{Keyring, SignatureError, verify_detached};
use crate::package::{Comparison, Package};

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Largest unpacked payload, in bytes.
const MAX_PAYLOAD: u64 = 2 << 30;
/// What a payload may be larger than twice the size the index claims, in bytes.
const SLACK: u64 = 64 << 20;

/// What vouches for a package's file besides the digest in the index.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Nothing more is needed: the index is signed or pinned.
    Index,
    /// The package's own signature by a key of the keyring.
    Signature {
        /// The keys of which one must have signed it.
        keyring: Keyring,
        /// The moment at which the signature must hold.
        now: SystemTime,
        /// Whether what the index says about its dependencies must agree with its
        /// header. What comes out of a lock file has none to compare; they were
        /// compared before the lock was written.
        dependencies: bool,
    },
}

/// A package file, taken apart and not yet proven.
pub(super) struct RpmParts<'a> {
    pub signature: Header<'a>,
    pub header: Header<'a>,
    pub payload: &'a [u8],
}

impl<'a> RpmParts<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, FileError> {
        let lead = bytes.get(..LEAD).ok_or(FileError::Frame("it is shorter than a lead"))?;
        if lead[..4] != LEAD_MAGIC {
            return Err(FileError::Frame("it does not begin like one"));
        }
        if !(3..=6).contains(&lead[4]) {
            return Err(FileError::Frame("it is of a format older than 3 or newer than 6"));
        }
        if lead[6..8] != [0, 0] {
            return Err(FileError::Frame("it is a source package"));
        }
        let (signature, rest) =
            Header::read(&bytes[LEAD..], Role::Signature).map_err(FileError::SignatureHeader)?;
        // The next header begins at a multiple of eight.
        let padding = signature.bytes.len().next_multiple_of(8) - signature.bytes.len();
        let rest = rest.get(padding..).ok_or(FileError::Header("it is cut off"))?;
        let (header, payload) = Header::read(rest, Role::Package).map_err(FileError::Header)?;
        Ok(Self { signature, header, payload })
    }

    /// Proves the header and the compressed payload; gives the fingerprints of the
    /// keys whose signatures hold, if the proof asks for one.
    pub fn prove(&self, package: &Package, proof: &Proof) -> Result<Vec<String>, FileError> {
        let mut signed_by = Vec::new();
        if let Proof::Signature { keyring, now, .. } = proof {
            signed_by = self.signature_holds(keyring, *now)?;
        }
        if let Some(expected) = self.signature.string(tags::SIG_SHA256) {
            same("header", expected, &hex::encode(Sha256::digest(self.header.bytes)))?;
        }
        let digest = self.header.strings(tags::PAYLOAD_DIGEST);
        match (digest.as_deref(), digest_of(self.payload_algorithm(), self.payload)) {
            (Some([expected, ..]), Some(actual)) => same("payload", expected, &actual)?,
            // A signature over the header reaches the payload through this only.
            _ if matches!(proof, Proof::Signature { .. }) => {
                return Err(FileError::NoPayloadDigest);
            }
            _ => {}
        }
        self.is(package)?;
        if let Proof::Signature { dependencies: true, .. } = proof {
            let files = self.paths()?;
            let has_file = |path: &str| files.binary_search_by(|f| f.as_str().cmp(path)).is_ok();
            self.dependencies()?.agree(package, &has_file).map_err(FileError::Disagrees)?;
        }
        Ok(signed_by)
    }

    /// Any of the header's signatures holds.
    fn signature_holds(
        &self,
        keyring: &Keyring,
        now: SystemTime,
    ) -> Result<Vec<String>, FileError> {
        let mut signatures: Vec<Vec<u8>> = Vec::new();
        for text in self.signature.strings(tags::SIG_OPENPGP).unwrap_or_default() {
            let packet = BASE64.decode(text);
            let packet = packet.map_err(|_| FileError::SignatureHeader("its base64 is damaged"))?;
            signatures.push(packet);
        }
        for tag in [tags::SIG_RSA_HEADER, tags::SIG_DSA_HEADER] {
            signatures.extend(self.signature.binary(tag).map(<[u8]>::to_vec));
        }
        let mut refused = SignatureError::Untrusted(Vec::new());
        for signature in &signatures {
            match verify_detached(self.header.bytes, signature, keyring, now) {
                Ok(fingerprints) => return Ok(fingerprints),
                Err(error) => refused = error,
            }
        }
        Err(FileError::Signature(refused))
    }

    /// Whether the header is that of `package`.
    fn is(&self, package: &Package) -> Result<(), FileError> {
        let text = |tag| self.header.string(tag).unwrap_or_default();
        let epoch = self.header.number(tags::EPOCH).unwrap_or(0);
        let version =
            canonical(&format!("{epoch}:{}-{}", text(tags::VERSION), text(tags::RELEASE)));
        for (field, index, own) in [
            ("name", &package.name, text(tags::NAME)),
            ("version", &package.version, &version),
            ("architecture", &package.architecture, text(tags::ARCH)),
        ] {
            if index != own {
                let (index, package) = (index.clone(), own.to_owned());
                return Err(FileError::Mismatch { field, index, package });
            }
        }
        if let Some(label) = self.header.string(tags::MODULARITY_LABEL).filter(|l| !l.is_empty()) {
            return Err(FileError::Modular(label.to_owned()));
        }
        let requires = self.header.strings(tags::REQUIRE_NAME).unwrap_or_default();
        let unknown = |name: &&str| name.starts_with("rpmlib(") && !is_feature(name);
        if let Some(feature) = requires.into_iter().find(unknown) {
            return Err(FileError::Feature(feature.to_owned()));
        }
        Ok(())
    }

    /// What the header says about other packages.
    pub fn dependencies(&self) -> Result<Dependencies, FileError> {
        let lists = [
            (List::Provides, tags::PROVIDE_NAME, tags::PROVIDE_FLAGS, tags::PROVIDE_VERSION),
            (List::Requires, tags::REQUIRE_NAME, tags::REQUIRE_FLAGS, tags::REQUIRE_VERSION),
            (List::Conflicts, tags::CONFLICT_NAME, tags::CONFLICT_FLAGS, tags::CONFLICT_VERSION),
            (List::Obsoletes, tags::OBSOLETE_NAME, tags::OBSOLETE_FLAGS, tags::OBSOLETE_VERSION),
        ];
        let mut all = Dependencies::default();
        for (list, names, flags, versions) in lists {
            let names = self.strings_or_none(names)?;
            let versions = self.strings_or_none(versions)?;
            let flags = self.header.numbers(flags).unwrap_or_default();
            if names.len() != flags.len() || names.len() != versions.len() {
                return Err(FileError::Header("its lists of dependencies differ in length"));
            }
            for ((name, flags), version) in names.iter().zip(flags).zip(versions) {
                let constraint = sense(flags).filter(|_| !version.is_empty());
                let constraint = constraint.map(|op| (op, canonical(version)));
                all.add(list, name, constraint).map_err(FileError::Dependency)?;
            }
        }
        Ok(all.without_repetition())
    }

    pub fn strings_or_none(&self, tag: u32) -> Result<Vec<&'a str>, FileError> {
        if !self.header.has(tag) {
            return Ok(Vec::new());
        }
        self.header.strings(tag).ok_or(FileError::Header("a list of names is no UTF-8 text"))
    }

    /// The algorithm of the payload's digests: SHA-256 or stronger. A weaker one is
    /// taken for SHA-256, so that its digest never fits.
    fn payload_algorithm(&self) -> u64 {
        self.header.number(tags::PAYLOAD_DIGEST_ALGO).filter(|&known| known >= 8).unwrap_or(8)
    }

    /// Absolute paths of all files, sorted.
    fn paths(&self) -> Result<Vec<String>, FileError> {
        let mut paths: Vec<String> =
            super::files::paths(self)?.into_iter().map(|path| format!("/{path}")).collect();
        paths.sort();
        Ok(paths)
    }

    /// The payload, unpacked and proven once more where the header allows it.
    pub fn unpack(&self, installed_size: u64) -> Result<Vec<u8>, FileError> {
        let format = self.header.string(tags::PAYLOAD_FORMAT).unwrap_or("cpio");
        if format != "cpio" {
            return Err(FileError::Unsupported(format!("its payload is {format}, not cpio")));
        }
        // A payload that is not packed has no word for that.
        let plain = self.payload.starts_with(b"0707");
        let unnamed = if plain { "identity" } else { "gzip" };
        let compressor = self.header.string(tags::PAYLOAD_COMPRESSOR).unwrap_or(unnamed);
        let compression = match compressor {
            "gzip" => Compression::Gzip,
            "xz" => Compression::Xz,
            "zstd" => Compression::Zstd,
            "lzma" => Compression::Lzma,
            "identity" => Compression::None,
            other => {
                let reason = format!(
                    "its payload is compressed with {other}; gzip, xz, zstd and lzma are read"
                );
                return Err(FileError::Unsupported(reason));
            }
        };
        let limit = match installed_size {
            0 => MAX_PAYLOAD,
            size => size.saturating_mul(2).saturating_add(SLACK).min(MAX_PAYLOAD),
        };
        let bytes =
            compression.unpack(self.payload, installed_size, limit).map_err(FileError::Payload)?;
        let unpacked = self.header.strings(tags::PAYLOAD_DIGEST_ALT).unwrap_or_default();
        let actual = digest_of(self.payload_algorithm(), &bytes);
        if let (Some(expected), Some(actual)) = (unpacked.first(), actual) {
            same("unpacked payload", expected, &actual)?;
        }
        Ok(bytes)
    }
}

/// The comparison in a dependency's flags.
fn sense(flags: u64) -> Option<Comparison> {
    Some(match flags & 0xe {
        0x2 => Comparison::Less,
        0x4 => Comparison::Greater,
        0x8 => Comparison::Equal,
        0xa => Comparison::LessEqual,
        0xc => Comparison::GreaterEqual,
        _ => return None,
    })
}

fn same(what: &'static str, expected: &str, actual: &str) -> Result<(), FileError> {
    if expected.eq_ignore_ascii_case(actual) {
        return Ok(());
    }
    Err(FileError::Digest { what, expected: expected.to_owned(), actual: actual.to_owned() })
}

/// The digest of `bytes` in hexadecimal; none for algorithms that can be forged
/// or are unknown. The numbers are OpenPGP's.
pub(super) fn digest_of(algorithm: u64, bytes: &[u8]) -> Option<String> {
    Some(match algorithm {
        2 => hex::encode(Sha1::digest(bytes)),
        8 => hex::encode(Sha256::digest(bytes)),
        9 => hex::encode(Sha384::digest(bytes)),
        10 => hex::encode(Sha512::digest(bytes)),
        _ => return None,
    })
}
