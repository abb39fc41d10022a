//! Fuzz entry points of the OpenPGP readers; see [`crate::fuzzing`].

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Keyring, cleartext as frame, verify_cleartext};

const KEY: &[u8] = include_bytes!("../../../../fuzz/seeds/openpgp_keyring/rsa.asc");
const SIGNED: &[u8] = include_bytes!("../../../../fuzz/seeds/openpgp_cleartext/rsa.asc");

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::from_bytes("seed", KEY).unwrap_or_default());

/// A moment at which the seeds' keys are good.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A signed text in its frame. No change of the seed's text may be taken for
/// genuine, whatever else is changed.
pub fn cleartext(bytes: &[u8]) {
    if let Ok(verified) = verify_cleartext(bytes, &KEYRING, now()) {
        assert_eq!(verified.text, b"Origin: Seed\n- dashed\nline with blanks\n");
        assert!(!verified.fingerprints.is_empty());
    }
}

/// A file of keys, which are then asked about a signature.
pub fn keyring(bytes: &[u8]) {
    let Ok(keyring) = Keyring::from_bytes("fuzzed", bytes) else { return };
    assert!(!keyring.fingerprints().is_empty());
    let _ = verify_cleartext(SIGNED, &keyring, now());
}

/// A block of signatures over the seed's text.
pub fn signature(bytes: &[u8]) {
    let head = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Seed\n";
    let whole = [head, bytes].concat();
    let _ = frame::split(&whole);
    let _ = verify_cleartext(&whole, &KEYRING, now());
}
