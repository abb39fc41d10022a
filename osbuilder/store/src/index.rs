//! Files that only their reader can judge: fetched, judged, remembered.
//!
//! The store keeps the last accepted copy under the caller's key, for work
//! without a network. It must not know what makes an index valid.

use std::io;
use std::path::Path;

use url::Url;

use crate::error::StoreError;
use crate::layout::Layout;
use crate::mirrors::{Halt, Mirrors, Refusal, without_password};
use crate::progress::Event;
use crate::record;
use crate::request::FetchedIndex;
use crate::transfer::{Limits, Sink};

/// The caller's judgement of an index.
type Validate<'a> = &'a dyn Fn(&[u8]) -> Result<(), String>;

pub(crate) fn fetch(
    layout: &Layout,
    mirrors: &Mirrors<'_>,
    key: &str,
    urls: &[Url],
    max_size: u64,
    validate: Validate<'_>,
) -> Result<FetchedIndex, StoreError> {
    let limits = Limits { max: max_size, exact: None };
    let mut memory = Memory(Vec::new());
    let prove = |memory: &mut Memory| Ok(validate(&memory.0).map_err(Refusal::Check));
    match mirrors.fill(key, urls, limits, &mut memory, &prove) {
        Ok(url) => {
            let index = FetchedIndex { bytes: memory.0, url };
            remember(layout, key, &index)?;
            mirrors.progress.event(Event::Finished { label: key, cached: false });
            Ok(index)
        }
        Err(Halt::Error(error)) => {
            let network = urls.iter().any(|url| url.scheme() != "file");
            if mirrors.agent.is_some() || !network {
                return Err(error);
            }
            let Some(index) = remembered(layout, key, max_size)? else { return Err(error) };
            if let Err(reason) = validate(&index.bytes) {
                return Err(outdated(key, error, &index.url, &reason));
            }
            mirrors.progress.event(Event::Finished { label: key, cached: true });
            Ok(index)
        }
        Err(Halt::Stopped) => unreachable!("nobody else holds this call's stop signal"),
    }
}

/// A record of an index: its URL, a line feed, its bytes.
fn remember(layout: &Layout, key: &str, index: &FetchedIndex) -> Result<(), StoreError> {
    let mut url = index.url.clone();
    // A password has no business on the disk; fails where there can be none.
    let _ = url.set_password(None);
    let payload = [url.as_str().as_bytes(), b"\n", &index.bytes].concat();
    record::write(layout, "index", key, &payload)
}

fn remembered(
    layout: &Layout,
    key: &str,
    max_size: u64,
) -> Result<Option<FetchedIndex>, StoreError> {
    let Some(payload) = record::read(layout, "index", key)? else { return Ok(None) };
    let Some(end) = payload.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let url = std::str::from_utf8(&payload[..end]).ok().and_then(|text| Url::parse(text).ok());
    let bytes = payload[end + 1..].to_vec();
    let fits = bytes.len() as u64 <= max_size;
    Ok(url.filter(|_| fits).map(|url| FetchedIndex { bytes, url }))
}

/// The remembered copy failed too, and that is the more telling failure.
fn outdated(key: &str, error: StoreError, url: &Url, reason: &str) -> StoreError {
    let mut attempts = match error {
        StoreError::AllMirrorsFailed { attempts, .. } => attempts,
        StoreError::Offline { urls, .. } => urls
            .into_iter()
            .map(|url| (url, "not tried, since the network is off".to_owned()))
            .collect(),
        other => return other,
    };
    attempts.push((format!("the copy kept from {}", without_password(url)), reason.to_owned()));
    StoreError::AllMirrorsFailed { label: key.to_owned(), attempts }
}

struct Memory(Vec<u8>);

impl Sink for Memory {
    fn path(&self) -> Option<&Path> {
        None
    }

    fn position(&self) -> u64 {
        self.0.len() as u64
    }

    fn proven_later(&self) -> bool {
        false
    }

    fn restart(&mut self) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
