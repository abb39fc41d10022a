//! Containers of the cases, from their spec to their end.

use kata_agent_api::agent::{
    CreateContainerRequest, ExecProcessRequest, ReadStreamRequest, RemoveContainerRequest,
    SignalProcessRequest, StartContainerRequest, Storage, WaitProcessRequest, WriteStreamRequest,
};
use kata_agent_api::spec;
use oci_spec::runtime::{Process, Spec};
use protobuf::MessageField;
use serde_json::{Value, json};
use ttrpc::Code;

use crate::guest::{BUSYBOX, Guest};
use crate::trouble::{Trouble, call};

/// Bytes that are asked for at once.
const CHUNK: u32 = 64 << 10;

/// What a container is to be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its id.
    pub id: String,
    /// Its spec, as JSON.
    pub spec: Value,
    /// Its storages.
    pub storages: Vec<Storage>,
    /// Whether it shares the sandbox's pid namespace.
    pub shares_pids: bool,
}

impl Wanted {
    /// A container of busybox that runs a shell's script.
    pub fn script(id: &str, script: &str) -> Self {
        Self::program(id, &["sh", "-c", script])
    }

    /// A container of busybox.
    pub fn program(id: &str, args: &[&str]) -> Self {
        let spec = json!({
            "ociVersion": "1.0.2",
            "hostname": "suite",
            "root": {"path": BUSYBOX, "readonly": false},
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": args,
                "env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=linux"],
                "cwd": "/",
                "capabilities": capabilities(&[
                    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD",
                    "CAP_SETGID", "CAP_SETUID",
                ]),
                "noNewPrivileges": true,
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc",
                 "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
                             "gid=5"]},
                {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                 "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                 "options": ["nosuid", "noexec", "nodev", "ro"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                 "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
            ],
            "linux": {
                "cgroupsPath": format!("/suite/{id}"),
                "namespaces": [
                    {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                    {"type": "mount"}, {"type": "cgroup"},
                ],
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/sys"],
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            },
        });
        Self { id: id.to_owned(), spec, storages: Vec::new(), shares_pids: false }
    }

    /// The same with another value at a JSON pointer, whose parent is there.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        match self.spec.pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.insert(name.to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            _ => {}
        }
        self
    }

    /// The same with one more mount.
    pub fn mounting(self, mount: Value) -> Self {
        self.with("/mounts/-", mount)
    }

    /// The same with one more storage.
    pub fn storing(mut self, storage: Storage) -> Self {
        self.storages.push(storage);
        self
    }

    /// Asks for it to be made.
    pub async fn ask(&self, guest: &Guest) -> ttrpc::Result<()> {
        let spec: Spec = serde_json::from_value(self.spec.clone()).map_err(|error| {
            ttrpc::Error::Others(format!("the case's own spec is none: {error}"))
        })?;
        let request = CreateContainerRequest {
            container_id: self.id.clone(),
            exec_id: self.id.clone(),
            OCI: MessageField::some(spec::spec_to_wire(&spec)),
            storages: self.storages.clone(),
            sandbox_pidns: self.shares_pids,
            ..Default::default()
        };
        guest.rpc.create_container(guest.soon(), &request).await.map(drop)
    }

    /// Makes it.
    pub async fn create<'a>(&self, guest: &'a Guest) -> Result<Container<'a>, Trouble> {
        self.ask(guest).await.map_err(call("CreateContainer"))?;
        Ok(Container { guest, id: self.id.clone() })
    }

    /// Makes it and starts it.
    pub async fn start<'a>(&self, guest: &'a Guest) -> Result<Container<'a>, Trouble> {
        let container = self.create(guest).await?;
        container.start().await?;
        Ok(container)
    }

    /// Runs it to its end and removes it.
    pub async fn run(&self, guest: &Guest) -> Result<Ended, Trouble> {
        let container = self.start(guest).await?;
        let ended = container.first().ended().await?;
        container.remove().await?;
        Ok(ended)
    }
}

/// The same capabilities in every set but the ambient one.
pub(crate) fn capabilities(list: &[&str]) -> Value {
    json!({"bounding": list, "effective": list, "permitted": list})
}

/// What a process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A container that is there. The case removes it; one that fails leaves it behind, for
/// its id is its own.
pub(crate) struct Container<'a> {
    guest: &'a Guest,
    /// Its id.
    pub id: String,
}

impl<'a> Container<'a> {
    /// Starts it.
    pub async fn start(&self) -> Result<(), Trouble> {
        let request = StartContainerRequest { container_id: self.id.clone(), ..Default::default() };
        let answer = self.guest.rpc.start_container(self.guest.soon(), &request).await;
        answer.map(drop).map_err(call("StartContainer"))
    }

