//! The console verb against sockets made here, from a pipe and from a terminal.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

/// A guest's end of one connection: reads the handshake of a hybrid socket, then
/// does as `shell` says.
fn guest<T: Send + 'static>(
    listener: UnixListener,
    port: u32,
    shell: impl FnOnce(BufReader<UnixStream>) -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, format!("CONNECT {port}\n"));
        stream.get_ref().write_all(b"OK 7\n").unwrap();
        shell(stream)
    })
}

fn console() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kata-agent-ctl"));
    command.args(["console", "--timeout", "60", "--server-address"]);
    command
}

#[test]
fn a_script_is_typed_its_end_told_and_the_last_words_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm.sock");
    let heard = guest(UnixListener::bind(&path).unwrap(), 1026, |mut stream| {
        let mut typed = Vec::new();
        // Ctrl-D, and not the end of the stream: that would be a hang-up.
        stream.read_until(4, &mut typed).unwrap();
        stream.get_ref().write_all(b"last\r\nwords").unwrap();
        typed
    });
    // The agent's own port is not the console's.
    let mut child = console()
        .arg(format!("hvsock://{}:1024", path.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"exit 3\n\x1d").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(heard.join().unwrap(), b"exit 3\n\x1d\x04");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"last\r\nwords"[..]));
}

#[test]
fn a_person_s_terminal_is_raw_until_ctrl_bracket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm.sock");
    let heard = guest(UnixListener::bind(&path).unwrap(), 9, |mut stream| {
        stream.get_ref().write_all(b"# ").unwrap();
        let mut typed = Vec::new();
        stream.read_to_end(&mut typed).unwrap();
        typed
    });
    let terminal = openpty(None, None).unwrap();
    let slave = terminal.slave;
    let cooked = || tcgetattr(&slave).unwrap().local_flags.contains(LocalFlags::ICANON);
    assert!(cooked());
    let mut child = console()
        .arg(format!("unix://{}", path.display()))
        .args(["--hybrid-vsock", "--port", "9"])
        .stdin(slave.try_clone().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut prompt = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!((&prompt, cooked()), (b"# ", false));
    // Every key reaches the guest, Ctrl-C too, up to the one that leaves.
    let mut keyboard = File::from(terminal.master);
    keyboard.write_all(b"a\x03\r\x1drest").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(heard.join().unwrap(), b"a\x03\r");
    assert!(cooked());
}

#[test]
fn nobody_at_home() {
    let output = console().arg("unix:///nonexistent/sock").stdin(Stdio::null()).output().unwrap();
    let said = "kata-agent-ctl: there is no socket at /nonexistent/sock; is the guest running?\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    assert_eq!(output.status.code(), Some(1));
}
