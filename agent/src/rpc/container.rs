//! What the verbs of containers share: finding who is meant, and working to the end.

use std::io;
use std::sync::Arc;

use super::Fault;
use crate::container::{Record, Which};
use crate::server::Agent;

/// The container of that id.
pub(super) fn find(agent: &Agent, id: &str) -> Result<Arc<Record>, Fault> {
    let found = agent.containers.get(id);
    found.ok_or_else(|| Fault::NotFound(format!("there is no container {id:?}")))
}

/// A process of it by its name.
pub(super) fn process(record: &Record, name: &str) -> Result<Which, Fault> {
    record.process(name).ok_or_else(|| {
        let id = record.container.id();
        Fault::NotFound(format!("the container {id:?} has no process {name:?}"))
    })
}

/// Runs `work` to its end, even when its caller has gone: what is half made would be
/// nobody's.
pub(super) async fn to_the_end<T: Send + 'static>(
    what: &str,
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::spawn(work).await;
    done.map_err(|error| Fault::internal(format!("can't {what}"))(io::Error::other(error)))?
}
