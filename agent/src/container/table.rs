//! All containers of the guest, by id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Record;

/// Those that are being made are `None`.
type Map = BTreeMap<String, Option<Arc<Record>>>;

/// The containers.
#[derive(Debug, Default)]
pub struct Containers {
    map: Mutex<Map>,
}

/// An id that is taken until its container is there, or the making has failed.
#[derive(Debug)]
pub struct Place<'a> {
    containers: &'a Containers,
    id: &'a str,
    filled: bool,
}

impl Containers {
    fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an id; `None` when it is taken already.
    pub fn reserve<'a>(&'a self, id: &'a str) -> Option<Place<'a>> {
        let mut map = self.lock();
        if map.contains_key(id) {
            return None;
        }
        map.insert(id.to_owned(), None);
        Some(Place { containers: self, id, filled: false })
    }

    /// The container of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Record>> {
        self.lock().get(id).cloned().flatten()
    }

    /// All containers, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Record>> {
        self.lock().values().flatten().cloned().collect()
    }

    /// Forgets a container.
    pub fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}

impl Place<'_> {
    /// Puts the container in its place.
    pub fn fill(mut self, record: Arc<Record>) {
        self.filled = true;
        self.containers.lock().insert(self.id.to_owned(), Some(record));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.containers.lock().remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_and_free_after_a_failure() {
        let containers = Containers::default();
        let place = containers.reserve("a").unwrap();
        assert!(containers.reserve("a").is_none());
        assert!(containers.get("a").is_none() && containers.all().is_empty());
        drop(place);
        assert!(containers.reserve("a").is_some());
    }
}
