//! Gives memory of idle containers back, and makes free memory whole again, while the
//! guest has nothing better to do. Off unless the configuration says otherwise; off,
//! it is one word of memory and no task.

mod compact;
mod memcg;
mod pressure;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

pub use settings::{Compact, Memcg, Settings};

use crate::os::Os;

/// What can be asked of the memory agent while it runs.
#[derive(Debug, Default)]
pub struct MemAgent {
    /// None where it is off.
    settings: Option<watch::Sender<Settings>>,
}

impl MemAgent {
    /// Starts working in the background as `settings` say, or not at all. Must be
    /// called within a runtime.
    #[must_use]
    pub fn start(os: Arc<dyn Os>, settings: Settings) -> Self {
        if !settings.enable {
            return Self::default();
        }
        let places = Places::default();
        // Kernels that have such figures may want psi=1 on their command line.
        if pressure::read(os.as_ref(), &places.proc.join("pressure/memory")).is_none() {
            log::warn!("the kernel shows no pressure, so the memory agent does nothing; psi=1?");
        }
        let (sender, receiver) = watch::channel(settings);
        tokio::spawn(Worker::new(os, places).work(receiver));
        Self { settings: Some(sender) }
    }

    /// Changes the settings of which there is a value: all of them, or none. False
    /// where the memory agent is off.
    ///
    /// # Errors
    ///
    /// One clause on the first value that makes no sense.
    pub fn change(&self, values: &[(&str, Option<String>)]) -> Result<bool, String> {
        let Some(settings) = &self.settings else { return Ok(false) };
        let mut outcome = Ok(true);
        settings.send_if_modified(|settings| {
            let mut changed = *settings;
            for (name, value) in values {
                let set = value.as_ref().and_then(|value| changed.set(name, value));
                if let Some(Err(problem)) = set {
                    outcome = Err(format!("{name}: {problem}"));
                    return false;
                }
            }
            *settings = changed;
            true
        });
        outcome
    }
}

/// Where the kernel's files are. Differs in tests.
#[derive(Debug, Clone)]
struct Places {
    cgroup: PathBuf,
    proc: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { cgroup: Path::new("/sys/fs/cgroup").into(), proc: Path::new("/proc").into() }
    }
}

/// The two jobs, and what they remember from one period to the next.
struct Worker {
    os: Arc<dyn Os>,
    memcg: memcg::Reclaimer,
    compact: compact::Compactor,
}

impl Worker {
    fn new(os: Arc<dyn Os>, places: Places) -> Self {
        Self {
            os,
            memcg: memcg::Reclaimer::new(places.clone()),
            compact: compact::Compactor::new(places),
        }
    }

    async fn work(mut self, mut settings: watch::Receiver<Settings>) {
        let start = Instant::now();
        let (mut last_memcg, mut last_compact) = (start, start);
        loop {
            let now = *settings.borrow_and_update();
            let memcg = next(last_memcg, now.memcg.disabled, now.memcg.period);
            let compact = next(last_compact, now.compact.disabled, now.compact.period);
            let due = [memcg, compact].into_iter().flatten().min();
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                changed = settings.changed() => match changed {
                    Ok(()) => continue,
                    // Nobody holds the agent any more.
                    Err(_) => return,
                },
            }
            let is_due = |job: Option<Instant>| job.is_some() && job <= due;
            let (do_memcg, do_compact) = (is_due(memcg), is_due(compact));
            // Reclaiming may take long, and nobody waits for it.
            let done = tokio::task::spawn_blocking(move || {
                let os = Arc::clone(&self.os);
                if do_memcg {
                    self.memcg.run(os.as_ref(), &now.memcg);
                }
                if do_compact {
                    self.compact.run(os.as_ref(), &now.compact);
                }
                self
            });
            let Ok(this) = done.await else { return };
            self = this;
            let end = Instant::now();
            if do_memcg {
                last_memcg = end;
            }
            if do_compact {
                last_compact = end;
            }
        }
    }
}

fn next(last: Instant, disabled: bool, period: Duration) -> Option<Instant> {
    if disabled { None } else { last.checked_add(period) }
}

#[cfg(test)]
mod tests;
