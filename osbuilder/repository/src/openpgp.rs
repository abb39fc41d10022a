//! OpenPGP signatures over indexes and packages: are these bytes signed by a key that
//! the recipe trusts, at this moment? The arithmetic is the `pgp` crate's; the
//! policy (which keys, which digests, which times) is here. It knows nothing of
//! what the signed bytes say.

mod cleartext;
mod detached;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod keyring;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::time::SystemTime;

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::Timestamp;

pub use detached::verify_detached;
pub use keyring::{Keyring, KeyringError};

/// Why signed text is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The input is not one text in the cleartext signature framework.
    #[error("not an OpenPGP cleartext signed file: {0}")]
    NotCleartext(&'static str),
    /// The block of signatures can't be read.
    #[error("the block of signatures is damaged: {0}")]
    Damaged(String),
    /// No signature holds; each is listed with what is wrong with it.
    #[error("no signature by a trusted key: {}", list(.0))]
    Untrusted(Vec<Refusal>),
    /// The given moment can't be told in OpenPGP's 32-bit seconds.
    #[error("this machine's clock is outside of the years 1970 to 2106; set it")]
    Clock,
}

/// One signature and why it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key that the signature names, in hexadecimal.
    pub key: String,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The keyring has no such key.
    UnknownKey,
    /// It is not a signature over such data, or asks for something unknown.
    Unsupported,
    /// It uses a digest that can be forged.
    WeakDigest,
    /// It was made in the future.
    FromTheFuture,
    /// It has an expiry date that is past.
    Expired,
    /// The key had expired.
    KeyExpired,
    /// The key is revoked.
    KeyRevoked,
    /// The key is not one that may sign data, or nothing binds it to its owner.
    KeyNotForSigning,
    /// The text is not the one that was signed.
    DoesNotMatch,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "is not in the keyring",
            Self::Unsupported => "made a kind of signature that is not accepted",
            Self::WeakDigest => "used a weak digest (MD5, SHA-1 or the like)",
            Self::FromTheFuture => "signed in the future; is this machine's clock right?",
            Self::Expired => "made a signature that has expired",
            Self::KeyExpired => "has expired",
            Self::KeyRevoked => "is revoked",
            Self::KeyNotForSigning => "may not sign data",
            Self::DoesNotMatch => "signed another text; the file was altered",
        })
    }
}

fn list(refusals: &[Refusal]) -> String {
    if refusals.is_empty() {
        return "the file has none".to_owned();
    }
    let items: Vec<String> =
        refusals.iter().map(|r| format!("key {} {}", r.key, r.reason)).collect();
    items.join(", ")
}

/// Text whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Exactly what was signed, lines ended by `\n`.
    pub text: Vec<u8>,
    /// Fingerprints of the certificates (primary keys) whose signatures hold, in
    /// upper-case hexadecimal, sorted.
    pub fingerprints: Vec<String>,
}

/// Verifies a cleartext signed file, such as an InRelease, at the moment `now`.
///
/// At least one signature must be by a key of `keyring` that may sign, is neither
/// expired nor revoked and used a strong digest. Anything before, between or
/// after the signed text and its signatures is refused, and so is text that only
/// some readers would see.
///
/// # Errors
/// [`SignatureError`] with a reason for each signature.
pub fn verify_cleartext(
    signed: &[u8],
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Verified, SignatureError> {
    let now = Timestamp::try_from(now).map_err(|_| SignatureError::Clock)?;
    let message = cleartext::split(signed)?;
    let fingerprints =
        judge_all(&message.signatures, SignatureType::Text, &message.hashed, keyring, now)?;
    Ok(Verified { text: message.text, fingerprints })
}

/// Judges all signatures over the same bytes; gives the sorted fingerprints of
/// the certificates whose signatures hold, of which there is at least one.
fn judge_all(
    signatures: &[Signature],
    kind: SignatureType,
    hashed: &[u8],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Vec<String>, SignatureError> {
    let mut refusals = Vec::new();
    let mut fingerprints = Vec::new();
    for signature in signatures {
        match judge(signature, kind, hashed, keyring, now) {
            Ok(fingerprint) => fingerprints.push(fingerprint),
            Err(reason) => refusals.push(Refusal { key: issuer(signature), reason }),
        }
    }
    if fingerprints.is_empty() {
        return Err(SignatureError::Untrusted(refusals));
    }
    fingerprints.sort();
    fingerprints.dedup();
    Ok(fingerprints)
}

/// Judges one signature; gives the fingerprint of the certificate behind it.
fn judge(
    signature: &Signature,
    kind: SignatureType,
    hashed: &[u8],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<String, Reason> {
    if signature.typ() != Some(kind) || asks_for_the_unknown(signature) {
        return Err(Reason::Unsupported);
    }
    if !strong(signature) {
        return Err(Reason::WeakDigest);
    }
    let created = signature.created().ok_or(Reason::Unsupported)?;
    if created > now {
        return Err(Reason::FromTheFuture);
    }
    if expired(signature, now) {
        return Err(Reason::Expired);
    }
    // A key ID does not name a key for sure, so every key that could be meant is
    // tried; the worst that is said about any of them is the answer.
    let mut worst = Reason::UnknownKey;
    for result in keyring.verify(signature, hashed, created, now) {
        match result {
            Ok(fingerprint) => return Ok(fingerprint),
            Err(reason) => worst = worst.max(reason),
        }
    }
    Err(worst)
}

/// Whether the signature's digest is one that nobody can forge today.
fn strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Whether the signature's own lifetime is over.
fn expired(signature: &Signature, now: Timestamp) -> bool {
    let created = signature.created().map_or(0, Timestamp::as_secs);
    match signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs) {
        0 => false,
        lifetime => u64::from(now.as_secs()) >= u64::from(created) + u64::from(lifetime),
    }
}

/// Whether a subpacket that must be understood is not.
fn asks_for_the_unknown(signature: &Signature) -> bool {
    let Some(config) = signature.config() else { return true };
    config.hashed_subpackets().any(|subpacket| {
        subpacket.is_critical
            && matches!(
                subpacket.data,
                SubpacketData::Other(..)
                    | SubpacketData::Experimental(..)
                    | SubpacketData::Notation(_)
            )
    })
}

/// The key that a signature names, for messages.
fn issuer(signature: &Signature) -> String {
    if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        return hex::encode_upper(fingerprint.as_bytes());
    }
    match signature.issuer_key_id().first() {
        Some(id) => hex::encode_upper(id.as_ref()),
        None => "without a name".to_owned(),
    }
}
