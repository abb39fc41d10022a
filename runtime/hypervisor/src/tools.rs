//! Finding the programs a machine needs on the host.
//!
//! Order: the path the user gave, the tools folder the project installs into,
//! PATH. It knows which package or command brings a program, so that a
//! missing one is an error the reader can act on; it installs nothing.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A host program the drivers start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// qemu-system-x86_64.
    QemuX86,
    /// The vsock back end in user space, for hosts without vhost-vsock.
    VhostDeviceVsock,
}

impl Tool {
    /// The program's file name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::QemuX86 => "qemu-system-x86_64",
            Self::VhostDeviceVsock => "vhost-device-vsock",
        }
    }

    /// How to get it, as a command to type.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::QemuX86 => "apt-get install qemu-system-x86",
            Self::VhostDeviceVsock => "cargo install vhost-device-vsock (or: cargo xtask setup)",
        }
    }
}

/// Why a program can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// Found nowhere.
    #[error("{program} is not installed; install it with: {remedy}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The command that installs it.
        remedy: &'static str,
    },
    /// The path the user gave is not an executable file.
    #[error("{path} was given for {program}, but is not an executable file")]
    NotExecutable {
        /// The program.
        program: &'static str,
        /// What was given.
        path: PathBuf,
    },
}

/// Where to look for programs.
#[derive(Debug, Clone, Default)]
pub struct ToolPaths {
    /// Exactly this QEMU.
    pub qemu: Option<PathBuf>,
    /// Exactly this vsock daemon.
    pub vhost_device_vsock: Option<PathBuf>,
    /// A folder searched before PATH, such as `target/tools/bin`.
    pub tools_dir: Option<PathBuf>,
}

impl ToolPaths {
    /// Finds `tool`.
    ///
    /// # Errors
    /// It is nowhere, or the path given for it is not executable.
    pub fn locate(&self, tool: Tool) -> Result<PathBuf, ToolError> {
        self.locate_in(tool, env::var_os("PATH").as_deref())
    }

    fn locate_in(&self, tool: Tool, path: Option<&OsStr>) -> Result<PathBuf, ToolError> {
        let given = match tool {
            Tool::QemuX86 => &self.qemu,
            Tool::VhostDeviceVsock => &self.vhost_device_vsock,
        };
        if let Some(given) = given {
            return if is_executable(given) {
                Ok(given.clone())
            } else {
                Err(ToolError::NotExecutable { program: tool.program(), path: given.clone() })
            };
        }
        let on_path =
            path.map(|path| env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
        self.tools_dir
            .iter()
            .cloned()
            .chain(on_path)
            .map(|dir| dir.join(tool.program()))
            .find(|candidate| is_executable(candidate))
            .ok_or(ToolError::Missing { program: tool.program(), remedy: tool.remedy() })
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn program(dir: &Path, name: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(dir).unwrap();
        let path = dir.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_given_path_wins_then_the_tools_folder_then_path() {
        let dir = tempfile::tempdir().unwrap();
        let on_path = program(&dir.path().join("bin"), "qemu-system-x86_64", 0o755);
        let path = Some(dir.path().join("bin").into_os_string());
        let mut paths =
            ToolPaths { tools_dir: Some(dir.path().join("tools")), ..ToolPaths::default() };
        assert_eq!(paths.locate_in(Tool::QemuX86, path.as_deref()).unwrap(), on_path);
        let tools = program(&dir.path().join("tools"), "qemu-system-x86_64", 0o755);
        assert_eq!(paths.locate_in(Tool::QemuX86, path.as_deref()).unwrap(), tools);
        let given = program(dir.path(), "my-qemu", 0o755);
        paths.qemu = Some(given.clone());
        assert_eq!(paths.locate_in(Tool::QemuX86, path.as_deref()).unwrap(), given);
    }

    #[test]
    fn a_missing_tool_names_the_command_that_installs_it() {
        let error = ToolPaths::default().locate_in(Tool::VhostDeviceVsock, None).unwrap_err();
        assert!(error.to_string().contains("cargo install vhost-device-vsock"), "{error}");
        let error = ToolPaths::default().locate_in(Tool::QemuX86, None).unwrap_err();
        assert!(error.to_string().contains("apt-get install qemu-system-x86"), "{error}");
    }

    #[test]
    fn a_given_path_that_is_no_program_is_not_silently_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let plain = program(dir.path(), "qemu", 0o644);
        let paths = ToolPaths { qemu: Some(plain.clone()), ..ToolPaths::default() };
        assert_eq!(
            paths.locate(Tool::QemuX86),
            Err(ToolError::NotExecutable { program: "qemu-system-x86_64", path: plain })
        );
    }
}
