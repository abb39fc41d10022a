//! The program against a server made here: output, messages and exit codes.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use async_trait::async_trait;
use kata_agent_api::agent::{CopyFileRequest, CreateSandboxRequest};
use kata_agent_api::health::health_check_response::ServingStatus;
use kata_agent_api::health::{CheckRequest, HealthCheckResponse};
use kata_agent_api::{agent_ttrpc, health_ttrpc};
use protobuf::well_known_types::empty::Empty;
use tempfile::TempDir;
use ttrpc::asynchronous::{Server, TtrpcContext};

struct Fake;

#[async_trait]
impl health_ttrpc::Health for Fake {
    async fn check(&self, _: &TtrpcContext, _: CheckRequest) -> ttrpc::Result<HealthCheckResponse> {
        Ok(HealthCheckResponse { status: ServingStatus::SERVING.into(), ..Default::default() })
    }
}

#[async_trait]
impl agent_ttrpc::AgentService for Fake {
    async fn copy_file(&self, _: &TtrpcContext, request: CopyFileRequest) -> ttrpc::Result<Empty> {
        let text = format!("{} {:o} {:?}", request.path, request.file_mode, request.data);
        Err(ttrpc::Error::RpcStatus(ttrpc::get_status(ttrpc::Code::INVALID_ARGUMENT, text)))
    }

    async fn create_sandbox(
        &self,
        _: &TtrpcContext,
        request: CreateSandboxRequest,
    ) -> ttrpc::Result<Empty> {
        assert_eq!(request.sandbox_id, "abc");
        Ok(Empty::new())
    }
}

struct Guest {
    folder: TempDir,
    _runtime: tokio::runtime::Runtime,
    _server: Server,
}

impl Guest {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix://{}", folder.path().join("agent.sock").display());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let fake = Arc::new(Fake);
        let server = runtime.block_on(async {
            let mut server = Server::new()
                .bind(&address)
                .unwrap()
                .register_service(agent_ttrpc::create_agent_service(Arc::clone(&fake) as _))
                .register_service(health_ttrpc::create_health(fake));
            server.start().await.unwrap();
            server
        });
        Self { folder, _runtime: runtime, _server: server }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// A hypervisor's hybrid socket, for one connection.
    fn hybrid(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("vm.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = self.socket();
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "CONNECT 1024\n");
            (&client).write_all(b"OK 1073741824\n").unwrap();
            let agent = UnixStream::connect(agent).unwrap();
            let mut answers = agent.try_clone().unwrap();
            let mut back = client;
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let _ = std::io::copy(&mut reader, &mut &agent);
        });
        path
    }
}

fn connect(socket: &Path, arguments: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("kata-agent-ctl"))
        .args(["connect", "--timeout", "60", "--server-address"])
        .arg(format!("unix://{}", socket.display()))
        .args(arguments)
        .output()
        .unwrap()
}

/// Compares both outputs and the exit code.
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        (Some(code), stdout, stderr)
    );
}

#[test]
fn commands_run_in_order() {
    let guest = Guest::start();
    let commands = [
        "-c",
        "echo hello",
        "-c",
        "Check",
        "-c",
        "CreateSandbox sandbox_id=abc",
        "-c",
        "sleep 1ms",
    ];
    let output = connect(&guest.socket(), &commands);
    check(&output, 0, "hello\n{\"status\": \"SERVING\"}\n{}\n", "");
    let output = connect(&guest.socket(), &["--repeat", "2", "-c", "Check", "-c", "echo x"]);
    check(&output, 0, &"{\"status\": \"SERVING\"}\nx\n".repeat(2), "");
    let output = connect(&guest.socket(), &["-c", "quit", "-c", "Check"]);
    check(&output, 0, "", "");
}

#[test]
fn hybrid_vsock_is_one_flag_away() {
    let guest = Guest::start();
    let output = connect(&guest.hybrid(), &["--hybrid-vsock", "-c", "check"]);
    check(&output, 0, "{\"status\": \"SERVING\"}\n", "");
}

#[test]
fn requests_reach_the_agent_and_its_answer_comes_back() {
    let guest = Guest::start();
    let said = "kata-agent-ctl: CopyFile failed: INVALID_ARGUMENT: /a b 100644 [116, 101]\n";
    for request in [
        "CopyFile path='/a b' file_mode=0o100644 data=te",
        "CopyFile json://{\"path\":\"/a b\",\"file_mode\":33188,\"data\":\"dGU=\"}",
    ] {
        check(&connect(&guest.socket(), &["-c", request]), 1, "", said);
    }
    let output =
        connect(&guest.socket(), &["--ignore-errors", "-c", "CopyFile data=", "-c", "echo on"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"on\n"[..]));
}

#[test]
fn wrong_usage_is_told_before_anything_runs() {
    let nowhere = Path::new("/nonexistent/agent.sock");
    let output = connect(nowhere, &["-c", "echo first", "-c", "Chek"]);
    let said = "kata-agent-ctl: there is no command \"Chek\"; did you mean Check?\n";
    check(&output, 2, "", said);
    let output = connect(nowhere, &["-c", "SetGuestDateTime secs=5"]);
    let said = "kata-agent-ctl: SetGuestDateTime: there is no field \"secs\" in \
                grpc.SetGuestDateTimeRequest; did you mean Sec?\n";
    check(&output, 2, "", said);
}

#[test]
fn an_agent_that_is_not_there() {
    let output = connect(Path::new("/nonexistent/agent.sock"), &["-c", "Check"]);
    let said = "kata-agent-ctl: there is no socket at /nonexistent/agent.sock; \
                is the guest running?\n";
    check(&output, 1, "", said);
}

#[test]
fn a_script_is_read_as_a_whole_before_anything_runs() {
    let guest = Guest::start();
    let script = guest.folder.path().join("script");
    std::fs::write(&script, "# first\n\n  echo a\nCheck\n").unwrap();
    let path = script.to_str().unwrap();
    let output = connect(&guest.socket(), &["-c", "echo before", "--script", path]);
    check(&output, 0, "before\na\n{\"status\": \"SERVING\"}\n", "");
    std::fs::write(&script, "echo a\n# here\nChek\n").unwrap();
    let output = connect(&guest.socket(), &["--script", path]);
    let said =
        format!("kata-agent-ctl: {path}:3: there is no command \"Chek\"; did you mean Check?\n");
    check(&output, 2, "", &said);
    let output = connect(&guest.socket(), &["--script", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't read the script /nonexistent"));
}

#[test]
fn lists_need_no_agent() {
    let nowhere = Path::new("/nonexistent/agent.sock");
    let output = connect(nowhere, &["-c", "list"]);
    let list = String::from_utf8(output.stdout).unwrap();
    assert_eq!(list.lines().count(), 44);
    let line = "WriteStdin container_id=string exec_id=string data=bytes";
    assert!(list.lines().any(|other| other == line), "{list}");
    let output = connect(nowhere, &["-c", "help GetGuestDetails"]);
    let said = "GetGuestDetails: grpc.GuestDetailsRequest -> grpc.GuestDetailsResponse\n  \
                mem_block_size = bool\n  mem_hotplug_probe = bool\n";
    check(&output, 0, said, "");
}
