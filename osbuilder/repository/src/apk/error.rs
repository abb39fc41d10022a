//! What can be wrong with an apk index, package or key, one sentence each.

use thiserror::Error;

/// Why an apk file was refused.
#[derive(Debug, Error)]
pub enum ApkError {
    /// A key file holds no usable RSA public key.
    #[error(
        "{name} is no RSA public key in PEM form (SubjectPublicKeyInfo, 2048 bits or more): {reason}"
    )]
    BadKey {
        /// The key file's name.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// The file carries no signature at all.
    #[error("the index carries no signature, so nothing vouches for it")]
    Unsigned,
    /// No trusted key made any of the signatures.
    #[error(
        "the index is signed with {}, but the trusted keys are {}; if that key is to be trusted, add its .rsa.pub file to the keys",
        list(signed_by),
        list(trusted)
    )]
    UntrustedKey {
        /// Names of the keys the file says it was signed with.
        signed_by: Vec<String>,
        /// Names of the keys that are trusted.
        trusted: Vec<String>,
    },
    /// A trusted key is named, but the signature does not fit the bytes.
    #[error(
        "the signature made with {} does not fit the index (trusted keys: {}): it was altered, or another key of the same name signed it",
        list(signed_by),
        list(trusted)
    )]
    BadSignature {
        /// Names of the trusted keys whose signatures did not hold.
        signed_by: Vec<String>,
        /// Names of the keys that are trusted.
        trusted: Vec<String>,
    },
    /// The bytes are not complete gzip streams.
    #[error("the {what} is not a complete gzip stream (altered or cut off): {reason}")]
    Gzip {
        /// Which part of the file.
        what: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// Decompression gives more than is allowed.
    #[error("the {what} unpacks to more than {limit} bytes, more than any real one")]
    TooLarge {
        /// Which part of the file.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The tar archive in a stream cannot be read.
    #[error("the {what} is not a readable tar archive: {reason}")]
    Tar {
        /// Which part of the file.
        what: &'static str,
        /// What the reader said.
        reason: String,
    },
    /// A stream lacks a member that it must have.
    #[error("the {what} holds no {member}")]
    Missing {
        /// Which part of the file.
        what: &'static str,
        /// The absent member.
        member: &'static str,
    },
    /// A line of the index breaks the format.
    #[error("line {line} of the index: {reason}")]
    IndexLine {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The index lists a package that could not run.
    #[error("the index lists {package} for {actual}, but the index of {wanted} was asked for")]
    ForeignArchitecture {
        /// The package's name and version.
        package: String,
        /// Its architecture.
        actual: String,
        /// The architecture asked for.
        wanted: String,
    },
    /// A line of `.PKGINFO` breaks the format.
    #[error("line {line} of .PKGINFO: {reason}")]
    PkgInfoLine {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// `.PKGINFO` lacks a field that it must have.
    #[error(".PKGINFO says no {0}")]
    PkgInfoField(&'static str),
    /// The control stream is not the one the index names.
    #[error(
        "its control data has the identity {actual}, the index says {expected}: the package was altered or belongs to another index"
    )]
    ControlMismatch {
        /// Identity in the index, as `Q1…`.
        expected: String,
        /// Identity of the file, as `Q1…`.
        actual: String,
    },
    /// The data stream is not the one the control data names.
    #[error(
        "its files have the sha256 {actual}, its control data says {expected}: the package was altered or cut off"
    )]
    DataMismatch {
        /// The `datahash` of `.PKGINFO`.
        expected: String,
        /// The digest of the data stream.
        actual: String,
    },
    /// The package's own name or version is not the one of the index.
    #[error("it calls itself {actual}, the index calls it {expected}")]
    NameMismatch {
        /// Name and version in the index.
        expected: String,
        /// Name and version in `.PKGINFO`.
        actual: String,
    },
    /// The package has an identity that no apk package can have.
    #[error("{0} is not identified as an apk package is (SHA-1 of its control data)")]
    WrongIdentity(String),
    /// A source names nothing to open.
    #[error("the Alpine source names no {0}")]
    EmptySource(&'static str),
    /// A mirror's URL cannot be extended by a path.
    #[error("{0} cannot serve as a mirror: it is no http, https or file URL")]
    BadMirror(String),
    /// A fetched package can't be used.
    #[error("the package {name} {version} can't be used")]
    Package {
        /// The package's name.
        name: String,
        /// Its version.
        version: String,
        /// What is wrong with its file.
        source: Box<ApkError>,
    },
    /// The store could not give a file.
    #[error(transparent)]
    Store(#[from] artifact_store::StoreError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
