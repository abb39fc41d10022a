//! The vsock daemon in user space, for hosts without /dev/vhost-vsock.
//!
//! It must listen before QEMU starts, because QEMU connects to it once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::HypervisorError;
use crate::process::{ChildProcess, ProcessSpec};
use crate::qemu::stderr::StderrTail;

/// How often the daemon's socket is looked for.
const POLL: Duration = Duration::from_millis(5);

/// A running daemon that serves one guest.
#[derive(Debug)]
pub struct VsockDaemon {
    pub(super) process: ChildProcess,
    stderr: StderrTail,
}

/// Bytes that the guest may have on their way to the host. A guest's kernel puts a packet
/// of some 32 KiB or more into several descriptors, and the daemon (0.3.0) reads one only:
/// it drops the packet without a word, and the connection stands still for ever. Packets
/// are never larger than this.
const MOST_CREDIT: u32 = 28 << 10;

/// The daemon's arguments.
#[must_use]
pub fn arguments(guest_cid: u32, uds: &Path, vhost: &Path) -> Vec<OsString> {
    let mut value = OsString::from(format!("guest-cid={guest_cid},uds-path="));
    value.push(uds);
    value.push(",socket=");
    value.push(vhost);
    value.push(format!(",tx-buffer-size={MOST_CREDIT}"));
    vec!["--vm".into(), value]
}

impl VsockDaemon {
    /// Starts the daemon and returns once both of its sockets are there.
    ///
    /// # Errors
    /// It can't be started, leaves early, or makes no socket in time.
    pub async fn start(
        program: PathBuf,
        guest_cid: u32,
        uds: &Path,
        vhost: &Path,
        patience: Duration,
    ) -> Result<Self, HypervisorError> {
        let spec = ProcessSpec {
            program,
            args: arguments(guest_cid, uds, vhost),
            // It warns about every connection made before the guest is up,
            // which is how readiness is found out.
            env: vec![("RUST_LOG", "error")],
        };
        let name = String::from("vhost-device-vsock");
        let (process, outputs) = ChildProcess::spawn(&spec)?;
        drop(outputs.stdout);
        let stderr = tokio::process::ChildStderr::from_std(outputs.stderr)
            .map_err(|source| HypervisorError::Prepare { path: spec.program.clone(), source })?;
        let mut daemon = Self { process, stderr: StderrTail::collect(stderr) };
        let deadline = Instant::now() + patience;
        while !(uds.exists() && vhost.exists()) {
            if let Some(exit) = daemon.process.exit() {
                let stderr = daemon.stderr.finished().await;
                return Err(HypervisorError::Exited { program: name, exit, stderr });
            }
            if Instant::now() > deadline {
                let (seconds, stderr) = (patience.as_secs(), daemon.stderr.lines());
                return Err(HypervisorError::NotReady { program: name, seconds, stderr });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(daemon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("daemon");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_sockets_are_one_argument() {
        assert_eq!(
            arguments(7, Path::new("/r/vm.vsock"), Path::new("/r/vhost")),
            ["--vm", "guest-cid=7,uds-path=/r/vm.vsock,socket=/r/vhost,tx-buffer-size=28672"]
        );
    }

    #[tokio::test]
    async fn a_daemon_that_leaves_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), "echo 'no such option' >&2; exit 2");
        let error = VsockDaemon::start(
            program,
            3,
            &dir.path().join("vm"),
            &dir.path().join("vhost"),
            Duration::from_secs(20),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "vhost-device-vsock ended during start (exit code 2): no such option"
        );
    }

    #[tokio::test]
    async fn a_daemon_without_sockets_is_given_up_and_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let program =
            script(dir.path(), &format!("echo $$ > {}; exec sleep 1000", pid_file.display()));
        // The deadline leaves the shell time to write its id, but the
        // assertion holds either way: no id, no process.
        let error = VsockDaemon::start(
            program,
            3,
            &dir.path().join("vm"),
            &dir.path().join("vhost"),
            Duration::from_millis(500),
        )
        .await
        .unwrap_err();
        assert!(matches!(error, HypervisorError::NotReady { .. }), "{error}");
        if let Ok(pid) = std::fs::read_to_string(pid_file) {
            assert!(!Path::new("/proc").join(pid.trim()).exists());
        }
    }
}
