//! What can be wrong with an rpm repository, its index or a package file, one
//! sentence each; causes are not repeated.

use artifact_store::StoreError;

use crate::compression::CompressionError;
use crate::openpgp::SignatureError;

/// Why an rpm repository can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// A file can't be had, or none that was offered is to be trusted.
    #[error("can't open the rpm repository {repository}")]
    Fetch {
        /// Its folder below the mirrors.
        repository: String,
        /// What the store says.
        source: StoreError,
    },
    /// An index file was accepted, but can't be read.
    #[error("{path} of the rpm repository {repository} can't be read")]
    Index {
        /// The repository's folder below the mirrors.
        repository: String,
        /// The file below it.
        path: String,
        /// The reason.
        source: IndexError,
    },
    /// The recipe names nothing to open, or something that is no plain path.
    #[error("the rpm source {0}")]
    Source(String),
}

/// Why an index file was refused.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No signature by a trusted key.
    #[error("its signature is not to be trusted")]
    Signature(#[source] SignatureError),
    /// It is not the pinned one.
    #[error("its SHA-256 is {seen}, but {pinned} is pinned")]
    Pin {
        /// The digest of what the mirror gave.
        seen: String,
        /// The digest that the recipe names.
        pinned: String,
    },
    /// It is no XML of the form that it should have.
    #[error("at byte {at}: {reason}")]
    Xml {
        /// Where, in the unpacked file.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// It can't be unpacked.
    #[error("it can't be unpacked")]
    Unpack(#[source] CompressionError),
    /// Its size is not the one that repomd.xml gives.
    #[error("it unpacks to {actual} bytes, but repomd.xml says {expected}")]
    Size {
        /// The size in repomd.xml.
        expected: u64,
        /// The size found.
        actual: u64,
    },
    /// repomd.xml lists no such file.
    #[error("it lists no file of the type {0}")]
    Missing(&'static str),
    /// A value that can't be used.
    #[error("{0}")]
    Value(String),
    /// The list of modules is no YAML of the form that it should have.
    #[error("document {document} of the list of modules: {reason}")]
    Modules {
        /// Which document, from 1.
        document: usize,
        /// What the reader says.
        reason: String,
    },
}

/// Why a package's file was refused; the caller says which package it is.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no rpm file that can be read.
    #[error("not an rpm file that can be read: {0}")]
    Frame(&'static str),
    /// The header with signatures is damaged.
    #[error("its signature header is damaged: {0}")]
    SignatureHeader(&'static str),
    /// The header is damaged.
    #[error("its header is damaged: {0}")]
    Header(&'static str),
    /// No signature by a trusted key.
    #[error("its signature is not to be trusted")]
    Signature(#[source] SignatureError),
    /// A digest does not fit.
    #[error(
        "its {what} has the digest {actual}, but {expected} is told: it was altered or cut off"
    )]
    Digest {
        /// The part.
        what: &'static str,
        /// The digest that another part gives.
        expected: String,
        /// The digest of the bytes.
        actual: String,
    },
    /// The signed header says nothing about the payload.
    #[error("its signed header holds no strong digest of the payload, so nothing vouches for it")]
    NoPayloadDigest,
    /// The file holds another package than the index says.
    #[error("the index calls its {field} `{index}`, but the package says `{package}`")]
    Mismatch {
        /// The field.
        field: &'static str,
        /// Its value in the index.
        index: String,
        /// Its value in the package.
        package: String,
    },
    /// The index lies about the package's dependencies.
    #[error("{0}")]
    Disagrees(String),
    /// It belongs to a module.
    #[error("it belongs to the module {0}, and modules are not supported")]
    Modular(String),
    /// It asks for an rpm that can do more.
    #[error("it needs {0} of the one who unpacks it, which is not supported")]
    Feature(String),
    /// A dependency can't be read.
    #[error("{0}")]
    Dependency(String),
    /// It uses something that is not read here.
    #[error("{0}")]
    Unsupported(String),
    /// The list of files is wrong.
    #[error("its list of files is damaged: {0}")]
    Files(&'static str),
    /// The payload can't be unpacked.
    #[error("its payload can't be unpacked")]
    Payload(#[source] CompressionError),
    /// The archive inside of the payload is wrong.
    #[error("its archive does not fit its header: {0}")]
    Archive(&'static str),
    /// A file is not what the header says.
    #[error("its file /{path} has the digest {actual}, but the header says {expected}")]
    File {
        /// The file.
        path: String,
        /// The digest in the header.
        expected: String,
        /// The digest of the bytes.
        actual: String,
    },
    /// A file's capabilities can't be read.
    #[error("its file /{path} can't have its capabilities: {reason}")]
    Capabilities {
        /// The file.
        path: String,
        /// A sentence about them.
        reason: String,
    },
}
