//! The store itself: what it was asked for, from its folder or from a mirror.
//!
//! Ties the folder, the mirrors and the records together; it must not know
//! HTTP, nor what any of the bytes mean.

use std::env;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use ureq::Agent;
use url::Url;

use crate::batch::{self, Stop};
use crate::connector;
use crate::error::StoreError;
use crate::index;
use crate::layout::{Layout, hash_reader};
use crate::lease::{self, Lease};
use crate::mirrors::{Halt, Mirrors, Proof, Refusal};
use crate::netrc::Netrc;
use crate::options::StoreOptions;
use crate::part::Part;
use crate::progress::{Event, Progress};
use crate::proxy::Proxies;
use crate::record;
use crate::request::{Blob, Expect, FetchedIndex, Request};
use crate::transfer::{Limits, Pace, Sink};
use crate::upkeep::{self, Collected, Entry, GcOptions, Verified};

/// A folder of proven files, and the way to get more of them.
///
/// A clone is the same store; any number of threads and processes may use one
/// folder at a time.
/// [`Store::gc`] leaves alone what an open store has given:
/// keep it, or a clone, until its blobs are read.
#[derive(Debug, Clone)]
pub struct Store {
    options: Arc<StoreOptions>,
    layout: Layout,
    /// `None` where the network may not be used, so that nothing can.
    agent: Option<Agent>,
    netrc: Arc<Netrc>,
    /// `None` where the folder is read-only.
    lease: Option<Arc<Lease>>,
}

