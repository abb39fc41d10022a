//! `run`: a bundle of the host as a container in a guest, from the first file to the
//! exit code. The order of RPCs is that of any runtime.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kata_agent_api::agent::{
    CloseStdinRequest, CreateContainerRequest, CreateSandboxRequest, ReadStreamRequest,
    RemoveContainerRequest, StartContainerRequest, TtyWinResizeRequest, WaitProcessRequest,
    WriteStreamRequest,
};
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::connect::{self, Address};
use kata_agent_api::{paths, spec};
use protobuf::MessageField;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use ttrpc::context::{self, Context};

use crate::bundle::Bundle;
use crate::command::Error;
use crate::terminal;

/// Bytes that are asked for at once.
const CHUNK: u32 = 64 << 10;

/// What to run.
pub struct Run<'a> {
    /// The guest's agent.
    pub address: &'a Address,
    /// For the connection, and for each RPC that must not wait for a program.
    pub patience: Duration,
    /// Folder of the bundle.
    pub bundle: &'a Path,
    /// The container's name.
    pub id: &'a str,
    /// The root filesystem in the guest, where it is there already.
    pub rootfs: Option<&'a Path>,
}

/// Runs the bundle and returns the exit code of its process.
pub async fn run(wanted: &Run<'_>) -> Result<i32, Error> {
    let bundle = Bundle::open(wanted.bundle)?;
    let client = connect::connect_to(wanted.address, wanted.patience).await?;
    let agent = Agent {
        rpc: AgentServiceClient::new(client),
        id: wanted.id.to_owned(),
        patience: wanted.patience,
    };
    agent.sandbox().await?;
    let rootfs = match wanted.rootfs {
        Some(rootfs) => rootfs.to_owned(),
        None => agent.copy(&bundle).await?,
    };
    agent.create(&bundle, &rootfs).await?;
    let code = agent.follow(&bundle).await;
    let request = RemoveContainerRequest { container_id: agent.id.clone(), ..Default::default() };
    let removed = agent.rpc.remove_container(agent.soon(), &request).await;
    let code = code?;
    called("RemoveContainer", removed)?;
    Ok(code)
}

fn called<T>(method: &str, answer: ttrpc::Result<T>) -> Result<T, Error> {
    answer.map_err(|error| Error::call(method, &error))
}

/// Whether the answer is that something is there already.
fn is_there(error: &ttrpc::Error) -> bool {
    matches!(error, ttrpc::Error::RpcStatus(status) if status.code() == ttrpc::Code::ALREADY_EXISTS)
}

struct Agent {
    rpc: AgentServiceClient,
    id: String,
    patience: Duration,
}

impl Agent {
    /// For what takes no longer than the agent itself.
    fn soon(&self) -> Context {
        context::with_duration(self.patience)
    }

    /// Other containers may have brought the sandbox already.
    async fn sandbox(&self) -> Result<(), Error> {
        let request = CreateSandboxRequest { sandbox_id: self.id.clone(), ..Default::default() };
        match self.rpc.create_sandbox(self.soon(), &request).await {
            Err(error) if is_there(&error) => Ok(()),
            answer => called("CreateSandbox", answer).map(drop),
        }
    }

    /// Copies the root filesystem. It stays in the guest as long as the guest does.
    async fn copy(&self, bundle: &Bundle) -> Result<PathBuf, Error> {
        let target = Path::new(paths::RUN).join("shared/containers").join(&self.id).join("rootfs");
        for path in bundle.files()? {
            for request in bundle.requests(&path, &target)? {
                called("CopyFile", self.rpc.copy_file(self.soon(), &request?).await)?;
            }
        }
        Ok(target)
    }

    async fn create(&self, bundle: &Bundle, rootfs: &Path) -> Result<(), Error> {
        let mut wire = spec::spec_to_wire(&bundle.spec);
        if let Some(root) = wire.Root.as_mut() {
            root.Path = rootfs.display().to_string();
        }
        let request = CreateContainerRequest {
            container_id: self.id.clone(),
            exec_id: self.id.clone(),
            OCI: MessageField::some(wire),
            ..Default::default()
        };
        called("CreateContainer", self.rpc.create_container(self.soon(), &request).await)?;
        Ok(())
    }

