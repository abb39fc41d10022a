//! One attempt to get one URL's bytes into a sink.
//!
//! Speaks HTTP (ranges, statuses, sizes) and reads `file:` URLs the same way.
//! It must not know about digests, mirrors or the store's folders.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};
use url::Url;

use crate::batch::Stop;
use crate::connector::ProxyFailure;
use crate::error::StoreError;
use crate::netrc::Netrc;
use crate::progress::{Event, Progress};

/// Small enough for a lively progress bar.
const CHUNK: usize = 64 * 1024;
/// No server may make us wait longer than this before we try again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// As many as the client follows by itself.
const MOST_REDIRECTS: usize = 10;

/// What is said of a `file:` URL that leads to nothing.
pub(crate) const NO_FILE: &str = "there is no such file";

/// Where bytes go.
pub(crate) trait Sink {
    /// The file to name when writing fails.
    fn path(&self) -> Option<&Path>;
    /// Bytes held so far.
    fn position(&self) -> u64;
    /// Whether the whole is proven byte by byte, so that parts may come from
    /// different answers without asking whether they belong together.
    fn proven_later(&self) -> bool;
    /// Forgets all bytes.
    fn restart(&mut self) -> io::Result<()>;
    /// Adds bytes at the end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may work a moment later.
    Passing { reason: String, wait: Option<Duration> },
    /// This URL will not help.
    Lasting(String),
    /// More bytes than allowed.
    TooLarge,
    /// Our own disk is at fault; no other URL would help either.
    Local(StoreError),
    /// Somebody else's failure ended the whole batch.
    Stopped,
}

/// How many bytes are acceptable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub max: u64,
    pub exact: Option<u64>,
}

impl Limits {
    /// The most bytes to take in.
    pub(crate) fn most(self) -> u64 {
        self.exact.map_or(self.max, |exact| exact.min(self.max))
    }
}

/// The least that a server must send to be worth waiting for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub bytes: u64,
    pub period: Duration,
}

/// Measures a transfer against its pace, period by period.
struct Meter {
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl Meter {
    fn new(pace: Pace) -> Self {
        Self { pace, since: Instant::now(), bytes: 0 }
    }

    fn add(&mut self, bytes: u64) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.since.elapsed() < self.pace.period {
            return Ok(());
        }
        if self.bytes < self.pace.bytes {
            let reason = format!(
                "the server is too slow: {} bytes in {:?}, where {} are the least",
                self.bytes, self.pace.period, self.pace.bytes
            );
            return Err(Failure::Passing { reason, wait: None });
        }
        *self = Self::new(self.pace);
        Ok(())
    }
}

/// What attempts have in common.
pub(crate) struct Transfer<'a> {
    /// `None` where the network may not be used.
    pub agent: Option<&'a Agent>,
    pub netrc: &'a Netrc,
    pub label: &'a str,
    pub limits: Limits,
    pub pace: Pace,
    pub progress: &'a dyn Progress,
    pub stop: &'a Stop,
}