impl Store {
    /// Opens the store, making its folder (mode 0700) where it is missing, and
    /// removes temporary files that are older than a day.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::DiskFull`] where the folder cannot be
    /// made; [`StoreError::BadProxy`] or [`StoreError::BadNetrc`] where the
    /// network is on and a proxy variable or the file of logins makes no sense.
    pub fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let agent = if options.offline {
            None
        } else {
            let proxies = Proxies::from_variables(|name| env::var(name).ok())?;
            Some(connector::agent(&options, proxies))
        };
        let netrc = match &options.netrc {
            Some(path) if !options.offline => Netrc::read(path)?,
            _ => Netrc::default(),
        };
        let layout = Layout::open(&options.dir)?;
        let lease = Lease::take(&layout)?.map(Arc::new);
        Ok(Self { options: Arc::new(options), layout, agent, netrc: Arc::new(netrc), lease })
    }

    /// Gives the file from the store, hashed anew, or from the first URL that
    /// has the right bytes.
    ///
    /// # Errors
    /// With one URL: [`StoreError::DigestMismatch`], [`StoreError::Rejected`] or
    /// [`StoreError::TooLarge`] for wrong bytes. With several, or for any other
    /// failure: [`StoreError::AllMirrorsFailed`]. [`StoreError::Offline`] where
    /// only the network could help. Local failures as on opening.
    pub fn fetch(&self, request: &Request, progress: &dyn Progress) -> Result<Blob, StoreError> {
        match self.serve(request, progress, &Stop::default()) {
            Ok(blob) => Ok(blob),
            Err(Halt::Error(error)) => Err(error),
            Err(Halt::Stopped) => unreachable!("nobody else holds this call's stop signal"),
        }
    }

    /// As [`Store::fetch`] for several requests, up to `parallel` at a time;
    /// the blobs come in the order of the requests.
    ///
    /// # Errors
    /// The first error that any request met; the others are stopped.
    pub fn fetch_all(
        &self,
        requests: &[Request],
        parallel: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Blob>, StoreError> {
        batch::all(requests, parallel, &|request, stop| self.serve(request, progress, stop))
    }

    /// Fetches a file whose bytes only the caller can judge, such as a signed
    /// index. URLs are tried in order until `validate` accepts one's bytes.
    /// Those are remembered under `key`; with the network off, and unless all
    /// URLs are `file:`, the remembered ones are given if they are still valid.
    ///
    /// # Errors
    /// As [`Store::fetch`].
    pub fn fetch_index(
        &self,
        key: &str,
        urls: &[Url],
        max_size: u64,
        progress: &dyn Progress,
        validate: &dyn Fn(&[u8]) -> Result<(), String>,
    ) -> Result<FetchedIndex, StoreError> {
        let stop = Stop::default();
        let mirrors = self.mirrors(progress, &stop);
        index::fetch(&self.layout, &mirrors, key, urls, max_size, validate)
    }

    /// The value kept under a digest of all its inputs. A damaged one is
    /// removed and counts as absent.
    ///
    /// # Errors
    /// [`StoreError::Io`] where it cannot be read.
    pub fn derived(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        record::read(&self.layout, "derived", key)
    }

    /// Keeps a value that can be computed again.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::DiskFull`] where it cannot be written.
    pub fn put_derived(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        record::write(&self.layout, "derived", key, bytes)
    }

    /// All files of the store, sorted by kind and name.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a folder cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        upkeep::list(&self.layout)
    }

    /// Hashes all blobs anew and removes the damaged ones. Records are left
    /// out: they prove themselves on each use, by a key that only users know.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a file cannot be read or removed.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        upkeep::verify(&self.layout)
    }

    /// Removes what `options` say, but nothing that any open store, of this or
    /// another process, was given or made since it was opened.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a file cannot be read or removed, or where the
    /// file system has no locks.
    pub fn gc(&self, options: &GcOptions) -> Result<Collected, StoreError> {
        upkeep::gc(&self.layout, options)
    }

    fn mirrors<'a>(&'a self, progress: &'a dyn Progress, stop: &'a Stop) -> Mirrors<'a> {
        let pace = Pace { bytes: self.options.pace_bytes, period: self.options.pace_period };
        let retries = self.options.retries;
        let agent = self.agent.as_ref();
        Mirrors { agent, netrc: &self.netrc, retries, pace, progress, stop }
    }

    fn serve(&self, request: &Request, progress: &dyn Progress, stop: &Stop) -> Result<Blob, Halt> {
        let label = request.label.as_str();
        if let Some(blob) = self.cached(request)? {
            progress.event(Event::Finished { label, cached: true });
            return Ok(blob);
        }
        let limits = Limits { max: request.max_size, exact: request.size };
        let mut part = Part::open(&self.layout, &request.identity(), limits.most())?;
        if part.position() > 0 {
            progress.event(Event::Advanced { label, bytes: part.position() });
        }
        let prove = |part: &mut Part| prove(&request.expect, part);
        let mirrors = self.mirrors(progress, stop);
        let url = mirrors.fill(label, &request.urls, limits, &mut part, &prove)?;
        let mut blob = part.keep(&self.layout, self.lease.as_deref())?;
        blob.served_by = Some(url);
        if let Expect::Check { cache_key, .. } = &request.expect {
            record::write(&self.layout, "refs", cache_key, &blob.sha256)?;
        }
        progress.event(Event::Finished { label, cached: false });
        Ok(blob)
    }

    /// Opens a file of the store, which then stays while this store is open.
    fn hold(&self, path: &Path) -> Result<Option<File>, StoreError> {
        let _guard = lease::guard(&self.layout)?;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(path, error)),
        };
        if let Some(lease) = &self.lease
            && let Err(error) = lease.mark(&file)
        {
            // Another user's file, which only its owner removes.
            tracing::debug!(path = %path.display(), %error, "cannot mark a file as used");
        }
        Ok(Some(file))
    }

    /// What the store holds for this request, proven anew.
    fn cached(&self, request: &Request) -> Result<Option<Blob>, StoreError> {
        let sha256 = match &request.expect {
            Expect::Sha256(sha256) => *sha256,
            Expect::Check { cache_key, .. } => {
                let known = record::read(&self.layout, "refs", cache_key)?;
                match known.and_then(|bytes| bytes.try_into().ok()) {
                    Some(sha256) => sha256,
                    None => return Ok(None),
                }
            }
        };
        let path = self.layout.blob(&sha256);
        let Some(mut file) = self.hold(&path)? else { return Ok(None) };
        let mut hasher = Sha256::new();
        let size = hash_reader(&mut file, &mut hasher);
        let size = size.map_err(|source| StoreError::io(&path, source))?;
        if <[u8; 32]>::from(hasher.finalize()) != sha256 {
            tracing::warn!(path = %path.display(), "removing a damaged file from the store");
            lease::remove_damaged(&self.layout, &file, &path)?;
            return Ok(None);
        }
        if size > request.max_size || request.size.is_some_and(|exact| exact != size) {
            return Ok(None);
        }
        let blob = Blob { sha256, size, served_by: None, path };
        if let Expect::Check { check, cache_key } = &request.expect
            && let Err(reason) = check(&blob.read()?)
        {
            tracing::warn!(cache_key, reason, "the store's copy is not what it should be");
            return Ok(None);
        }
        Ok(Some(blob))
    }
}

fn prove(expect: &Expect, part: &mut Part) -> Result<Proof, StoreError> {
    Ok(match expect {
        Expect::Sha256(expected) => {
            let actual = part.digest();
            if actual == *expected {
                Ok(())
            } else {
                let (expected, actual) = (hex::encode(expected), hex::encode(actual));
                Err(Refusal::Digest { expected, actual })
            }
        }
        Expect::Check { check, .. } => check(&part.bytes()?).map_err(Refusal::Check),
    })
}
