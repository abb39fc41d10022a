//! The serial port the guest's kernel and agent write to, kept on the host.

use std::path::{Path, PathBuf};

/// A serial console as a caller asks for it.
#[derive(Debug, Clone)]
pub struct SerialConsoleConfig {
    /// The file that receives what the guest writes; made anew. Its folder
    /// must exist.
    pub log: PathBuf,
}

/// A serial console with a place to write to.
#[derive(Debug, Clone)]
pub struct SerialConsole {
    log: PathBuf,
}

/// Why a serial console is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialConsoleError {
    /// The folder is not there.
    #[error("the console log {0} is to be written into a folder that does not exist")]
    NoFolder(PathBuf),
}

impl SerialConsoleConfig {
    /// Checks that the log's folder exists.
    ///
    /// # Errors
    /// See [`SerialConsoleError`].
    pub fn validate(self) -> Result<SerialConsole, SerialConsoleError> {
        let folder = match self.log.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(SerialConsoleError::NoFolder(self.log)),
        };
        if folder.is_dir() {
            Ok(SerialConsole { log: self.log })
        } else {
            Err(SerialConsoleError::NoFolder(self.log))
        }
    }
}

impl SerialConsole {
    /// The file that receives what the guest writes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        let check = |log: PathBuf| SerialConsoleConfig { log }.validate();
        assert!(check(dir.path().join("console.log")).is_ok());
        assert!(check("console.log".into()).is_ok());
        assert!(matches!(
            check(dir.path().join("no/console.log")),
            Err(SerialConsoleError::NoFolder(_))
        ));
    }
}
