//! Many requests at once, and the signal that ends them all.
//!
//! Knows threads and order; it must not know how one request is served.

use std::collections::HashMap;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::StoreError;
use crate::mirrors::Halt;
use crate::request::{Blob, Request};

/// Ends transfers and cuts waits short.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    set: Mutex<bool>,
    woken: Condvar,
}

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    /// Waits, but not beyond a stop.
    pub(crate) fn wait(&self, time: Duration) {
        let guard = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.woken.wait_timeout_while(guard, time, |set| !*set);
    }
}

/// Serves all requests with `serve` on up to `parallel` threads. Equal
/// identities are served once. The first failure stops the others.
pub(crate) fn all(
    requests: &[Request],
    parallel: usize,
    serve: &(dyn Fn(&Request, &Stop) -> Result<Blob, Halt> + Sync),
) -> Result<Vec<Blob>, StoreError> {
    let mut first_of: HashMap<String, usize> = HashMap::new();
    let mut distinct: Vec<&Request> = Vec::new();
    let places: Vec<usize> = requests
        .iter()
        .map(|request| {
            *first_of.entry(request.identity()).or_insert_with(|| {
                distinct.push(request);
                distinct.len() - 1
            })
        })
        .collect();
    let results: Vec<OnceLock<Blob>> = distinct.iter().map(|_| OnceLock::new()).collect();
    let (next, stop, failed) = (AtomicUsize::new(0), Stop::default(), Mutex::new(None));
    let work = || {
        while !stop.is_set() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = distinct.get(place) else { return };
            match serve(request, &stop) {
                Ok(blob) => {
                    // Each place is taken by one thread, so it is still empty.
                    let _ = results[place].set(blob);
                }
                Err(Halt::Stopped) => return,
                Err(Halt::Error(error)) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    stop.set();
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads = parallel.clamp(1, distinct.len().max(1));
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            // A caller's check may panic; its message belongs to the caller.
            if let Err(payload) = other.join() {
                stop.set();
                panic::resume_unwind(payload);
            }
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let blob = |place: &usize| results[*place].get().cloned().expect("no failure, so all served");
    Ok(places.iter().map(blob).collect())
}
