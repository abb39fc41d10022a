//! Names of hosts, looked up once and not for every request: the client asks
//! anew each time, and a resolver under a burst of equal questions loses some,
//! each of which costs the five seconds after which the C library asks again.
//!
//! It must not know about proxies, connections or retries.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer counts. A mirror that moves is found again by the retry of
/// whoever ran into it.
const LIFETIME: Duration = Duration::from_secs(60);

/// What is known of one host.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    since: Option<Instant>,
    failed: Option<Instant>,
}

/// Scheme, which implies a port, and what a URL names.
type Host = (String, Authority);

/// Asks `inner` for each host at most once at a time and once in [`LIFETIME`].
#[derive(Debug)]
pub(crate) struct Remembering<R> {
    inner: R,
    hosts: Mutex<HashMap<Host, Arc<Mutex<Known>>>>,
}

impl<R: Resolver> Remembering<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hosts: Mutex::default() }
    }

    /// The addresses that are remembered for these.
    fn remembered(&self, addresses: &[SocketAddr]) -> ResolvedSocketAddrs {
        let mut resolved = self.inner.empty();
        // They came out of an equal list, so there is room.
        addresses.iter().for_each(|address| resolved.push(*address));
        resolved
    }
}

impl<R: Resolver> Resolver for Remembering<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let Some(authority) = uri.authority() else {
            return self.inner.resolve(uri, config, timeout);
        };
        let key = (uri.scheme_str().unwrap_or_default().to_owned(), authority.clone());
        let host = Arc::clone(lock(&self.hosts).entry(key).or_default());
        let asked = Instant::now();
        let mut known = lock(&host);
        if known.since.is_some_and(|since| since.elapsed() < LIFETIME) {
            return Ok(self.remembered(&known.addresses));
        }
        // Whoever waited here for a lookup that failed must not stand in a queue
        // of lookups that each take as long.
        let failed_meanwhile = known.failed.is_some_and(|failed| failed >= asked);
        if failed_meanwhile {
            drop(known);
            return self.inner.resolve(uri, config, timeout);
        }
        match self.inner.resolve(uri, config, timeout) {
            Ok(resolved) => {
                known.addresses = resolved.to_vec();
                known.since = Some(Instant::now());
                Ok(resolved)
            }
            Err(error) => {
                known.failed = Some(Instant::now());
                Err(error)
            }
        }
    }
}

/// A panic elsewhere leaves nothing half-done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use ureq::Timeout;
    use ureq::unversioned::transport::time;

    /// Answers with a port that counts the questions, or not at all.
    #[derive(Debug, Default)]
    struct Counting {
        questions: AtomicUsize,
    }

    impl Resolver for Counting {
        fn resolve(
            &self,
            uri: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, Error> {
            let number = self.questions.fetch_add(1, Ordering::SeqCst) + 1;
            if uri.host() == Some("nowhere") {
                return Err(Error::HostNotFound);
            }
            let mut resolved = self.empty();
            resolved.push(([127, 0, 0, 1], u16::try_from(number).unwrap()).into());
            Ok(resolved)
        }
    }

    fn ask(resolver: &Remembering<Counting>, uri: &str) -> Option<u16> {
        let (after, reason) = (time::Duration::NotHappening, Timeout::Resolve);
        let timeout = NextTimeout { after, reason, per_read: None, per_write: None };
        let uri: Uri = uri.parse().unwrap();
        let answer = resolver.resolve(&uri, &Config::default(), timeout);
        answer.ok().map(|addresses| addresses[0].port())
    }

    #[test]
    fn a_host_is_looked_up_once() {
        let resolver = Remembering::new(Counting::default());
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| assert_eq!(ask(&resolver, "http://a.example/x"), Some(1)));
            }
        });
        assert_eq!(ask(&resolver, "http://a.example/y"), Some(1));
        // Another port and another scheme are other addresses.
        assert_eq!(ask(&resolver, "http://a.example:81/"), Some(2));
        assert_eq!(ask(&resolver, "https://a.example/"), Some(3));
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let resolver = Remembering::new(Counting::default());
        assert_eq!(ask(&resolver, "http://nowhere/"), None);
        assert_eq!(ask(&resolver, "http://nowhere/"), None);
        assert_eq!(resolver.inner.questions.load(Ordering::SeqCst), 2);
    }
}
