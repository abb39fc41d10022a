//! The guest as the cases see it: its agent, and a root filesystem of busybox in it.

use std::path::Path;
use std::time::Duration;

use kata_agent_api::agent::CopyFileRequest;
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::connect::connect_to;
use kata_agent_api::paths;
use ttrpc::asynchronous::Client;
use ttrpc::context::{Context, with_duration};

use crate::Setting;
use crate::trouble::{Trouble, call};

/// For one call. Emulated processors take their time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a file in one call.
const CHUNK: usize = 1 << 20;

const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Programs of busybox that the cases call.
const APPLETS: [&str; 48] = [
    "[", "awk", "base64", "cat", "chmod", "chown", "cut", "dd", "df", "dmesg", "echo", "env",
    "false", "find", "grep", "head", "hostname", "id", "ip", "kill", "ln", "ls", "md5sum", "mkdir",
    "mknod", "mount", "nproc", "ps", "pwd", "readlink", "rm", "seq", "setsid", "sh", "sleep",
    "sort", "stat", "stty", "sync", "tail", "tee", "test", "touch", "tr", "true", "tty", "wc",
    "yes",
];

/// Where busybox's root filesystem is in the guest.
pub(crate) const BUSYBOX: &str = "/run/kata-containers/shared/containers/suite-busybox/rootfs";

/// A guest with a sandbox.
pub(crate) struct Guest {
    /// The agent.
    pub rpc: AgentServiceClient,
    /// As given.
    pub setting: Setting,
}

impl Guest {
    /// Connects.
    pub async fn connect(setting: &Setting) -> Result<Self, Trouble> {
        let rpc = AgentServiceClient::new(client(setting).await?);
        Ok(Self { rpc, setting: setting.clone() })
    }

    /// Copies busybox into the guest.
    pub async fn furnish(&self) -> Result<(), Trouble> {
        let busybox = &self.setting.busybox;
        let program = std::fs::read(busybox)
            .map_err(|error| Trouble::File(busybox.display().to_string(), error))?;
        // The containers have no loader.
        let loader = |name: &[u8]| program.windows(name.len()).any(|window| window == name);
        if loader(b"/ld-linux") || loader(b"/ld-musl") {
            let path = busybox.display();
            return Err(Trouble::Wrong(format!(
                "{path} is linked dynamically; a static one is in the package busybox-static"
            )));
        }
        let root = Path::new(BUSYBOX);
        for folder in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var"] {
            let mode = if folder == "tmp" { 0o1777 } else { 0o755 };
            self.copy(&root.join(folder), FOLDER | mode, b"").await?;
        }
        self.copy(&root.join("bin/busybox"), FILE | 0o755, &program).await?;
        for applet in APPLETS {
            self.copy(&root.join("bin").join(applet), LINK, b"busybox").await?;
        }
        let users = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/sh\n";
        self.copy(&root.join("etc/passwd"), FILE | 0o644, users.as_bytes()).await?;
        let groups = "root:x:0:\nwww:x:34:\naudio:x:29:web\n";
        self.copy(&root.join("etc/group"), FILE | 0o644, groups.as_bytes()).await?;
        Ok(())
    }

    /// A connection of its own.
    pub async fn another(&self) -> Result<AgentServiceClient, Trouble> {
        Ok(AgentServiceClient::new(client(&self.setting).await?))
    }

    /// The deadline of one call.
    pub fn soon(&self) -> Context {
        with_duration(PATIENCE)
    }

    /// Writes a file of the guest's shared folder.
    pub async fn write(&self, path: &Path, mode: u32, content: &[u8]) -> Result<(), Trouble> {
        self.copy(path, FILE | mode, content).await
    }

    /// Makes a symbolic link of the guest's shared folder.
    pub async fn link(&self, path: &Path, target: &str) -> Result<(), Trouble> {
        self.copy(path, LINK, target.as_bytes()).await
    }

    async fn copy(&self, path: &Path, mode: u32, content: &[u8]) -> Result<(), Trouble> {
        let mut offset = 0;
        loop {
            let rest = content.get(offset..).unwrap_or_default();
            let piece = rest.get(..CHUNK.min(rest.len())).unwrap_or_default();
            let request = CopyFileRequest {
                path: path.display().to_string(),
                file_size: i64::try_from(content.len()).unwrap_or(i64::MAX),
                file_mode: mode,
                dir_mode: 0o755,
                offset: i64::try_from(offset).unwrap_or(i64::MAX),
                data: piece.to_vec(),
                ..Default::default()
            };
            self.rpc.copy_file(self.soon(), &request).await.map_err(call("CopyFile"))?;
            offset += piece.len();
            if offset >= content.len() {
                return Ok(());
            }
        }
    }

    /// A path of the shared folder.
    pub fn shared(name: &str) -> std::path::PathBuf {
        Path::new(paths::SHARED_CONTAINERS).join(name)
    }
}

/// A connection to the agent, for any of its services.
pub(crate) async fn client(setting: &Setting) -> Result<Client, Trouble> {
    let client = connect_to(&setting.address, PATIENCE).await;
    client.map_err(|error| Trouble::Connect(error.to_string()))
}