impl Transfer<'_> {
    /// Fills the sink from `url`, going on where it ends. `etag` carries the
    /// version that the sink's bytes belong to from attempt to attempt.
    pub(crate) fn run(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        etag: &mut Option<String>,
    ) -> Result<(), Failure> {
        // Everything came in before, only the proof is missing.
        if sink.position() > 0 && self.limits.exact == Some(sink.position()) {
            return Ok(());
        }
        match (url.scheme(), self.agent) {
            ("file", _) => self.file(url, sink),
            ("http" | "https", Some(agent)) => self.http(agent, url, sink, etag),
            ("http" | "https", None) => Err(Failure::Lasting("the network is off".to_owned())),
            (scheme, _) => Err(Failure::Lasting(format!(
                "the scheme {scheme} is not supported; use http, https or file"
            ))),
        }
    }

    fn file(&self, url: &Url, sink: &mut dyn Sink) -> Result<(), Failure> {
        let lasting = |error: io::Error| Failure::Lasting(describe(&error));
        let path = url
            .to_file_path()
            .map_err(|()| Failure::Lasting("it does not name a file of this machine".to_owned()))?;
        let meta = fs::metadata(&path).map_err(lasting)?;
        if !meta.is_file() {
            return Err(Failure::Lasting("it is not a regular file".to_owned()));
        }
        restart(sink)?;
        self.announced(meta.len())?;
        let mut file = File::open(&path).map_err(lasting)?;
        self.copy(&mut file, sink, None, &|error| Failure::Lasting(describe(error)))?;
        match self.limits.exact {
            Some(exact) if sink.position() != exact => Err(short(sink.position(), exact)),
            _ => Ok(()),
        }
    }

    fn http(
        &self,
        agent: &Agent,
        url: &Url,
        sink: &mut dyn Sink,
        etag: &mut Option<String>,
    ) -> Result<(), Failure> {
        if !sink.proven_later() && etag.is_none() {
            restart(sink)?;
        }
        let from = sink.position();
        let mut wanted = Vec::new();
        if from > 0 {
            wanted.push((header::RANGE, format!("bytes={from}-")));
            if let Some(version) = etag.as_deref() {
                wanted.push((header::IF_RANGE, version.to_owned()));
            }
        }
        let response = self.ask(agent, url, &wanted)?;
        let (status, headers) = (response.status(), response.headers().clone());
        match status {
            StatusCode::OK => restart(sink)?,
            StatusCode::PARTIAL_CONTENT if from > 0 && range_start(&headers) == Some(from) => {}
            // The server has another idea of the file; from its beginning, then.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                restart(sink)?;
                return self.http(agent, url, sink, etag);
            }
            _ => return Err(refused(status, &headers)),
        }
        *etag = strong_etag(&headers);
        let body: Body = response.into_body();
        if let Some(length) = body.content_length() {
            self.announced(sink.position().saturating_add(length))?;
        }
        let mut reader = body.into_with_config().limit(u64::MAX).reader();
        let meter = Meter::new(self.pace);
        self.copy(&mut reader, sink, Some(meter), &read_failure)?;
        match self.limits.exact {
            Some(exact) if sink.position() < exact => Err(Failure::Passing {
                reason: format!("the transfer ended after {} of {exact} bytes", sink.position()),
                wait: None,
            }),
            _ => Ok(()),
        }
    }

    /// The answer to a request, behind redirects. A login goes to the host that
    /// it is for, and as soon as a redirect leads elsewhere it is left behind.
    fn ask(
        &self,
        agent: &Agent,
        url: &Url,
        headers: &[(header::HeaderName, String)],
    ) -> Result<Response<Body>, Failure> {
        let request = |url: &Url| {
            let request = agent.get(url.as_str());
            headers.iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let Some(login) = self.netrc.authorization(url) else {
            return request(url).call().map_err(|error| classify(&error));
        };
        let mut at = url.clone();
        for _ in 0..MOST_REDIRECTS {
            let attempt = request(&at).header(header::AUTHORIZATION, login.clone());
            let response = attempt.config().max_redirects(0).build().call();
            let response = response.map_err(|error| classify(&error))?;
            let Some(next) = redirect(&response, &at) else { return Ok(response) };
            if !matches!(next.scheme(), "http" | "https") {
                let reason = "it redirects to something that is neither http nor https";
                return Err(Failure::Lasting(reason.to_owned()));
            }
            let own_login = !next.username().is_empty() || next.password().is_some();
            if own_login || next.origin() != url.origin() {
                return request(&next).call().map_err(|error| classify(&error));
            }
            at = next;
        }
        Err(Failure::Lasting("it redirects too often".to_owned()))
    }

    /// Refuses a wrong size before the first byte is taken.
    fn announced(&self, total: u64) -> Result<(), Failure> {
        if total > self.limits.most() {
            return Err(Failure::TooLarge);
        }
        match self.limits.exact {
            Some(exact) if total < exact => Err(short(total, exact)),
            _ => Ok(()),
        }
    }

    fn copy(
        &self,
        reader: &mut dyn Read,
        sink: &mut dyn Sink,
        mut meter: Option<Meter>,
        failure: &dyn Fn(&io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.stop.is_set() {
                return Err(Failure::Stopped);
            }
            let count = match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failure(&error)),
            };
            let bytes = count as u64;
            if sink.position().saturating_add(bytes) > self.limits.most() {
                return Err(Failure::TooLarge);
            }
            let written = sink.write(&chunk[..count]);
            written.map_err(|source| local(sink, source))?;
            self.progress.event(Event::Advanced { label: self.label, bytes });
            if let Some(meter) = &mut meter {
                meter.add(bytes)?;
            }
        }
    }
}

/// Where an answer sends us instead.
fn redirect(response: &Response<Body>, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    from.join(location).ok()
}

fn local(sink: &dyn Sink, source: io::Error) -> Failure {
    Failure::Local(StoreError::io(sink.path().unwrap_or(Path::new("memory")), source))
}

fn restart(sink: &mut dyn Sink) -> Result<(), Failure> {
    if sink.position() == 0 {
        return Ok(());
    }
    let result = sink.restart();
    result.map_err(|source| local(sink, source))
}

fn short(is: u64, exact: u64) -> Failure {
    Failure::Lasting(format!("it has {is} bytes where {exact} were expected"))
}

/// The first byte's number in `Content-Range: bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// A version that promises equal bytes; a weak one does not.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::ETAG)?.to_str().ok()?;
    value.starts_with('"').then(|| value.to_owned())
}

/// A status in words.
pub(crate) fn answered(status: StatusCode) -> String {
    format!("the server answered {status}")
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Failure {
    let reason = answered(status);
    let passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if !passing {
        return Failure::Lasting(reason);
    }
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = seconds.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Failure::Passing { reason, wait: wait.map(|wait| wait.min(LONGEST_WAIT)) }
}

fn read_failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(error) => classify(error),
        None => classify_io(error),
    }
}

