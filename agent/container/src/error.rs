//! What can go wrong with a container. A failing step of the set-up names itself,
//! the path it worked on and the kernel's word.

use std::io;
use std::time::Duration;

use crate::spec::Invalid;

/// Why a request to a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The id is not a name.
    #[error("{0:?} can't be a container's id: letters, digits and _ + - . make one")]
    Id(String),
    /// A container of this id is there already.
    #[error("there is a container {0} already")]
    Exists(String),
    /// The spec, or a part of it, asks for what can't be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The container is in a state in which this can't be done.
    #[error("the container {id} is {state}, so {asked} is not possible")]
    State {
        /// Which container.
        id: String,
        /// Its state.
        state: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// A step within the new process failed.
    #[error("{0}")]
    Stage(String),
    /// The set-up took too long.
    #[error("the container's set-up was not done after {0:?}, while: {1}")]
    TimedOut(Duration, String),
    /// A hook failed.
    #[error("the {kind} hook {path} {trouble}")]
    Hook {
        /// Kind by its name in the spec.
        kind: &'static str,
        /// The hook's program.
        path: String,
        /// What happened, as the rest of the sentence.
        trouble: String,
    },
    /// The cgroup has no file for a limit that was asked for.
    #[error("the cgroup has no {file}, which {wanted} needs; is the controller enabled?")]
    NoController {
        /// The missing file.
        file: String,
        /// What was to be written.
        wanted: String,
    },
    /// More is in use than a new limit would allow, and the spec asks for that check.
    #[error("{what} of {limit} bytes can't be set: {usage} bytes are in use")]
    InUse {
        /// Which limit.
        what: &'static str,
        /// The new limit in bytes.
        limit: u64,
        /// Bytes in use.
        usage: u64,
    },
    /// Anything else that the operating system refused.
    #[error("{what}")]
    System {
        /// What was tried, with the path.
        what: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// Something failed, and then its clean-up failed too.
    #[error("{first}; cleaning up failed as well: {then}")]
    Twice {
        /// The failure that came first, and matters.
        #[source]
        first: Box<Error>,
        /// The clean-up's failure.
        then: Box<Error>,
    },
}

impl Error {
    /// The failure `self`, with the failure of its clean-up if there was one.
    #[must_use]
    pub fn and_then_clean_up(self, cleaned: Result<(), Error>) -> Self {
        match cleaned {
            Ok(()) => self,
            Err(then) => Self::Twice { first: Box::new(self), then: Box::new(then) },
        }
    }
}

/// Says what was tried when an operating system call failed.
pub(crate) trait During<T> {
    /// Turns the error into one that says `what`.
    fn during<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Error> {
        self.map_err(|error| Error::System { what: what().into(), source: error.into() })
    }
}

/// An error and its causes in one line: between the processes of a set-up only text
/// travels.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
