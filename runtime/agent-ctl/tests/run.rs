//! `run` against an agent made here: which RPCs come in which order, and what of the
//! container's process reaches the caller.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kata_agent_api::agent::{
    CloseStdinRequest, CopyFileRequest, CreateContainerRequest, CreateSandboxRequest,
    ReadStreamRequest, ReadStreamResponse, RemoveContainerRequest, StartContainerRequest,
    WaitProcessRequest, WaitProcessResponse, WriteStreamRequest, WriteStreamResponse,
};
use kata_agent_api::agent_ttrpc;
use protobuf::well_known_types::empty::Empty;
use tokio::sync::Notify;
use ttrpc::Code;
use ttrpc::asynchronous::{Server, TtrpcContext};

/// A container that says back what it is told, and ends with its input.
#[derive(Default)]
struct Echo {
    log: Mutex<Vec<String>>,
    told: Mutex<Vec<u8>>,
    closed: Notify,
    ended: Notify,
    /// Whether the container can't be made.
    refuses: bool,
}

fn fault<T>(code: Code, text: &str) -> ttrpc::Result<T> {
    Err(ttrpc::Error::RpcStatus(ttrpc::get_status(code, text)))
}

impl Echo {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

#[async_trait]
impl agent_ttrpc::AgentService for Echo {
    async fn create_sandbox(
        &self,
        _: &TtrpcContext,
        _: CreateSandboxRequest,
    ) -> ttrpc::Result<Empty> {
        // Another container has brought it already.
        fault(Code::ALREADY_EXISTS, "there is one")
    }

    async fn copy_file(&self, _: &TtrpcContext, request: CopyFileRequest) -> ttrpc::Result<Empty> {
        self.note(format!("copy {} {:o}", request.path, request.file_mode & 0o170_000));
        Ok(Empty::new())
    }

    async fn create_container(
        &self,
        _: &TtrpcContext,
        request: CreateContainerRequest,
    ) -> ttrpc::Result<Empty> {
        let (root, args) = (&request.OCI.Root.Path, &request.OCI.Process.Args);
        self.note(format!("create {} at {root} {args:?}", request.container_id));
        if self.refuses { fault(Code::INTERNAL, "no room") } else { Ok(Empty::new()) }
    }

    async fn start_container(
        &self,
        _: &TtrpcContext,
        _: StartContainerRequest,
    ) -> ttrpc::Result<Empty> {
        self.note("start".to_owned());
        Ok(Empty::new())
    }

    async fn write_stdin(
        &self,
        _: &TtrpcContext,
        request: WriteStreamRequest,
    ) -> ttrpc::Result<WriteStreamResponse> {
        self.told.lock().unwrap().extend(&request.data);
        Ok(WriteStreamResponse::new())
    }

    async fn close_stdin(&self, _: &TtrpcContext, _: CloseStdinRequest) -> ttrpc::Result<Empty> {
        self.closed.notify_one();
        Ok(Empty::new())
    }

    async fn read_stdout(
        &self,
        _: &TtrpcContext,
        _: ReadStreamRequest,
    ) -> ttrpc::Result<ReadStreamResponse> {
        if self.log.lock().unwrap().iter().any(|line| line == "said") {
            return fault(Code::OUT_OF_RANGE, "EOF");
        }
        self.closed.notified().await;
        self.note("said".to_owned());
        self.ended.notify_one();
        let data = self.told.lock().unwrap().clone();
        Ok(ReadStreamResponse { data, ..Default::default() })
    }

    async fn read_stderr(
        &self,
        _: &TtrpcContext,
        _: ReadStreamRequest,
    ) -> ttrpc::Result<ReadStreamResponse> {
        fault(Code::OUT_OF_RANGE, "EOF")
    }

    async fn wait_process(
        &self,
        _: &TtrpcContext,
        _: WaitProcessRequest,
    ) -> ttrpc::Result<WaitProcessResponse> {
        self.ended.notified().await;
        Ok(WaitProcessResponse { status: 143, ..Default::default() })
    }

    async fn remove_container(
        &self,
        _: &TtrpcContext,
        _: RemoveContainerRequest,
    ) -> ttrpc::Result<Empty> {
        self.note("remove".to_owned());
        Ok(Empty::new())
    }
}

/// Runs a bundle with one file and a link; gives what the agent was asked, too.
fn run(agent: Echo, arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    fs::create_dir_all(bundle.join("rootfs/bin")).unwrap();
    fs::write(bundle.join("rootfs/bin/echo"), "x").unwrap();
    std::os::unix::fs::symlink("echo", bundle.join("rootfs/bin/sh")).unwrap();
    let config = r#"{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"}}"#;
    fs::write(bundle.join("config.json"), config).unwrap();

    let agent = Arc::new(agent);
    let address = format!("unix://{}", folder.path().join("agent.sock").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let service = Arc::clone(&agent) as _;
    let _server = runtime.block_on(async {
        let mut server = Server::new()
            .bind(&address)
            .unwrap()
            .register_service(agent_ttrpc::create_agent_service(service));
        server.start().await.unwrap();
        server
    });
    let output = start(&address, &bundle, arguments);
    let log = agent.log.lock().unwrap().join("\n");
    (output, log)
}

fn start(address: &str, bundle: &Path, arguments: &[&str]) -> Output {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("kata-agent-ctl"))
        .args(["run", "--timeout", "60", "--server-address", address])
        .args(arguments)
        .arg(bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has failed already reads nothing.
    let _ = child.stdin.take().unwrap().write_all(b"one\0two");
    child.wait_with_output().unwrap()
}

const SHARED: &str = "/run/kata-containers/shared/containers";

#[test]
fn a_bundle_from_its_first_file_to_its_exit_code() {
    let (output, log) = run(Echo::default(), &[]);
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert_eq!(output.stdout, b"one\0two");
    let root = format!("{SHARED}/bundle/rootfs");
    let expected = [
        format!("copy {root} 40000"),
        format!("copy {root}/bin 40000"),
        format!("copy {root}/bin/echo 100000"),
        format!("copy {root}/bin/sh 120000"),
        format!("create bundle at {root} [\"sh\"]"),
        "start".to_owned(),
        "said".to_owned(),
        "remove".to_owned(),
    ];
    assert_eq!(log, expected.join("\n"));
}

#[test]
fn a_root_that_is_in_the_guest_already() {
    let (output, log) = run(Echo::default(), &["--id", "c1", "--rootfs", "/there"]);
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert_eq!(log, "create c1 at /there [\"sh\"]\nstart\nsaid\nremove");
}

#[test]
fn a_container_that_can_not_be_made() {
    let agent = Echo { refuses: true, ..Echo::default() };
    let (output, log) = run(agent, &["--rootfs", "/there"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "kata-agent-ctl: CreateContainer failed: INTERNAL: no room\n");
    assert!(!log.contains("start"), "{log}");
}

#[test]
fn no_bundle_is_said_before_anything_is_connected_to() {
    let output = start("unix:///nonexistent", Path::new("/nonexistent"), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("kata-agent-ctl: can't read /nonexistent/config.json: "), "{said}");
}
