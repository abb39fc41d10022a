//! What can be wrong with an agent.

use std::fmt::Debug;

use ttrpc::Code;

/// Why a case failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A call failed that should not have.
    #[error("{method} failed: {reason}")]
    Call {
        /// Name of the RPC.
        method: &'static str,
        /// What the agent says.
        reason: String,
    },
    /// The agent can't be reached.
    #[error("can't connect to the agent: {0}")]
    Connect(String),
    /// A file of the host can't be read.
    #[error("can't read {0}")]
    File(String, #[source] std::io::Error),
    /// Something is not as it should be.
    #[error("{0}")]
    Wrong(String),
}

/// Names the call in a failure.
pub(crate) fn call(method: &'static str) -> impl FnOnce(ttrpc::Error) -> Trouble {
    move |error| Trouble::Call { method, reason: error.to_string() }
}

/// Compares.
pub(crate) fn equal<T: PartialEq + Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), Trouble> {
    if found == expected {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("{what}: {found:?}, expected {expected:?}")))
}

/// Says what should hold, when it does not.
pub(crate) fn holds(condition: bool, what: impl Into<String>) -> Result<(), Trouble> {
    if condition { Ok(()) } else { Err(Trouble::Wrong(what.into())) }
}

/// A text has to contain another one.
pub(crate) fn contains(what: &str, found: &str, expected: &str) -> Result<(), Trouble> {
    let text = || format!("{what}: {found:?} does not contain {expected:?}");
    if found.contains(expected) { Ok(()) } else { Err(Trouble::Wrong(text())) }
}

/// A call has to be refused, with this code and a reason that contains `why`.
pub(crate) fn refused<T: Debug>(
    what: &str,
    answer: ttrpc::Result<T>,
    code: Code,
    why: &str,
) -> Result<(), Trouble> {
    match answer {
        Ok(answer) => Err(Trouble::Wrong(format!("{what} was not refused: {answer:?}"))),
        Err(ttrpc::Error::RpcStatus(status)) => {
            equal(&format!("{what}: {}", status.message), &status.code(), &code)?;
            contains(what, &status.message, why)
        }
        Err(other) => Err(Trouble::Wrong(format!("{what}: {other}"))),
    }
}
