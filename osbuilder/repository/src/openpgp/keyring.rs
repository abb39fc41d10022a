//! The keys that a recipe trusts, and whether one of them may speak at a given
//! moment: bindings, expiry, revocation. It does not know what was signed.

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{PublicKey, Signature, SignatureType, SubpacketData};
use pgp::types::{Duration, KeyDetails, Tag, Timestamp, VerifyingKey};

use super::{Reason, expired, strong};

/// Largest key file, in bytes.
const MAX_FILE: usize = 4 << 20;
const BEGIN_KEY: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Why keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file is not made of OpenPGP public keys.
    #[error("{name} is not a file of OpenPGP public keys: {reason}")]
    Format {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is not a single key.
    #[error("there is no key in {0}; put the archive's public keys (.asc or .gpg) there")]
    Empty(String),
}

/// A set of trusted OpenPGP certificates.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads any number of keys, armored (several blocks may follow each other)
    /// or binary; `name` is for messages.
    ///
    /// # Errors
    /// [`KeyringError::Format`], [`KeyringError::Empty`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, KeyringError> {
        let format = |reason: String| KeyringError::Format { name: name.to_owned(), reason };
        if bytes.len() > MAX_FILE {
            return Err(format("it is larger than 4 MiB".to_owned()));
        }
        let mut certificates = Vec::new();
        let mut add = |key: Result<SignedPublicKey, pgp::errors::Error>| {
            certificates.push(key.map_err(|error| format(error.to_string()))?);
            Ok(())
        };
        let starts: Vec<usize> = memchr::memmem::find_iter(bytes, BEGIN_KEY).collect();
        if starts.is_empty() {
            SignedPublicKey::from_bytes_many(bytes)
                .map_err(|error| format(error.to_string()))?
                .try_for_each(&mut add)?;
        }
        for (i, &start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(bytes.len());
            SignedPublicKey::from_armor_many(&bytes[start..end])
                .map_err(|error| format(error.to_string()))?
                .0
                .try_for_each(&mut add)?;
        }
        if certificates.is_empty() {
            return Err(KeyringError::Empty(name.to_owned()));
        }
        Ok(Self { certificates })
    }

    /// Adds the keys of another keyring.
    pub fn extend(&mut self, other: Self) {
        self.certificates.extend(other.certificates);
    }

    /// Fingerprints of all certificates, upper-case hexadecimal, in file order.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(fingerprint).collect()
    }

    /// What each key that `signature` may mean says to `hashed`.
    pub(super) fn verify<'a>(
        &'a self,
        signature: &'a Signature,
        hashed: &'a [u8],
        made: Timestamp,
        now: Timestamp,
    ) -> impl Iterator<Item = Result<String, Reason>> + 'a {
        self.certificates.iter().flat_map(move |certificate| {
            let primary = means(signature, &certificate.primary_key).then(|| {
                primary_may_sign(certificate, made, now)?;
                check(signature, &certificate.primary_key, hashed)
            });
            let subkeys = certificate
                .public_subkeys
                .iter()
                .filter(|subkey| means(signature, &subkey.key))
                .map(move |subkey| {
                    primary_is_valid(certificate, made, now)?;
                    subkey_may_sign(certificate, subkey, made, now)?;
                    check(signature, &subkey.key, hashed)
                });
            primary
                .into_iter()
                .chain(subkeys)
                .map(move |result| result.map(|()| fingerprint(certificate)))
                .collect::<Vec<_>>()
        })
    }
}

fn fingerprint(certificate: &SignedPublicKey) -> String {
    hex::encode_upper(certificate.fingerprint().as_bytes())
}

/// Whether a signature names this key as the one that made it.
fn means(signature: &Signature, key: &impl KeyDetails) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    prints.contains(&&key.fingerprint())
}

fn check(signature: &Signature, key: &impl VerifyingKey, hashed: &[u8]) -> Result<(), Reason> {
    signature.verify(key, hashed).map_err(|_| Reason::DoesNotMatch)
}

