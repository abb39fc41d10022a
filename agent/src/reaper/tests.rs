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
