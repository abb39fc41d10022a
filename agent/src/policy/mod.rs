//! What the guest's owner lets its host do: every request is judged before it runs.
//! With the feature `policy` a Rego policy does that; without it everything is
//! allowed, and nothing of this costs a byte. It must not know what a request does.

#[cfg(feature = "policy")]
mod input;
#[cfg(feature = "policy")]
mod rego;

use std::path::Path;

/// Where a guest image has its policy.
pub const DEFAULT_FILE: &str = "/etc/kata-opa/default-policy.rego";

/// Why a request is not carried out, or a policy not taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The policy does not allow it.
    #[error("{0} is blocked by policy")]
    Denied(String),
    /// The policy is no policy.
    #[error("the policy {file} can't be used: {reason}")]
    Unusable {
        /// Where it came from.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This agent has no policies.
    #[error("this agent was built without policies (the feature policy)")]
    Absent,
}

/// A request that a policy can look at.
#[cfg(feature = "policy")]
pub trait Judged: protobuf::MessageFull {}
#[cfg(feature = "policy")]
impl<M: protobuf::MessageFull> Judged for M {}

/// A request; nobody looks at it.
#[cfg(not(feature = "policy"))]
pub trait Judged {}
#[cfg(not(feature = "policy"))]
impl<M> Judged for M {}

/// The policy in force.
#[derive(Debug, Default)]
pub struct Policy {
    #[cfg(feature = "policy")]
    judge: Option<std::sync::Mutex<rego::Judge>>,
}

impl Policy {
    /// The policy in `file`; one that allows everything where there is no such file
    /// and `file` is the usual place.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Unusable`].
    #[cfg(feature = "policy")]
    pub fn load(file: &Path) -> Result<Self, PolicyError> {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let judge = rego::Judge::new(&file.display().to_string(), text)?;
                log::info!("requests are judged by {}", file.display());
                Ok(Self { judge: Some(std::sync::Mutex::new(judge)) })
            }
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && file == Path::new(DEFAULT_FILE) =>
            {
                let text = rego::ALLOW_ALL.to_owned();
                let judge = rego::Judge::new("allow-all", text)?;
                Ok(Self { judge: Some(std::sync::Mutex::new(judge)) })
            }
            Err(error) => Err(PolicyError::Unusable {
                file: file.display().to_string(),
                reason: error.to_string(),
            }),
        }
    }

    /// Everything is allowed.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(feature = "policy"))]
    pub fn load(_: &Path) -> Result<Self, PolicyError> {
        Ok(Self::default())
    }

    /// Judges a request by the name of its type.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Denied`].
    #[cfg(feature = "policy")]
    pub fn check(&self, name: &str, request: &impl Judged) -> Result<(), PolicyError> {
        let Some(judge) = &self.judge else { return Ok(()) };
        let mut judge = judge.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        judge.check(name, input::of(request))
    }

    /// Everything is allowed.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(feature = "policy"))]
    pub fn check(&self, _: &str, _: &impl Judged) -> Result<(), PolicyError> {
        Ok(())
    }

    /// Puts another policy in the place of this one, from now on.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Unusable`]; then the old one stays.
    #[cfg(feature = "policy")]
    pub fn replace(&self, text: &str) -> Result<(), PolicyError> {
        let new = rego::Judge::new("of SetPolicy", text.to_owned())?;
        let judge = self.judge.as_ref().ok_or(PolicyError::Absent)?;
        *judge.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = new;
        log::info!("another policy is in force");
        Ok(())
    }

    /// There is nothing to replace.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Absent`].
    #[cfg(not(feature = "policy"))]
    pub fn replace(&self, _: &str) -> Result<(), PolicyError> {
        Err(PolicyError::Absent)
    }
}