fn primary_may_sign(
    certificate: &SignedPublicKey,
    made: Timestamp,
    now: Timestamp,
) -> Result<(), Reason> {
    let binding = primary_is_valid(certificate, made, now)?;
    // Without flags a primary key may do anything (RFC 9580, section 5.2.3.29).
    let flags = binding.config().is_some_and(|config| {
        config.hashed_subpackets().any(|s| matches!(s.data, SubpacketData::KeyFlags(_)))
    });
    if flags && !binding.key_flags().sign() {
        return Err(Reason::KeyNotForSigning);
    }
    Ok(())
}

/// Whether the primary key stands; gives the self-signature that says so.
fn primary_is_valid(
    certificate: &SignedPublicKey,
    made: Timestamp,
    now: Timestamp,
) -> Result<&Signature, Reason> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|s| s.verify_key(key).is_ok()) {
        return Err(Reason::KeyRevoked);
    }
    let direct = details.direct_signatures.iter().filter(|s| {
        s.typ() == Some(SignatureType::Key) && usable(s, now) && s.verify_key(key).is_ok()
    });
    let users = details.users.iter().flat_map(|user| {
        let own = move |s: &&Signature| s.verify_certification(key, Tag::UserId, &user.id).is_ok();
        let is_revocation = |s: &&Signature| s.typ() == Some(SignatureType::CertRevocation);
        let revoked = user.signatures.iter().filter(is_revocation).any(|s| own(&s));
        user.signatures
            .iter()
            .filter(move |s| !revoked && !is_revocation(s) && usable(s, now) && own(s))
    });
    let newest = direct.chain(users).max_by_key(|s| s.created()).ok_or(Reason::KeyNotForSigning)?;
    in_its_lifetime(key.created_at(), newest.key_expiration_time(), made, now)?;
    Ok(newest)
}

/// Whether a subkey is bound to its primary key, both ways, for signing.
fn subkey_may_sign(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    made: Timestamp,
    now: Timestamp,
) -> Result<(), Reason> {
    let primary: &PublicKey = &certificate.primary_key;
    let own = |s: &&Signature| s.verify_subkey_binding(primary, &subkey.key).is_ok();
    let is_revocation = |s: &&Signature| s.typ() == Some(SignatureType::SubkeyRevocation);
    if subkey.signatures.iter().filter(is_revocation).any(|s| own(&s)) {
        return Err(Reason::KeyRevoked);
    }
    let newest = subkey
        .signatures
        .iter()
        .filter(|s| !is_revocation(s) && usable(s, now) && own(s))
        .max_by_key(|s| s.created())
        .ok_or(Reason::KeyNotForSigning)?;
    let bound_back = newest.embedded_signature().is_some_and(|back| {
        strong(back) && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
    });
    if !newest.key_flags().sign() || !bound_back {
        return Err(Reason::KeyNotForSigning);
    }
    in_its_lifetime(subkey.key.created_at(), newest.key_expiration_time(), made, now)
}

/// Whether a signature inside of a certificate counts at all at this moment.
fn usable(signature: &Signature, now: Timestamp) -> bool {
    strong(signature)
        && signature.created().is_some_and(|created| created <= now)
        && !expired(signature, now)
}

/// Whether a key existed when it signed and has not expired since.
fn in_its_lifetime(
    created: Timestamp,
    lifetime: Option<Duration>,
    made: Timestamp,
    now: Timestamp,
) -> Result<(), Reason> {
    if made < created {
        return Err(Reason::KeyNotForSigning);
    }
    match lifetime.map_or(0, Duration::as_secs) {
        0 => Ok(()),
        seconds if u64::from(now.as_secs()) < u64::from(created.as_secs()) + u64::from(seconds) => {
            Ok(())
        }
        _ => Err(Reason::KeyExpired),
    }
}
