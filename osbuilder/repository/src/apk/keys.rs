//! Trusted RSA keys and the signatures made with them.
//!
//! A key is known by its file's name, which signatures repeat. The module knows
//! what bytes are signed, but not what they mean.

use std::collections::BTreeMap;

use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;

use super::error::ApkError;
use super::gzip::{content_starts_with, first_stream};
use super::tar_segment::members;

/// Fewer bits are not accepted in a trusted key.
const MIN_BITS: usize = 2048;
/// Largest signature segment when unpacked: a handful of signatures.
const MAX_SEGMENT: u64 = 1 << 20;
/// More signature segments than any file has.
const MAX_SEGMENTS: usize = 16;

/// The keys that may vouch for an index.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    keys: BTreeMap<String, PublicKey>,
}

/// How the signed bytes are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// One signature as the file gives it.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    hash: Hash,
    key: String,
    bytes: Vec<u8>,
}

impl Keys {
    /// Reads key files: pairs of a file's name (`….rsa.pub`) and its PEM text.
    ///
    /// # Errors
    /// [`ApkError::BadKey`] names the first file that holds no usable key.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, ApkError> {
        let mut keys = BTreeMap::new();
        for (name, bytes) in files {
            match decode(&bytes) {
                Ok(key) => keys.insert(name, key),
                Err(reason) => return Err(ApkError::BadKey { name, reason }),
            };
        }
        Ok(Self { keys })
    }

    /// Names of the trusted keys, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// Checks that a trusted key made one of `signatures` over `signed`; returns
    /// the names of all trusted keys whose signatures hold.
    pub(super) fn verify(
        &self,
        signatures: &[Signature],
        signed: &[u8],
    ) -> Result<Vec<String>, ApkError> {
        if signatures.is_empty() {
            return Err(ApkError::Unsigned);
        }
        let (mut held, mut failed) = (Vec::new(), Vec::new());
        for signature in signatures {
            let Some(key) = self.keys.get(&signature.key) else { continue };
            let list = if signature.holds(key, signed) { &mut held } else { &mut failed };
            if !list.contains(&signature.key) {
                list.push(signature.key.clone());
            }
        }
        if !held.is_empty() {
            return Ok(held);
        }
        let trusted = self.names();
        if failed.is_empty() {
            let signed_by = signatures.iter().map(|s| s.key.clone()).collect();
            return Err(ApkError::UntrustedKey { signed_by, trusted });
        }
        Err(ApkError::BadSignature { signed_by: failed, trusted })
    }
}

fn decode(bytes: &[u8]) -> Result<PublicKey, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let key = PublicKey::from_public_key_pem(text.trim()).map_err(|error| error.to_string())?;
    let bits = key.size() * 8;
    if bits < MIN_BITS {
        return Err(format!("it has {bits} bits only"));
    }
    Ok(key)
}

impl Signature {
    /// Reads `.SIGN.<algorithm>.<key>`; nothing for an algorithm not known here.
    fn new(name: &str, bytes: Vec<u8>) -> Option<Self> {
        let (algorithm, key) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let hash = match algorithm {
            "RSA" => Hash::Sha1,
            "RSA256" => Hash::Sha256,
            "RSA512" => Hash::Sha512,
            _ => return None,
        };
        Some(Self { hash, key: key.to_owned(), bytes })
    }

    fn holds(&self, key: &PublicKey, signed: &[u8]) -> bool {
        match self.hash {
            Hash::Sha1 => key.pkcs1v15_verify::<sha1::Sha1>(signed, &self.bytes),
            Hash::Sha256 => key.pkcs1v15_verify::<sha2::Sha256>(signed, &self.bytes),
            Hash::Sha512 => key.pkcs1v15_verify::<sha2::Sha512>(signed, &self.bytes),
        }
        .is_ok()
    }
}

/// How names of signature members begin.
const PREFIX: &str = ".SIGN.";

/// Splits off the signature streams at the start of `file`: the signatures and
/// everything behind them, of which nothing is unpacked but its first few bytes.
pub(super) fn split_signatures(file: &[u8]) -> Result<(Vec<Signature>, &[u8]), ApkError> {
    let what = "signature segment";
    let (mut signatures, mut rest) = (Vec::new(), file);
    for _ in 0..MAX_SEGMENTS {
        if !content_starts_with(rest, PREFIX.as_bytes()) {
            break;
        }
        let (tar, length) = first_stream(rest, MAX_SEGMENT, what)?;
        for member in members(&tar, what)? {
            signatures.extend(Signature::new(&member.name, member.bytes));
        }
        rest = &rest[length..];
    }
    Ok((signatures, rest))
}