fn classify(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Io(error) => classify_io(error),
        ureq::Error::Timeout(which) => Failure::Passing {
            reason: match which {
                ureq::Timeout::Resolve => "looking up the host took too long".to_owned(),
                ureq::Timeout::Connect => "connecting took too long".to_owned(),
                _ => "the server went silent".to_owned(),
            },
            wait: None,
        },
        ureq::Error::HostNotFound => Failure::Lasting("the host was not found".to_owned()),
        ureq::Error::Rustls(error) => {
            let text = error.to_string();
            let hint = if text.contains("CA certificates") {
                "; install the package ca-certificates"
            } else {
                ""
            };
            Failure::Lasting(format!("the secure connection failed: {text}{hint}"))
        }
        ureq::Error::Other(other) => match other.downcast_ref::<ProxyFailure>() {
            Some(ProxyFailure { proxy, source }) => {
                let named = |reason| format!("the proxy {proxy} can't be used: {reason}");
                match classify(source) {
                    Failure::Passing { reason, wait } => {
                        Failure::Passing { reason: named(reason), wait }
                    }
                    Failure::Lasting(reason) => Failure::Lasting(named(reason)),
                    other => other,
                }
            }
            None => Failure::Lasting(error.to_string()),
        },
        error => Failure::Lasting(error.to_string()),
    }
}

fn classify_io(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let reason = describe(error);
    match error.kind() {
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::UnexpectedEof
        | Kind::NotConnected
        | Kind::TimedOut
        | Kind::WouldBlock => Failure::Passing { reason, wait: None },
        _ => Failure::Lasting(reason),
    }
}

/// The system's message without its error number.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection ended early".to_owned(),
        io::ErrorKind::NotFound => NO_FILE.to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(set: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        set.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    /// A sink on the device that is always full.
    struct Full(File);

    impl Sink for Full {
        fn path(&self) -> Option<&Path> {
            Some(Path::new("/dev/full"))
        }
        fn position(&self) -> u64 {
            0
        }
        fn proven_later(&self) -> bool {
            true
        }
        fn restart(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            io::Write::write_all(&mut self.0, bytes)
        }
    }

    #[test]
    fn a_full_disk_is_our_failure_and_says_so() {
        let source = tempfile::NamedTempFile::new().unwrap();
        fs::write(source.path(), "some bytes").unwrap();
        let transfer = Transfer {
            agent: None,
            netrc: &Netrc::default(),
            label: "file",
            limits: Limits { max: 100, exact: None },
            pace: Pace { bytes: 0, period: Duration::ZERO },
            progress: &crate::Silent,
            stop: &Stop::default(),
        };
        let mut sink = Full(File::options().write(true).open("/dev/full").unwrap());
        let url = Url::from_file_path(source.path()).unwrap();
        let failure = transfer.run(&url, &mut sink, &mut None).unwrap_err();
        let Failure::Local(error) = failure else { panic!("{failure:?}") };
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
        assert!(error.to_string().contains("no space left to write /dev/full"), "{error}");
    }

    #[test]
    fn a_pace_is_kept_or_not_at_the_end_of_each_period() {
        let meter = |bytes, period| Meter::new(Pace { bytes, period });
        let ended = Duration::ZERO;
        for _ in 0..3 {
            let failure = meter(3, ended).add(2).unwrap_err();
            assert!(matches!(failure, Failure::Passing { wait: None, .. }), "{failure:?}");
        }
        let mut steady = meter(3, ended);
        steady.add(3).unwrap();
        // What came before the period counts for nothing in it.
        steady.add(2).unwrap_err();
        meter(3, Duration::MAX).add(0).unwrap();
    }

    #[test]
    fn only_some_statuses_pass() {
        for (code, passes) in [
            (404, false),
            (403, false),
            (410, false),
            (408, true),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let failure = refused(StatusCode::from_u16(code).unwrap(), &HeaderMap::new());
            assert_eq!(matches!(failure, Failure::Passing { .. }), passes, "{code}");
        }
    }

    #[test]
    fn a_server_may_ask_for_patience_but_not_for_ever() {
        for (value, wait) in [("2", Some(2)), ("999999", Some(60)), ("Wed, 21 Oct", None)] {
            let headers = headers(&[(header::RETRY_AFTER, value)]);
            let failure = refused(StatusCode::SERVICE_UNAVAILABLE, &headers);
            let Failure::Passing { wait: got, .. } = failure else { panic!("{failure:?}") };
            assert_eq!(got, wait.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn ranges_and_versions_are_read_strictly() {
        let start = |value| range_start(&headers(&[(header::CONTENT_RANGE, value)]));
        assert_eq!(start("bytes 5-9/10"), Some(5));
        assert_eq!(start("bytes */10"), None);
        assert_eq!(start("items 5-9/10"), None);
        assert_eq!(start("bytes 99999999999999999999-1/2"), None);
        let etag = |value| strong_etag(&headers(&[(header::ETAG, value)]));
        assert_eq!(etag("\"a\""), Some("\"a\"".to_owned()));
        assert_eq!(etag("W/\"a\""), None);
    }
}
