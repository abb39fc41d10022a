//! A container with its processes, by the names that the host gives them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use guest_container::{Container, Error, Process};
use tokio::sync::Mutex as AsyncMutex;

use super::{Running, Watched};

/// Ended processes whose streams may still be read; the host is done with more. Each
/// holds a file for every stream that was not read to its end.
const MOST_SETTLED: usize = 16;

/// A further process.
#[derive(Debug)]
pub struct Exec {
    /// To signal it, until its end is told.
    process: Mutex<Option<Process>>,
    /// Its end and its streams.
    running: Running,
}

impl Exec {
    /// A process that runs.
    #[must_use]
    pub fn new(process: Process, running: Running) -> Self {
        Self { process: Mutex::new(Some(process)), running }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One container.
#[derive(Debug)]
pub struct Record {
    /// The container.
    pub container: Container,
    /// Its first process.
    pub first: Running,
    /// A second name of its first process; the other one is the container's.
    pub first_name: String,
    /// Mount points of its storages.
    pub storages: Vec<PathBuf>,
    /// Whether its root filesystem was bound into its bundle.
    pub root_is_bound: bool,
    /// Tells when it is out of memory, once it has been started.
    pub oom: OnceLock<Arc<Watched>>,
    /// Locked while it is removed; true afterwards.
    pub removed: AsyncMutex<bool>,
    execs: Mutex<Execs>,
}

#[derive(Debug, Default)]
struct Execs {
    /// Those that are being made are `None`.
    by_name: BTreeMap<String, Option<Arc<Exec>>>,
    /// Names in the order of their start.
    order: Vec<String>,
}

/// Which process of a container is meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// The first one.
    First,
    /// A further one.
    Exec(Arc<Exec>),
}

impl Record {
    /// A container whose first process is ready.
    #[must_use]
    pub fn new(container: Container, first: Running, first_name: String) -> Self {
        Self {
            container,
            first,
            first_name,
            storages: Vec::new(),
            root_is_bound: false,
            oom: OnceLock::new(),
            removed: AsyncMutex::new(false),
            execs: Mutex::default(),
        }
    }

    fn execs(&self) -> MutexGuard<'_, Execs> {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_first(&self, name: &str) -> bool {
        name.is_empty() || name == self.container.id() || name == self.first_name
    }

    /// The process of that name; the first one has none.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<Which> {
        if self.is_first(name) {
            return Some(Which::First);
        }
        self.execs().by_name.get(name).cloned().flatten().map(Which::Exec)
    }

    /// Takes a name for a process to be made; false when it is taken already. The name
    /// of one that has ended, and whose end somebody knows, is free.
    pub fn reserve(&self, name: &str) -> bool {
        if self.is_first(name) {
            return false;
        }
        let mut execs = self.execs();
        match execs.by_name.get(name) {
            Some(Some(exec)) if exec.running.is_settled() => {}
            Some(_) => return false,
            None => {}
        }
        execs.by_name.insert(name.to_owned(), None);
        execs.order.retain(|other| other != name);
        true
    }

    /// Puts the process in its place, or gives the name back.
    pub fn settle(&self, name: &str, exec: Option<Exec>) {
        let mut execs = self.execs();
        let Some(exec) = exec else {
            execs.by_name.remove(name);
            return;
        };
        execs.by_name.insert(name.to_owned(), Some(Arc::new(exec)));
        execs.order.push(name.to_owned());
        let is_done = |execs: &Execs, name: &String| {
            execs
                .by_name
                .get(name)
                .is_some_and(|exec| exec.as_ref().is_some_and(|exec| exec.running.is_settled()))
        };
        let done: Vec<String> =
            execs.order.iter().filter(|name| is_done(&execs, name)).cloned().collect();
        for old in done.iter().take(done.len().saturating_sub(MOST_SETTLED)) {
            execs.by_name.remove(old);
            execs.order.retain(|other| other != old);
        }
    }
}

impl Which {
    /// Its end and its streams.
    #[must_use]
    pub fn running<'a>(&'a self, record: &'a Record) -> &'a Running {
        match self {
            Self::First => &record.first,
            Self::Exec(exec) => &exec.running,
        }
    }

    /// Waits for its end, after which it holds no more files than can still be read.
    pub async fn wait(&self, record: &Record) -> Option<i32> {
        let running = self.running(record);
        let code = running.wait().await;
        if code.is_some() {
            running.streams.release().await;
            if let Self::Exec(exec) = self {
                exec.process().take();
            }
        }
        code
    }

    /// Sends it a signal. One that has ended takes any.
    ///
    /// # Errors
    ///
    /// When there is no such signal.
    pub fn signal(&self, record: &Record, signal: i32) -> Result<(), Error> {
        match self {
            Self::First => record.container.first().signal(signal),
            Self::Exec(exec) => match exec.process().as_ref() {
                Some(process) => process.signal(signal),
                None => Ok(()),
            },
        }
    }
}
