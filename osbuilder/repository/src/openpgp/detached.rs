//! Signatures that lie beside what they sign: `repomd.xml.asc` and those inside
//! of rpm packages, armored or binary; also how any block of signatures is read.
//! The policy is the parent module's.

use std::io::BufReader;
use std::time::SystemTime;

use pgp::armor::{BlockType, Dearmor};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::types::Timestamp;

use super::{Keyring, SignatureError, judge_all};

/// Most signatures on one file.
const MAX_SIGNATURES: usize = 32;
/// Largest file of signatures, in bytes.
const MAX_FILE: usize = 1 << 20;
const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Verifies `data` against the signatures in `signature`, which is binary or one
/// armored block, at the moment `now`. Gives the fingerprints of the
/// certificates whose signatures hold, sorted, in upper-case hexadecimal.
///
/// # Errors
/// [`SignatureError`] with a reason for each signature.
pub fn verify_detached(
    data: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Vec<String>, SignatureError> {
    let now = Timestamp::try_from(now).map_err(|_| SignatureError::Clock)?;
    let damaged = |error: &dyn std::fmt::Display| SignatureError::Damaged(error.to_string());
    if signature.len() > MAX_FILE {
        return Err(damaged(&"it is larger than 1 MiB"));
    }
    let signatures = if signature.trim_ascii_start().starts_with(BEGIN) {
        armored(signature)?
    } else {
        packets(BufReader::new(signature))?
    };
    judge_all(&signatures, SignatureType::Binary, data, keyring, now)
}

/// Reads an armored block of signatures.
pub(super) fn armored(block: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let damaged = |error: &dyn std::fmt::Display| SignatureError::Damaged(error.to_string());
    let mut armor = Dearmor::new(block);
    armor.read_header().map_err(|error| damaged(&error))?;
    if armor.typ != Some(BlockType::Signature) {
        return Err(damaged(&"it is another kind of block"));
    }
    packets(BufReader::new(&mut armor))
}

/// Reads packets, all of which must be signatures.
fn packets(source: impl std::io::BufRead) -> Result<Vec<Signature>, SignatureError> {
    let damaged = |error: &dyn std::fmt::Display| SignatureError::Damaged(error.to_string());
    let mut signatures = Vec::new();
    for packet in PacketParser::new(source) {
        match packet {
            Ok(Packet::Signature(signature)) => signatures.push(signature),
            Ok(_) => return Err(damaged(&"it holds something else than signatures")),
            // A packet of a newer kind says nothing about those next to it.
            Err(pgp::errors::Error::Unsupported { .. }) => {}
            Err(error) => return Err(damaged(&error)),
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(damaged(&"it holds too many signatures"));
        }
    }
    Ok(signatures)
}