    /// Its first process.
    pub fn first(&self) -> Running<'a> {
        Running { guest: self.guest, container: self.id.clone(), name: self.id.clone() }
    }

    /// Asks for a further process.
    pub async fn ask_exec(&self, name: &str, process: Value) -> ttrpc::Result<Running<'a>> {
        let process: Process = serde_json::from_value(process).map_err(|error| {
            ttrpc::Error::Others(format!("the case's own process is none: {error}"))
        })?;
        let request = ExecProcessRequest {
            container_id: self.id.clone(),
            exec_id: name.to_owned(),
            process: MessageField::some(spec::process_to_wire(&process)),
            ..Default::default()
        };
        self.guest.rpc.exec_process(self.guest.soon(), &request).await?;
        let (container, name) = (self.id.clone(), name.to_owned());
        Ok(Running { guest: self.guest, container, name })
    }

    /// Runs a shell's script in it.
    pub async fn exec(&self, name: &str, script: &str) -> Result<Running<'a>, Trouble> {
        let asked = self.ask_exec(name, shell(script)).await;
        asked.map_err(call("ExecProcess"))
    }

    /// The output of a script that has to succeed.
    pub async fn output(&self, name: &str, script: &str) -> Result<String, Trouble> {
        let ended = self.exec(name, script).await?.ended().await?;
        if ended.code != 0 {
            return Err(Trouble::Wrong(format!("{script:?} ended so: {ended:?}")));
        }
        Ok(ended.out.trim_end().to_owned())
    }

    /// Signals all its processes.
    pub async fn signal_all(&self, signal: u32) -> Result<(), Trouble> {
        let request =
            SignalProcessRequest { container_id: self.id.clone(), signal, ..Default::default() };
        let answer = self.guest.rpc.signal_process(self.guest.soon(), &request).await;
        answer.map(drop).map_err(call("SignalProcess"))
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), Trouble> {
        let request =
            RemoveContainerRequest { container_id: self.id.clone(), ..Default::default() };
        let answer = self.guest.rpc.remove_container(self.guest.soon(), &request).await;
        answer.map(drop).map_err(call("RemoveContainer"))
    }
}

/// A further process that runs a shell's script.
pub(crate) fn shell(script: &str) -> Value {
    program(&["sh", "-c", script])
}

/// A further process.
pub(crate) fn program(args: &[&str]) -> Value {
    json!({
        "terminal": false,
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"],
        "cwd": "/",
    })
}

/// A process that runs, or has run.
#[derive(Clone)]
pub(crate) struct Running<'a> {
    guest: &'a Guest,
    container: String,
    name: String,
}

impl Running<'_> {
    /// Asks for a piece of its standard output, or of its standard error.
    pub async fn ask_read(&self, error: bool, len: u32) -> ttrpc::Result<Vec<u8>> {
        let request = ReadStreamRequest {
            container_id: self.container.clone(),
            exec_id: self.name.clone(),
            len,
            ..Default::default()
        };
        let (rpc, soon) = (&self.guest.rpc, self.guest.soon());
        let answer = if error {
            rpc.read_stderr(soon, &request).await
        } else {
            rpc.read_stdout(soon, &request).await
        };
        answer.map(|answer| answer.data)
    }

    /// All that it writes there, to the end.
    pub async fn read_all(&self, error: bool) -> Result<Vec<u8>, Trouble> {
        self.read_in(error, CHUNK).await
    }

    /// The same, in pieces of at most so many bytes.
    pub async fn read_in(&self, error: bool, piece: u32) -> Result<Vec<u8>, Trouble> {
        let mut all = Vec::new();
        loop {
            match self.ask_read(error, piece).await {
                Ok(piece) => all.extend(piece),
                Err(ttrpc::Error::RpcStatus(status)) if status.code() == Code::OUT_OF_RANGE => {
                    return Ok(all);
                }
                Err(error) => return Err(call("ReadStdout")(error)),
            }
        }
    }

    /// Reads its standard output until `text` is there.
    pub async fn read_until(&self, text: &str) -> Result<String, Trouble> {
        let mut all = String::new();
        while !all.contains(text) {
            let piece = self.ask_read(false, CHUNK).await.map_err(call("ReadStdout"))?;
            all.push_str(&String::from_utf8_lossy(&piece));
        }
        Ok(all)
    }

    /// Writes to its standard input; no bytes end it.
    pub async fn write(&self, data: &[u8]) -> Result<(), Trouble> {
        let request = WriteStreamRequest {
            container_id: self.container.clone(),
            exec_id: self.name.clone(),
            data: data.to_vec(),
            ..Default::default()
        };
        let answer = self.guest.rpc.write_stdin(self.guest.soon(), &request).await;
        answer.map(drop).map_err(call("WriteStdin"))
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: u32) -> Result<(), Trouble> {
        let request = SignalProcessRequest {
            container_id: self.container.clone(),
            exec_id: self.name.clone(),
            signal,
            ..Default::default()
        };
        let answer = self.guest.rpc.signal_process(self.guest.soon(), &request).await;
        answer.map(drop).map_err(call("SignalProcess"))
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Result<i32, Trouble> {
        let request = WaitProcessRequest {
            container_id: self.container.clone(),
            exec_id: self.name.clone(),
            ..Default::default()
        };
        let answer = self.guest.rpc.wait_process(self.guest.soon(), &request).await;
        answer.map(|answer| answer.status).map_err(call("WaitProcess"))
    }

    /// Reads all that it writes, and waits for its end.
    pub async fn ended(&self) -> Result<Ended, Trouble> {
        let (out, err, code) = tokio::join!(self.read_all(false), self.read_all(true), self.wait());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ended { code: code?, out: text(out?), err: text(err?) })
    }
}
