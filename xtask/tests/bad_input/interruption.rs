//! A build that is interrupted says so, leaves nothing half written, and the
//! next one succeeds.

use crate::fixture::{Fixture, Ran};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

const MESSAGE: &str = "interrupted; nothing was half written, run it again to go on";

#[test]
fn in_the_middle_of_a_download() {
    for (signal, more) in [(Signal::SIGINT, &[][..]), (Signal::SIGTERM, &["--json"])] {
        let fixture = Fixture::built();
        let server = fixture.serve();
        server.fall_silent_at("pool/base");
        let url = server.url();
        let arguments = [&["--update", "--mirror", &url], more].concat();
        interrupt(&fixture, signal, &arguments, || {
            server.asked().iter().any(|path| path.contains("pool/base"))
        });
        server.speak_again();
        let before = fixture.output();
        let built = fixture.build(&["--update", "--mirror", &url]);
        assert_eq!(built["unchanged"], false);
        assert_eq!(before.names(), fixture.output().names());
    }
}

#[test]
fn in_the_middle_of_writing() {
    let fixture = Fixture::built();
    // Compressing this takes seconds, finding the file and sending a signal none.
    fixture.edit_recipe("compression: none", "compression: zstd");
    fixture.large_agent(32 << 20);
    interrupt(&fixture, Signal::SIGINT, &[], || {
        fixture.names().iter().any(|name| name.ends_with(".partial"))
    });
    fixture.large_agent(1 << 10);
    assert_eq!(fixture.build(&[])["unchanged"], false);
}

/// Interrupts a build as soon as `moment` has come; nothing may be left of it.
fn interrupt(fixture: &Fixture, signal: Signal, more: &[&str], moment: impl Fn() -> bool) {
    let before = fixture.output();
    let mut command = fixture.command(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = Guard(Some(command.spawn().unwrap()));
    until("the build is where it is to be interrupted", || moment().then_some(()));
    kill(child.pid(), signal).unwrap();
    let ran = Ran::new(fixture, &child.output());
    assert_eq!((ran.status, ran.stderr), (1, format!("error: {MESSAGE}\n")));
    if more.contains(&"--json") {
        let document: serde_json::Value = serde_json::from_slice(&ran.document).unwrap();
        let expected = serde_json::json!({"error": MESSAGE, "because": [], "status": 1});
        assert_eq!(document, expected);
    } else {
        assert_eq!(ran.stdout, "");
    }
    before.assert_same(&fixture.output());
}

/// A process that does not outlive its test.
struct Guard(Option<Child>);

impl Guard {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.as_ref().unwrap().id()).unwrap())
    }

    /// Waits for its end.
    fn output(mut self) -> Output {
        until("the process ends", || self.0.as_mut().unwrap().try_wait().unwrap());
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}
