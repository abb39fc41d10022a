//! The guest kernel and its command line.

use std::path::{Path, PathBuf};

use super::regular_file_size;

/// The longest command line an x86 kernel reads, its ending NUL included.
pub const COMMAND_LINE_LIMIT: usize = 2048;

/// A kernel as a caller asks for it.
#[derive(Debug, Clone)]
pub struct KernelConfig {
    /// bzImage, or a vmlinux with a PVH note.
    pub path: PathBuf,
    /// Parameters, one an entry, in the order the kernel sees them.
    pub params: Vec<String>,
}

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub struct Kernel {
    path: PathBuf,
    command_line: String,
}

/// Why a kernel is refused.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The file can't be read.
    #[error("cannot read the kernel {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("the kernel {0} is empty")]
    Empty(PathBuf),
    /// A parameter holds a control character.
    #[error("the kernel parameter {0:?} holds a control character")]
    ControlCharacter(String),
    /// Too many parameters.
    #[error("the kernel command line has {0} bytes; the kernel reads at most 2047")]
    TooLong(usize),
}

impl KernelConfig {
    /// Checks the file and the parameters.
    ///
    /// # Errors
    /// See [`KernelError`].
    pub fn validate(self) -> Result<Kernel, KernelError> {
        match regular_file_size(&self.path) {
            Ok(0) => return Err(KernelError::Empty(self.path)),
            Ok(_) => {}
            Err(source) => return Err(KernelError::Unreadable { path: self.path, source }),
        }
        if let Some(bad) = self.params.iter().find(|param| param.chars().any(char::is_control)) {
            return Err(KernelError::ControlCharacter(bad.clone()));
        }
        let command_line = self.params.join(" ");
        if command_line.len() >= COMMAND_LINE_LIMIT {
            return Err(KernelError::TooLong(command_line.len()));
        }
        Ok(Kernel { path: self.path, command_line })
    }
}

impl Kernel {
    /// The image file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parameters, joined by blanks.
    #[must_use]
    pub fn command_line(&self) -> &str {
        &self.command_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &[&str]) -> Result<Kernel, KernelError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        std::fs::write(&path, "kernel").unwrap();
        let params = params.iter().map(ToString::to_string).collect();
        KernelConfig { path, params }.validate()
    }

    #[test]
    fn parameters_are_joined_in_order() {
        assert_eq!(
            check(&["console=ttyS0", "panic=-1"]).unwrap().command_line(),
            "console=ttyS0 panic=-1"
        );
    }

    #[test]
    fn a_newline_or_an_overlong_line_is_refused() {
        assert!(matches!(check(&["a\nb"]), Err(KernelError::ControlCharacter(_))));
        assert!(matches!(check(&[&"x".repeat(2048)]), Err(KernelError::TooLong(2048))));
        assert!(check(&[&"x".repeat(2047)]).is_ok());
    }

    #[test]
    fn a_missing_or_empty_file_or_a_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let kernel =
            |path: &Path| KernelConfig { path: path.into(), params: Vec::new() }.validate();
        assert!(matches!(kernel(&dir.path().join("none")), Err(KernelError::Unreadable { .. })));
        assert!(matches!(kernel(dir.path()), Err(KernelError::Unreadable { .. })));
        std::fs::write(dir.path().join("empty"), "").unwrap();
        assert!(matches!(kernel(&dir.path().join("empty")), Err(KernelError::Empty(_))));
    }
}
