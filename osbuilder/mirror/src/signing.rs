//! The throw-away key of one mirror. The private half lives in memory only and
//! goes with the value; nothing here can write it out.

use rsa::PrivateKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use sha2::Sha256;

use crate::archive::{Segment, gzip};
use crate::error::MirrorError;

/// Bits of the key: what Alpine's own older keys have.
const BITS: usize = 2048;

/// A key that signs, and the name that signatures give it.
pub(crate) struct Signer {
    key: PrivateKey,
    /// Name of the public key's file, `….rsa.pub`.
    file_name: String,
}

impl Signer {
    /// Makes a key from the system's randomness.
    pub(crate) fn generate(key_name: &str) -> Result<Self, MirrorError> {
        let key = PrivateKey::new(&mut getrandom::SysRng, BITS).map_err(failed)?;
        Ok(Self::new(key, key_name))
    }

    /// Signs with a key that is there already.
    pub(crate) fn new(key: PrivateKey, key_name: &str) -> Self {
        Self { key, file_name: format!("{key_name}.rsa.pub") }
    }

    /// Name of the public key's file.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The public half as PEM.
    pub(crate) fn public_pem(&self) -> Result<String, MirrorError> {
        self.key.to_public_key().to_public_key_pem(LineEnding::LF).map_err(failed)
    }

    /// `content`, a gzip stream, with the stream of its signature in front.
    pub(crate) fn sign(&self, content: &[u8], time: u64) -> Result<Vec<u8>, MirrorError> {
        let signature = self.key.pkcs1v15_sign::<Sha256>(content).map_err(failed)?;
        let mut segment = Segment::new(time);
        let name = format!(".SIGN.RSA256.{}", self.file_name);
        segment.plain(&name, 0o644, &signature).map_err(failed)?;
        let mut signed = segment.open_ended().and_then(|tar| gzip(&tar)).map_err(failed)?;
        signed.extend_from_slice(content);
        Ok(signed)
    }
}

fn failed(error: impl std::fmt::Display) -> MirrorError {
    MirrorError::Key(error.to_string())
}
