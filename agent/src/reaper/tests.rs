//! Children report where they are waited for, orphans vanish, and nothing hangs.

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

async fn started(scope: Scope) -> Arc<Reaper> {
    let reaper = Arc::new(Reaper::new(scope));
    reaper.start().unwrap();
    reaper
}

#[tokio::test]
async fn output_and_status_of_a_command() {
    let reaper = started(Scope::OwnChildren).await;
    let finished = reaper.run(&mut shell("echo out; echo err >&2; exit 3"), LONG).await.unwrap();
    let expected =
        Finished { exit: Exit { code: 3 }, stdout: "out\n".into(), stderr: "err\n".into() };
    assert_eq!(finished, expected);
    let killed = reaper.run(&mut shell("kill -9 $$"), LONG).await.unwrap();
    assert_eq!(killed.exit.code, 137);
    assert!(reaper.run(&mut Command::new("/nonexistent"), LONG).await.is_err());
}

#[tokio::test]
async fn collecting_everything_never_steals_a_status() {
    let reaper = started(Scope::Everything).await;
    for round in 0..20 {
        let mut known = shell(&format!("exit {round}"));
        // A child that nobody waits for, like an orphan of process 1.
        #[allow(clippy::zombie_processes, reason = "the collector is to find it")]
        let _ = shell("exit 99").spawn().unwrap();
        let finished = reaper.run(&mut known, LONG).await.unwrap();
        assert_eq!(finished.exit.code, round);
        assert!(reaper.run(&mut Command::new("/nonexistent"), LONG).await.is_err());
    }
    // All of them are collected in the end: no child is left to wait for.
    let deadline = std::time::Instant::now() + LONG;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => break,
            other => assert!(std::time::Instant::now() < deadline, "{other:?} is left"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn own_children_only_leaves_others_alone() {
    let reaper = started(Scope::OwnChildren).await;
    let mut foreign = shell("exit 5").spawn().unwrap();
    reaper.run(&mut shell("exit 0"), LONG).await.unwrap();
    assert_eq!(foreign.wait().unwrap().code(), Some(5));
}

#[tokio::test]
async fn a_command_that_hangs_is_killed() {
    let reaper = started(Scope::OwnChildren).await;
    let hung = reaper.run(&mut shell("exec sleep 1000"), Duration::from_millis(20)).await;
    assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let deadline = tokio::time::Instant::now() + LONG;
    while !reaper.lock().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it is collected");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_command_leaves_running_is_not_waited_for() {
    let reaper = started(Scope::OwnChildren).await;
    // The sleep holds both pipes for longer than anybody would wait.
    let script = "sleep 1000 & echo $!; echo err >&2; exit 3";
    let finished = reaper.run(&mut shell(script), LONG).await.unwrap();
    assert_eq!((finished.exit.code, finished.stderr.as_str()), (3, "err\n"));
    let left = Pid::from_raw(finished.stdout.trim().parse().unwrap());
    nix::sys::signal::kill(left, Signal::SIGKILL).expect("it is left alone");
}

#[tokio::test]
async fn giving_up_kills_all_that_the_command_has_started() {
    use std::os::fd::AsRawFd;
    let reaper = started(Scope::OwnChildren).await;
    let (reader, writer) = io::pipe().unwrap();
    let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    // The shell and the sleep both hold the writing end; the shell says so.
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = format!("sleep 1000 >&2 & echo x >/proc/self/fd/{}; wait", writer.as_raw_fd());
    let mut command = shell(&script);
    let read = async || loop {
        reader.readable().await.unwrap();
        let mut bytes = [0; 16];
        match reader.try_read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => break other.unwrap(),
        }
    };
    tokio::select! {
        finished = reaper.run(&mut command, LONG) => panic!("{finished:?} instead of hanging"),
        length = read() => assert_eq!(length, 2),
    }
    drop(writer);
    let end = tokio::time::timeout(LONG, read()).await;
    assert_eq!(end.expect("nobody holds the pipe any more"), 0);
}

#[tokio::test]
async fn a_flood_of_output_is_cut_off_and_stops_nothing() {
    let reaper = started(Scope::OwnChildren).await;
    let finished = reaper.run(&mut shell("head -c 3000000 /dev/zero"), LONG).await.unwrap();
    assert_eq!((finished.exit.code, finished.stdout.len()), (0, output::LARGEST));
    let endless = reaper.run(&mut shell("exec yes"), Duration::from_millis(20)).await;
    assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_command_gets_its_input_or_does_not_want_it() {
    let reaper = started(Scope::OwnChildren).await;
    // Far more than a pipe holds, so both directions go on at the same time.
    let input: Vec<u8> = (0..200_000_u32).map(|n| b"abcdefgh"[n as usize % 8]).collect();
    let finished = reaper.feed(&mut shell("cat"), &input, LONG).await.unwrap();
    assert!(finished.stdout.as_bytes() == input);
    let finished = reaper.feed(&mut shell("cat; echo end"), &[], LONG).await.unwrap();
    assert_eq!(finished.stdout, "end\n");
    let finished = reaper.feed(&mut shell("exit 4"), &input, LONG).await.unwrap();
    assert_eq!(finished.exit.code, 4);
    let stuck = reaper.feed(&mut shell("exec sleep 1000"), &input, Duration::from_millis(20)).await;
    assert_eq!(stuck.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