    /// From the start to the end, with everything that goes in and comes out.
    async fn follow(&self, bundle: &Bundle) -> Result<i32, Error> {
        let terminal = bundle
            .spec
            .process()
            .as_ref()
            .and_then(oci_spec::runtime::Process::terminal)
            .unwrap_or(false);
        let person = terminal && io::stdin().is_terminal();
        let _raw = person.then(terminal::Raw::enter).transpose().map_err(Error::Terminal)?;
        if person {
            self.resize().await;
        }
        let request = StartContainerRequest { container_id: self.id.clone(), ..Default::default() };
        called("StartContainer", self.rpc.start_container(self.soon(), &request).await)?;
        let wait = WaitProcessRequest {
            container_id: self.id.clone(),
            exec_id: self.id.clone(),
            ..Default::default()
        };
        let forever = || context::with_timeout(0);
        let shown = async { tokio::join!(self.show(false), self.show(true)) };
        let ended = async {
            let answer = self.rpc.wait_process(forever(), &wait).await;
            called("WaitProcess", answer).map(|answer| answer.status)
        };
        let both = async { tokio::join!(ended, shown).0 };
        tokio::select! {
            code = both => code,
            error = self.feed() => Err(error),
            error = self.follow_size(person) => Err(error),
        }
    }

    /// One stream of the process, to the end.
    async fn show(&self, errors: bool) {
        let request = ReadStreamRequest {
            container_id: self.id.clone(),
            exec_id: self.id.clone(),
            len: CHUNK,
            ..Default::default()
        };
        loop {
            let forever = context::with_timeout(0);
            let answer = if errors {
                self.rpc.read_stderr(forever, &request).await
            } else {
                self.rpc.read_stdout(forever, &request).await
            };
            // The end comes as an error, by the protocol.
            let Ok(answer) = answer else { return };
            let written = if errors {
                io::stderr().write_all(&answer.data)
            } else {
                let mut out = io::stdout().lock();
                out.write_all(&answer.data).and_then(|()| out.flush())
            };
            if written.is_err() {
                return;
            }
        }
    }

    /// Standard input, to its end; never returns after that.
    async fn feed(&self) -> Error {
        let mut from = tokio::io::stdin();
        let mut buffer = vec![0; CHUNK as usize];
        loop {
            let length = match from.read(&mut buffer).await {
                Ok(length) => length,
                Err(error) => return Error::Terminal(error),
            };
            let (container_id, exec_id) = (self.id.clone(), self.id.clone());
            if length == 0 {
                let close = CloseStdinRequest { container_id, exec_id, ..Default::default() };
                let _ = self.rpc.close_stdin(self.soon(), &close).await;
                return std::future::pending().await;
            }
            let data = buffer.get(..length).unwrap_or_default().to_vec();
            let write = WriteStreamRequest { container_id, exec_id, data, ..Default::default() };
            // A process that does not read any more is no error of ours.
            if self.rpc.write_stdin(context::with_timeout(0), &write).await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Keeps the size of the process' terminal that of ours.
    async fn follow_size(&self, person: bool) -> Error {
        if !person {
            return std::future::pending().await;
        }
        let mut changed = match signal(SignalKind::window_change()) {
            Ok(changed) => changed,
            Err(error) => return Error::Terminal(error),
        };
        while changed.recv().await.is_some() {
            self.resize().await;
        }
        std::future::pending().await
    }

    async fn resize(&self) {
        let Some((row, column)) = terminal::size() else { return };
        let request = TtyWinResizeRequest {
            container_id: self.id.clone(),
            exec_id: self.id.clone(),
            row,
            column,
            ..Default::default()
        };
        let _ = self.rpc.tty_win_resize(self.soon(), &request).await;
    }
}
