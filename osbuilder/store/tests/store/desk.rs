//! A store in a fresh folder, requests for it, and a log of its events.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_store::{Event, Expect, Progress, Request, Store, StoreOptions};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use url::Url;

pub struct Desk {
    pub temp: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub fn options(&self) -> StoreOptions {
        let mut options = StoreOptions::new(self.temp.path().join("store"));
        options.retries = 1;
        // The logins of whoever runs the tests are none of ours.
        options.netrc = None;
        options
    }

    pub fn store(&self) -> Store {
        Store::open(self.options()).unwrap()
    }

    pub fn offline(&self) -> Store {
        let mut options = self.options();
        options.offline = true;
        Store::open(options).unwrap()
    }

    /// A file outside of the store.
    pub fn file(&self, name: &str, bytes: &[u8]) -> Url {
        let path = self.temp.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Url::from_file_path(path).unwrap()
    }

    /// What lies in the store's folder for unfinished files.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let tmp = self.temp.path().join("store/tmp");
        std::fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A request for these very bytes.
pub fn want(bytes: &[u8], urls: &[Url]) -> Request {
    Request {
        label: "thing".to_owned(),
        urls: urls.to_vec(),
        max_size: 1 << 20,
        size: Some(bytes.len() as u64),
        expect: Expect::Sha256(digest(bytes)),
    }
}

/// A request that is proven by a prefix instead of a digest.
pub fn want_prefix(key: &str, prefix: &'static [u8], urls: &[Url]) -> Request {
    let check = move |bytes: &[u8]| match bytes.starts_with(prefix) {
        true => Ok(()),
        false => Err("the prefix is wrong".to_owned()),
    };
    let expect = Expect::Check { cache_key: key.to_owned(), check: Arc::new(check) };
    Request { size: None, expect, ..want(b"", urls) }
}

/// Keeps events as text.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Log {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Started { label, total } => format!("{label} started {total:?}"),
            Event::Advanced { label, bytes } => format!("{label} +{bytes}"),
            Event::Finished { label, cached } => format!("{label} finished cached={cached}"),
            Event::Retrying { label, why, in_ } => {
                assert!(in_ < Duration::from_secs(61));
                format!("{label} retrying: {why}")
            }
        };
        self.0.lock().unwrap().push(line);
    }
}
