//! Why each step of a build runs or does not, said as it is decided (`-v`).
//! What an artifact was last built from is kept in the store, by the artifact's
//! path. Losing it costs an explanation, never a wrong build: steps are decided
//! by digests alone.

use crate::inputs::Inputs;
use artifact_store::Store;
use std::path::Path;
use std::time::Instant;
use tracing::debug;

/// The words for one build.
pub(crate) struct Reasons<'a> {
    store: &'a Store,
    key: String,
    clock: Instant,
}

impl<'a> Reasons<'a> {
    /// For a build of `artifact`.
    pub(crate) fn new(store: &'a Store, artifact: &Path) -> Self {
        let path = std::path::absolute(artifact).unwrap_or_else(|_| artifact.to_owned());
        let key = format!("inputs of {}", path.display());
        Self { store, key, clock: Instant::now() }
    }

    /// A step, and why it ran or did not.
    pub(crate) fn say(&self, step: &str, why: &str) {
        debug!("{:6.3} s  {step}: {why}", self.clock.elapsed().as_secs_f64());
    }

    /// Why an artifact has to be built, from what is known of the last one.
    pub(crate) fn why_build(&self, now: &Inputs, there: bool, forced: bool) -> String {
        let last = self.store.derived(&self.key).ok().flatten();
        let last: Option<Inputs> = last.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match last {
            _ if forced => "runs, as --update asks for".to_owned(),
            _ if !there => "runs, nothing of that name is there".to_owned(),
            None => "runs, what is there was built from something else".to_owned(),
            Some(last) => match now.changed_since(&last).as_slice() {
                [] => "runs, the files of the last build were altered or incomplete".to_owned(),
                changed => format!("runs, since the last build changed: {}", changed.join(", ")),
            },
        }
    }

    /// Remembers what was built.
    pub(crate) fn remember(&self, inputs: &Inputs) {
        let bytes = serde_json::to_vec(inputs).expect("names and digests are plain data");
        if let Err(error) = self.store.put_derived(&self.key, &bytes) {
            debug!("the next build can't say what changed: {error}");
        }
    }
}
