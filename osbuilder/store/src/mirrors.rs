//! Several URLs for the same bytes: which is tried when, how often, and what to
//! say when none helped.
//!
//! Sits between requests and single transfers; it must not know where bytes
//! are kept, nor what proves them beyond the answer of a callback.

use std::time::Duration;

use ureq::Agent;
use url::Url;

use crate::batch::Stop;
use crate::error::{Attempt, StoreError};
use crate::netrc::Netrc;
use crate::progress::{Event, Progress};
use crate::transfer::{Failure, Limits, Pace, Sink, Transfer};

/// The wait before the first retry; each further one is three times as long.
const FIRST_WAIT: Duration = Duration::from_millis(300);

/// Why a request was given up.
#[derive(Debug)]
pub(crate) enum Halt {
    Error(StoreError),
    /// Another request of the batch failed.
    Stopped,
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

/// Bytes that came in whole and are not the ones asked for.
pub(crate) enum Refusal {
    Digest { expected: String, actual: String },
    Check(String),
}

/// Whether bytes are the ones asked for.
pub(crate) type Proof = Result<(), Refusal>;

/// What all requests of one call share.
pub(crate) struct Mirrors<'a> {
    /// `None` where the network may not be used.
    pub agent: Option<&'a Agent>,
    pub netrc: &'a Netrc,
    pub retries: u32,
    pub pace: Pace,
    pub progress: &'a dyn Progress,
    pub stop: &'a Stop,
}

impl Mirrors<'_> {
    /// Fills `sink` from the first URL whose bytes `prove` accepts and says which.
    pub(crate) fn fill<S: Sink>(
        &self,
        label: &str,
        urls: &[Url],
        limits: Limits,
        sink: &mut S,
        prove: &dyn Fn(&mut S) -> Result<Proof, StoreError>,
    ) -> Result<Url, Halt> {
        let (mut attempts, mut tried, mut last) = (Vec::<Attempt>::new(), 0_usize, None);
        let transfer = Transfer {
            agent: self.agent,
            netrc: self.netrc,
            label,
            limits,
            pace: self.pace,
            progress: self.progress,
            stop: self.stop,
        };
        for url in urls {
            let shown = without_password(url);
            if self.agent.is_none() && url.scheme() != "file" {
                attempts.push((shown, "not tried, since the network is off".to_owned()));
                continue;
            }
            tried += 1;
            if tried == 1 {
                self.progress.event(Event::Started { label, total: limits.exact });
            }
            let error = match self.one(&transfer, url, sink, prove)? {
                Ok(()) => return Ok(url.clone()),
                Err(error) => error,
            };
            tracing::debug!(label, url = shown, reason = error.reason(), "a mirror failed");
            attempts.push((shown.clone(), error.reason()));
            last = error.alone(label, shown, limits.most());
        }
        if tried == 0 && !urls.is_empty() {
            let urls = urls.iter().map(without_password).collect();
            return Err(StoreError::Offline { label: label.to_owned(), urls }.into());
        }
        match last {
            Some(error) if attempts.len() == 1 => Err(error.into()),
            _ => Err(StoreError::AllMirrorsFailed { label: label.to_owned(), attempts }.into()),
        }
    }

    /// One URL with its retries.
    fn one<S: Sink>(
        &self,
        transfer: &Transfer<'_>,
        url: &Url,
        sink: &mut S,
        prove: &dyn Fn(&mut S) -> Result<Proof, StoreError>,
    ) -> Result<Result<(), Useless>, Halt> {
        let (mut retries, mut mended, mut etag) = (0, false, None);
        loop {
            let resumed = sink.position() > 0;
            let useless = match transfer.run(url, sink, &mut etag) {
                Ok(()) => match prove(sink)? {
                    Ok(()) => return Ok(Ok(())),
                    Err(refusal) => {
                        reset(sink)?;
                        if resumed && !mended {
                            // The older part may be to blame: once more, from the start.
                            mended = true;
                            continue;
                        }
                        Useless::Refused(refusal)
                    }
                },
                Err(Failure::Passing { reason, wait }) if retries < self.retries => {
                    let in_ = wait.unwrap_or(FIRST_WAIT * 3_u32.saturating_pow(retries.min(4)));
                    retries += 1;
                    let label = transfer.label;
                    self.progress.event(Event::Retrying { label, why: &reason, in_ });
                    self.stop.wait(in_);
                    if self.stop.is_set() {
                        return Err(Halt::Stopped);
                    }
                    continue;
                }
                Err(Failure::Passing { reason, .. }) => Useless::Failed(match retries {
                    0 => reason,
                    1 => format!("{reason} (tried twice)"),
                    n => format!("{reason} (tried {} times)", u64::from(n) + 1),
                }),
                Err(Failure::Lasting(reason)) => Useless::Failed(reason),
                Err(Failure::TooLarge) => {
                    reset(sink)?;
                    Useless::TooLarge(transfer.limits.most())
                }
                Err(Failure::Local(error)) => return Err(error.into()),
                Err(Failure::Stopped) => return Err(Halt::Stopped),
            };
            return Ok(Err(useless));
        }
    }
}

fn reset(sink: &mut dyn Sink) -> Result<(), StoreError> {
    let result = sink.restart();
    result.map_err(|source| StoreError::io(sink.path().unwrap_or("memory".as_ref()), source))
}

/// Why one URL did not help.
enum Useless {
    Failed(String),
    TooLarge(u64),
    Refused(Refusal),
}

impl Useless {
    fn reason(&self) -> String {
        match self {
            Self::Failed(reason) => reason.clone(),
            Self::TooLarge(limit) => format!("it is larger than the {limit} bytes allowed"),
            Self::Refused(Refusal::Check(reason)) => reason.clone(),
            Self::Refused(Refusal::Digest { expected, actual }) => {
                format!("wrong digest: expected sha256 {expected}, got {actual}")
            }
        }
    }

    /// The error to give where this was the only URL.
    fn alone(self, label: &str, url: String, limit: u64) -> Option<StoreError> {
        let label = label.to_owned();
        match self {
            Self::Failed(_) => None,
            Self::TooLarge(_) => Some(StoreError::TooLarge { label, url, limit }),
            Self::Refused(Refusal::Check(reason)) => {
                Some(StoreError::Rejected { label, url, reason })
            }
            Self::Refused(Refusal::Digest { expected, actual }) => {
                Some(StoreError::DigestMismatch { label, url, expected, actual })
            }
        }
    }
}

/// A URL that may be shown: user names stay, a password becomes `***`.
#[must_use]
pub fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Fails only for URLs that cannot have a password.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let shown = |url: &str| without_password(&Url::parse(url).unwrap());
        assert_eq!(shown("http://u:secret@example.org/a"), "http://u:***@example.org/a");
        assert_eq!(shown("http://example.org/a"), "http://example.org/a");
    }
}
