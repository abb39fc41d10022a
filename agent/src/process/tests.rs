//! Streams with real pipes and terminals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::pty::openpty;
use nix::unistd::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::forward::{into_process, out_of_process};
use super::*;

/// Streams over pipes, and the process' ends.
fn piped() -> (Streams, File, File) {
    let (stdin, ours_in) = pipe().unwrap();
    let (ours_out, stdout) = pipe().unwrap();
    let streams = Streams::pipes(Some(ours_in), Some(ours_out), None).unwrap();
    (streams, File::from(stdin), File::from(stdout))
}

#[tokio::test]
async fn what_is_written_is_read_and_then_ended() {
    let (streams, _, mut stdout) = piped();
    let (ending, _tell) = Ending::pair();
    stdout.write_all(b"hello").unwrap();
    assert_eq!(streams.read_stdout(3, &ending).await.unwrap(), b"hel");
    assert_eq!(streams.read_stdout(99, &ending).await.unwrap(), b"lo");
    drop(stdout);
    for _ in 0..2 {
        let outcome = streams.read_stdout(99, &ending).await;
        assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    }
    let outcome = streams.read_stderr(9, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Absent("standard error"))), "{outcome:?}");
}

#[tokio::test]
async fn what_others_hold_open_ends_after_the_process() {
    let (streams, _, mut stdout) = piped();
    let (ending, tell) = Ending::pair();
    stdout.write_all(b"last words").unwrap();
    tell(0);
    assert_eq!(streams.read_stdout(99, &ending).await.unwrap(), b"last words");
    // `stdout` is still open, as if a child of the process had it.
    let outcome = streams.read_stdout(99, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
}

#[tokio::test]
async fn a_reader_is_woken_by_data() {
    let (streams, _, mut stdout) = piped();
    let (ending, _tell) = Ending::pair();
    let (bytes, ()) = tokio::join!(streams.read_stdout(9, &ending), async {
        tokio::task::yield_now().await;
        stdout.write_all(b"x").unwrap();
    });
    assert_eq!(bytes.unwrap(), b"x");
}

#[tokio::test]
async fn a_writer_waits_for_who_does_not_read_and_gives_up_at_the_end() {
    let (streams, mut stdin, _) = piped();
    let (ending, tell) = Ending::pair();
    streams.write_stdin(b"one", &ending).await.unwrap();
    let mut got = [0; 3];
    stdin.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"one");
    // More than a pipe holds.
    let much = vec![7; 1 << 20];
    let (outcome, ()) = tokio::join!(streams.write_stdin(&much, &ending), async {
        tokio::task::yield_now().await;
        tell(0);
    });
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    streams.close_stdin().await;
    let outcome = streams.write_stdin(b"x", &ending).await;
    assert!(matches!(outcome, Err(StreamError::Absent(_))), "{outcome:?}");
    let mut rest = Vec::new();
    assert!(stdin.read_to_end(&mut rest).unwrap() > 0, "and then the end");
}

/// Whether the other end of a pipe or terminal is closed.
fn hung_up(file: &File) -> bool {
    let mut polled =
        [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(file), nix::poll::PollFlags::empty())];
    nix::poll::poll(&mut polled, nix::poll::PollTimeout::ZERO).unwrap();
    let found = polled[0].revents().unwrap();
    found.intersects(nix::poll::PollFlags::POLLHUP | nix::poll::PollFlags::POLLERR)
}

#[tokio::test]
async fn ended_processes_hold_no_files() {
    let (streams, stdin, mut stdout) = piped();
    let (ending, tell) = Ending::pair();
    stdout.write_all(b"last").unwrap();
    tell(0);
    assert!(!hung_up(&stdin) && !hung_up(&stdout));
    streams.release().await;
    assert!(hung_up(&stdin) && !hung_up(&stdout), "what was written waits for who reads it");
    let outcome = streams.write_stdin(b"x", &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    assert_eq!(streams.read_stdout(99, &ending).await.unwrap(), b"last");
    let outcome = streams.read_stdout(99, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    assert!(hung_up(&stdout), "all is read");

    let pair = openpty(None, None).unwrap();
    let streams = Streams::terminal(pair.master, false).unwrap();
    let slave = File::from(pair.slave);
    streams.release().await;
    assert!(!hung_up(&slave));
    streams.resize(1, 1).unwrap();
    let outcome = streams.read_stdout(9, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    assert!(hung_up(&slave));
}

#[tokio::test]
async fn nobody_reads_any_more() {
    let (streams, stdin, _) = piped();
    let (ending, _tell) = Ending::pair();
    drop(stdin);
    let outcome = streams.write_stdin(b"x", &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
}

#[tokio::test]
async fn a_terminal_is_one_stream_with_a_size() {
    let pair = openpty(None, None).unwrap();
    let (ending, _tell) = Ending::pair();
    let streams = Streams::terminal(pair.master, false).unwrap();
    let mut slave = File::from(pair.slave);
    slave.write_all(b"hi\n").unwrap();
    assert_eq!(streams.read_stdout(99, &ending).await.unwrap(), b"hi\r\n");
    streams.resize(12, 34).unwrap();
    let mut size = nix::pty::Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    let fd = std::os::fd::AsRawFd::as_raw_fd(&slave);
    // SAFETY: the descriptor is open and the structure outlives the call.
    let asked = unsafe { nix::libc::ioctl(fd, nix::libc::TIOCGWINSZ, &raw mut size) };
    assert_eq!((asked, size.ws_row, size.ws_col), (0, 12, 34));
    let outcome = streams.read_stderr(9, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    drop(slave);
    let outcome = streams.read_stdout(99, &ending).await;
    assert!(matches!(outcome, Err(StreamError::Ended)), "{outcome:?}");
    let (piped, _, _) = piped();
    assert!(matches!(piped.resize(1, 1), Err(StreamError::Absent("terminal"))));
}

#[tokio::test]
async fn streams_of_the_host_s_own() {
    let (ending, _tell) = Ending::pair();
    let (mut host, guest) = UnixStream::pair().unwrap();
    let (process, ours): (OwnedFd, OwnedFd) = pipe().unwrap();
    into_process(guest, ours, ending.clone()).unwrap();
    host.write_all(b"to the process").await.unwrap();
    drop(host);
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        File::from(process).read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(read.await.unwrap(), "to the process");

    let (mut host, guest) = UnixStream::pair().unwrap();
    let (ours, process) = pipe().unwrap();
    out_of_process(ours, guest, ending.clone()).unwrap();
    File::from(process).write_all(b"from it").unwrap();
    let mut text = String::new();
    host.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "from it");

    // A host that is gone does not stop the process.
    let (host, guest) = UnixStream::pair().unwrap();
    let (ours, process) = pipe().unwrap();
    drop(host);
    out_of_process(ours, guest, ending).unwrap();
    let write =
        tokio::task::spawn_blocking(move || File::from(process).write_all(&vec![1; 1 << 20]));
    tokio::time::timeout(Duration::from_secs(60), write).await.unwrap().unwrap().unwrap();
}
