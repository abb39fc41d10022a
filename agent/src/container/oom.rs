//! Containers in which the kernel has killed a process for want of memory, until
//! somebody asks for them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use guest_container::OomWatch;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// What nobody asks for is forgotten, the oldest first.
const MOST: usize = 1024;

/// The events that wait.
#[derive(Debug, Default)]
pub struct OomEvents {
    waiting: Mutex<VecDeque<String>>,
    came: Notify,
}

impl OomEvents {
    /// Adds one, of the container `id`.
    pub fn add(&self, id: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(id.to_owned());
        drop(waiting);
        self.came.notify_one();
    }

    /// The oldest, waited for. Each is given once.
    pub async fn next(&self) -> String {
        loop {
            let came = self.came.notified();
            let oldest = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(id) = oldest {
                // There may be more, and others who wait.
                self.came.notify_one();
                return id;
            }
            came.await;
        }
    }
}

/// A container that is watched.
#[derive(Debug)]
pub struct Watched {
    events: Arc<OomEvents>,
    id: String,
    watch: Mutex<OomWatch>,
}

impl Watched {
    /// Watches a container until none of its processes is left. Must be called within a
    /// runtime.
    ///
    /// # Errors
    ///
    /// When its events can't be waited for.
    pub fn start(events: &Arc<OomEvents>, id: &str, watch: OomWatch) -> io::Result<Arc<Self>> {
        let copy: OwnedFd = watch.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor stays open and the same for as long as it is registered:
        // nothing takes it out of the `AsyncFd`, which closes it when it goes.
        let news = unsafe { AsyncFd::register(copy) }.map_err(io::Error::from)?;
        let (events, id) = (Arc::clone(events), id.to_owned());
        let watched = Arc::new(Self { events, id, watch: Mutex::new(watch) });
        let this = Arc::clone(&watched);
        tokio::spawn(async move {
            while let Ok(mut ready) = news.readable().await {
                // Before the look: what comes after it makes it ready again.
                ready.clear_ready();
                if this.look() {
                    return;
                }
            }
        });
        Ok(watched)
    }

    /// Tells what is new; returns whether nothing more can come. To be called a last time
    /// before the container goes, since what happened is forgotten with it.
    pub fn look(&self) -> bool {
        match self.watch.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            Ok(news) => {
                if news.kills > 0 {
                    log::warn!(id = self.id, killed = news.kills; "out of memory");
                    self.events.add(&self.id);
                }
                news.ended
            }
            Err(error) => {
                log::warn!(id = self.id; "can't see whether it is out of memory: {error}");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_event_is_told_once_and_in_order() {
        let events = OomEvents::default();
        let (first, second, ()) = tokio::join!(events.next(), events.next(), async {
            tokio::task::yield_now().await;
            events.add("a");
            events.add("b");
        });
        assert_eq!([first, second], ["a", "b"]);
        for number in 0..=MOST {
            events.add(&number.to_string());
        }
        assert_eq!(events.next().await, "1", "the oldest is forgotten");
    }
}
