//! Shells of this machine on real terminals, over a pair of sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::reaper::Scope;

const LONG: Duration = Duration::from_secs(60);

fn consoles(shells: &[&Path], grace: Duration) -> Arc<Consoles> {
    let reaper = Arc::new(Reaper::new(Scope::OwnChildren));
    reaper.start().unwrap();
    let shells = shells.iter().map(|path| path.to_path_buf()).collect();
    Arc::new(Consoles::with_shells(reaper, shells, grace))
}

/// A connection, and its being served.
fn connect(consoles: &Arc<Consoles>) -> (UnixStream, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let consoles = Arc::clone(consoles);
    (ours, tokio::spawn(async move { consoles.attend(theirs).await }))
}

/// Everything up to the end of the connection.
async fn rest(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Everything up to and with the first `mark`.
async fn until(stream: &mut UnixStream, mark: &str) -> String {
    let mut text = String::new();
    while !text.contains(mark) {
        let byte = tokio::time::timeout(LONG, stream.read_u8()).await.unwrap();
        text.push(char::from(byte.unwrap_or_else(|error| panic!("{error} after {text:?}"))));
    }
    text
}

async fn gone(pid: &str) {
    let path = Path::new("/proc").join(pid);
    let wait = async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap_or_else(|_| panic!("process {pid} is left"));
}

/// A program that stands for a shell.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("shell");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_shell_has_a_terminal_of_its_own_and_its_end_closes_the_connection() {
    let consoles = consoles(&[Path::new("/nonexistent"), Path::new("/bin/sh")], LONG);
    let (mut stream, served) = connect(&consoles);
    // The sums tell answers from the echo of what was typed.
    stream
        .write_all(b"tty; stty size; echo s$((6*7))s; ps -o tty=,sid= -p $$; echo pid $$\nexit 3\n")
        .await
        .unwrap();
    let said = rest(&mut stream).await;
    tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    assert!(said.contains("s42s\r\n"), "{said}");
    assert!(said.contains("/dev/pts/") && said.contains("24 80\r\n"), "{said}");
    let pid = said.split("pid ").last().unwrap().split_whitespace().next().unwrap();
    let of_process = said.lines().find(|line| line.trim_start().starts_with("pts/")).unwrap();
    // Leader of its session, and the terminal is the session's.
    assert_eq!(of_process.split_whitespace().nth(1), Some(pid), "{said}");
    gone(pid).await;
}

#[tokio::test]
async fn what_a_shell_says_last_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let shell = script(folder.path(), "seq 1 20000; exit 1");
    let (mut stream, _served) = connect(&consoles(&[&shell], LONG));
    let said = rest(&mut stream).await;
    assert!(said.ends_with("\r\n19999\r\n20000\r\n"), "{}", &said[said.len() - 100..]);
}

#[tokio::test]
async fn a_peer_that_goes_hangs_the_shell_up_and_what_it_runs() {
    let consoles = consoles(&[Path::new("/bin/sh")], LONG);
    let (mut stream, served) = connect(&consoles);
    stream.write_all(b"sh -c 'echo pids $$ $PPID .; sleep 1000; :'\n").await.unwrap();
    let said = until(&mut stream, " .\r\n").await;
    // The last time: before it, the terminal may echo what was typed, and a prompt
    // may stand before it in its line.
    let line = said[said.rfind("pids ").unwrap()..].to_owned();
    drop(stream);
    tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    for pid in line.split_whitespace().skip(1).take(2) {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_shell_that_will_not_go_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap '' HUP; echo pid $$ .; while :; do sleep 1000; done";
    let shell = script(folder.path(), text);
    let (mut stream, served) = connect(&consoles(&[&shell], Duration::ZERO));
    let said = until(&mut stream, " .\r\n").await;
    drop(stream);
    tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    gone(said.split_whitespace().nth(1).unwrap()).await;
}

#[tokio::test]
async fn there_is_an_upper_limit_and_places_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let shell = script(folder.path(), "echo here; read line");
    let consoles = consoles(&[&shell], LONG);
    let mut open = Vec::new();
    for _ in 0..MOST_SESSIONS {
        let (mut stream, served) = connect(&consoles);
        until(&mut stream, "here\r\n").await;
        open.push((stream, served));
    }
    let (mut refused, _served) = connect(&consoles);
    assert_eq!(rest(&mut refused).await, "kata-agent: 8 debug consoles are open already\r\n");
    let (stream, served) = open.remove(0);
    drop(stream);
    tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    let (mut stream, _served) = connect(&consoles);
    until(&mut stream, "here\r\n").await;
}

#[tokio::test]
async fn a_guest_without_a_shell_says_so() {
    let (mut stream, _served) = connect(&consoles(&[Path::new("/nonexistent/sh")], LONG));
    let said = "kata-agent: there is no shell in this guest: /nonexistent/sh\r\n";
    assert_eq!(rest(&mut stream).await, said);
}

#[tokio::test]
async fn the_console_itself_gets_a_shell_until_one_does_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let shell = script(folder.path(), "tty; echo s$((6*7))s");
    let consoles = consoles(&[&shell], LONG);
    let (master, slave) = pty::open().unwrap();
    let path = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&slave)));
    let path = path.unwrap();
    tokio::time::timeout(LONG, direct::keep(&consoles, &path)).await.unwrap();
    drop(slave);
    let mut said = String::new();
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = master.read(&mut buffer).await {
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert_eq!(said, format!("{}\r\ns42s\r\n", path.display()));
}
