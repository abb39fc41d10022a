//! Small signed indexes and packages, made as apk's tools make them. Keys are
//! derived from a seed, so that no test depends on chance.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::OnceLock;

use flate2::{Compression, GzBuilder};
use rsa::PrivateKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::rand_core::{TryCryptoRng, TryRng};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::{Keys, format_checksum};
use crate::package::Package;

/// Name of the key that signs unless a test says otherwise.
pub const KEY: &str = "test-1.rsa.pub";

/// Bytes that depend on the seed only; not random, which is the point.
struct Seeded {
    seed: u8,
    count: u64,
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for chunk in target.chunks_mut(32) {
            self.count += 1;
            let block = Sha256::new()
                .chain_update([self.seed])
                .chain_update(self.count.to_le_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// The first or second key, made once a process.
pub fn key(which: u8) -> &'static PrivateKey {
    static KEYS: [OnceLock<PrivateKey>; 2] = [const { OnceLock::new() }; 2];
    KEYS[usize::from(which) - 1]
        .get_or_init(|| PrivateKey::new(&mut Seeded { seed: which, count: 0 }, 2048).unwrap())
}

/// The PEM text of a key's public half.
pub fn pem(which: u8) -> Vec<u8> {
    key(which).to_public_key().to_public_key_pem(LineEnding::LF).unwrap().into_bytes()
}

/// Trusts the first key under [`KEY`].
pub fn keys() -> Keys {
    Keys::new([(KEY.to_owned(), pem(1))]).unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar segment, with the end-of-archive blocks where `end` says so.
pub fn tar(files: &[(&str, &[u8])], end: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    let mut bytes = builder.into_inner().unwrap();
    if !end {
        bytes.truncate(bytes.len() - 1024);
    }
    bytes
}

/// The signature stream for `content`: by a key, under a name, for an algorithm.
pub fn signature(which: u8, name: &str, algorithm: &str, content: &[u8]) -> Vec<u8> {
    let bytes = match algorithm {
        "RSA" => key(which).pkcs1v15_sign::<Sha1>(content),
        "RSA256" => key(which).pkcs1v15_sign::<Sha256>(content),
        _ => key(which).pkcs1v15_sign::<sha2::Sha512>(content),
    }
    .unwrap();
    gzip(&tar(&[(&format!(".SIGN.{algorithm}.{name}"), &bytes)], false))
}

/// The signed-for part of an index.
pub fn index_content(text: &str) -> Vec<u8> {
    gzip(&tar(&[("DESCRIPTION", b"v3.23.6-1-gabc"), ("APKINDEX", text.as_bytes())], true))
}

/// An index signed with the first key and SHA-1, as Alpine signs.
pub fn index(text: &str) -> Vec<u8> {
    let content = index_content(text);
    [signature(1, KEY, "RSA", &content), content].concat()
}

/// A package file and the index stanza that names it.
pub struct Fixture {
    pub file: Vec<u8>,
    pub stanza: String,
    /// Where the control stream begins and ends in the file.
    pub control: (usize, usize),
}

impl Fixture {
    /// The package as the index reader sees it.
    pub fn package(&self) -> Package {
        let file = index(&self.stanza);
        let index = super::super::read_index(&file, &keys(), "v3.23/main/x86_64", "x86_64");
        index.unwrap().packages.remove(0)
    }
}

/// A package whose data stream is `data`, with extra lines in `.PKGINFO`.
pub fn package_with(name: &str, version: &str, data: &[u8], extra: &str) -> Fixture {
    let hash = hex::encode(Sha256::digest(data));
    let info = format!(
        "# test\npkgname = {name}\npkgver = {version}\narch = x86_64\nsize = 5\n{extra}datahash = {hash}\n"
    );
    let control =
        gzip(&tar(&[(".PKGINFO", info.as_bytes()), (".post-install", b"#!/bin/sh\n")], false));
    let sign = signature(1, KEY, "RSA", &control);
    let file = [sign.as_slice(), &control, data].concat();
    let identity = format_checksum(&Sha1::digest(&control).into());
    let stanza = format!(
        "C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:{}\nI:5\nT:a test\nL:MIT\no:{name}-src\nt:1700000000\nk:3\ni:never asked\n\n",
        file.len()
    );
    let control = (sign.len(), sign.len() + control.len());
    Fixture { file, stanza, control }
}

/// A package with one file, `etc/hello`.
pub fn package(name: &str, version: &str) -> Fixture {
    package_with(name, version, &gzip(&tar(&[("etc/hello", b"hello")], true)), "")
}
