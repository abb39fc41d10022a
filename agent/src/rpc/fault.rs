//! What can go wrong with a request, and the one place where that becomes a ttRPC
//! status.

use std::io;

use kata_agent_api::spec::SpecError;
use ttrpc::Code;

use crate::container::NoDevice;
use crate::device::DeviceError;
use crate::network::NetworkError;
use crate::network::tables::TablesError;
use crate::policy::PolicyError;
use crate::process::StreamError;
use crate::resources::ResourceError;
use crate::storage::StorageError;

/// A request that was not carried out, and whose doing that is.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What the request names is not there.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// It has been done already.
    #[error("{0}")]
    AlreadyExists(String),
    /// Not in this state of the guest.
    #[error("{0}")]
    FailedPrecondition(String),
    /// The guest's owner does not allow it.
    #[error("{0}")]
    PermissionDenied(String),
    /// Nobody does this here.
    #[error("{0}")]
    Unimplemented(String),
    /// Nothing more is to come.
    #[error("{0}")]
    OutOfRange(String),
    /// It was not done in time.
    #[error("{0}")]
    DeadlineExceeded(String),
    /// It did not work, as the text says.
    #[error("{0}")]
    Failed(String),
    /// The guest failed.
    #[error("{what}: {source}")]
    Internal {
        /// What could not be done.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl Fault {
    /// An operating system call that failed while doing `what`.
    pub fn internal(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Internal { what, source }
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Driver { .. } | StorageError::Type { .. } => {
                Self::Unimplemented(error.to_string())
            }
            StorageError::MountPoint(_)
            | StorageError::Source { .. }
            | StorageError::Option { .. } => Self::InvalidArgument(error.to_string()),
            StorageError::Device(error) => error.into(),
            StorageError::Refused { target, source } => {
                Self::Internal { what: format!("can't prepare the storage on {target}"), source }
            }
        }
    }
}

impl From<guest_container::Error> for Fault {
    fn from(error: guest_container::Error) -> Self {
        use guest_container::Error;
        let text = chain(&error);
        match error {
            Error::Id(_) | Error::Invalid(_) => Self::InvalidArgument(text),
            Error::Exists(_) => Self::AlreadyExists(text),
            Error::State { .. } | Error::NoController { .. } => Self::FailedPrecondition(text),
            _ => Self::Failed(text),
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl From<StreamError> for Fault {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Ended => Self::OutOfRange(error.to_string()),
            StreamError::Absent(_) => Self::FailedPrecondition(error.to_string()),
            StreamError::Io(source) => {
                Self::Internal { what: "can't use the stream".to_owned(), source }
            }
        }
    }
}

impl From<SpecError> for Fault {
    fn from(error: SpecError) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

impl From<NoDevice> for Fault {
    fn from(error: NoDevice) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

impl From<PolicyError> for Fault {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Denied(_) => Self::PermissionDenied(error.to_string()),
            PolicyError::Unusable { .. } => Self::InvalidArgument(error.to_string()),
            PolicyError::Absent => Self::Unimplemented(error.to_string()),
        }
    }
}

impl From<NetworkError> for Fault {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Field { .. } => Self::InvalidArgument(error.to_string()),
            NetworkError::NoLink { .. } => Self::NotFound(error.to_string()),
            NetworkError::Kernel { what, source, said } if said.is_empty() => {
                Self::Internal { what, source }
            }
            NetworkError::Kernel { what, source, said } => {
                Self::Internal { what: format!("{what} ({said})"), source }
            }
        }
    }
}

impl From<TablesError> for Fault {
    fn from(error: TablesError) -> Self {
        match error {
            TablesError::NoProgram { .. } | TablesError::Failed { .. } | TablesError::TooLong => {
                Self::FailedPrecondition(error.to_string())
            }
            TablesError::Rules { .. } => Self::InvalidArgument(error.to_string()),
            TablesError::Run { program, source } => {
                Self::Internal { what: format!("can't run {program}"), source }
            }
        }
    }
}

impl From<DeviceError> for Fault {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Missing { .. } => Self::NotFound(error.to_string()),
            DeviceError::Invalid(_) => Self::InvalidArgument(error.to_string()),
            DeviceError::Ambiguous { .. } => Self::FailedPrecondition(error.to_string()),
            DeviceError::Refused { what, source } => Self::Internal { what, source },
        }
    }
}

impl From<ResourceError> for Fault {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Processors { .. } => Self::FailedPrecondition(error.to_string()),
            ResourceError::Refused { what, source } => Self::Internal { what, source },
        }
    }
}

impl From<Fault> for ttrpc::Error {
    fn from(fault: Fault) -> Self {
        let code = match fault {
            Fault::NotFound(_) => Code::NOT_FOUND,
            Fault::InvalidArgument(_) => Code::INVALID_ARGUMENT,
            Fault::AlreadyExists(_) => Code::ALREADY_EXISTS,
            Fault::FailedPrecondition(_) => Code::FAILED_PRECONDITION,
            Fault::PermissionDenied(_) => Code::PERMISSION_DENIED,
            Fault::Unimplemented(_) => Code::UNIMPLEMENTED,
            Fault::OutOfRange(_) => Code::OUT_OF_RANGE,
            Fault::DeadlineExceeded(_) => Code::DEADLINE_EXCEEDED,
            Fault::Failed(_) | Fault::Internal { .. } => Code::INTERNAL,
        };
        Self::RpcStatus(ttrpc::get_status(code, fault.to_string()))
    }
}
