//! The last words of the agent. As process 1 it must never end on its own: the
//! kernel would panic and nobody would learn why. So whatever kills it is shown
//! as one block on the console and in the kernel log, then the guest powers off.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::VERSION;
use crate::init;
use crate::os::Os;

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// One clause.
    pub headline: String,
    /// Source file and line, when the cause is a bug.
    pub location: Option<String>,
    /// Outermost first.
    pub reasons: Vec<String>,
}

static DYING: AtomicBool = AtomicBool::new(false);

/// How long it may take process 1 to show its last words and to unmount before the
/// power goes off regardless.
pub const LONGEST_LEAVING: Duration = Duration::from_secs(60);

/// Makes every panic from now on end in [`announce`], and as process 1 in a
/// power-off.
pub fn install(os: Arc<dyn Os>, process_one: bool) {
    std::panic::set_hook(Box::new(move |info| {
        let first = !DYING.swap(true, Ordering::SeqCst);
        if process_one {
            if !first {
                // Another thread is about to power off and must not be cut short.
                wait_for_ever();
            }
            watch(&os, LONGEST_LEAVING);
        }
        if first {
            announce(&describe(info));
        }
        if process_one {
            power_off(os.as_ref());
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> Death {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let mut reasons = vec![text];
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        reasons.push(backtrace.to_string());
    }
    Death {
        headline: "the guest agent has a bug and stops".to_owned(),
        location: info.location().map(|place| format!("{}:{}", place.file(), place.line())),
        reasons,
    }
}

/// The block that is shown.
#[must_use]
pub fn format(death: &Death) -> String {
    let mut text = String::new();
    let rule = "=".repeat(72);
    let _ = writeln!(text, "{rule}");
    let _ = writeln!(text, "kata-agent {VERSION}: {}", death.headline);
    if let Some(location) = &death.location {
        let _ = writeln!(text, "  at {location}");
    }
    for reason in &death.reasons {
        for line in reason.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = writeln!(text, "{rule}");
    text
}

/// Shows the block wherever somebody might look.
pub fn announce(death: &Death) {
    let text = format(death);
    // Standard error is the console once process 1 has taken it; before that, and
    // when it is something else, the kernel shows its own log there.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    if std::process::id() != 1 {
        return;
    }
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // Each write is one record; <2> is "critical".
        for line in text.lines() {
            let _ = log.write_all(format!("<2>{line}\n").as_bytes());
        }
    }
}

/// Ends the machine and never returns.
pub fn power_off(os: &dyn Os) -> ! {
    if let Err(error) = init::leave(os) {
        let _ = writeln!(std::io::stderr(), "kata-agent: the kernel refuses to power off: {error}");
    }
    // Process 1 that returns is a kernel panic; waiting is the lesser evil.
    wait_for_ever()
}

/// Switches the power off after `limit`, whatever the other threads hang in: a
/// console that nobody reads, a disk that does not answer.
pub fn watch(os: &Arc<dyn Os>, limit: Duration) {
    let os = Arc::clone(os);
    // The stack is small because a guest that dies may have no memory left. Where
    // even that is too much, there is only the orderly way.
    let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
        std::thread::sleep(limit);
        // Whoever leaves in an orderly way reports the failure.
        let _ = os.power_off();
    });
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::os::Recorder;

    #[test]
    fn a_disk_that_does_not_answer_does_not_keep_the_power_on() {
        let recorder = Arc::new(Recorder::new().stuck_at("sync"));
        let os = Arc::clone(&recorder) as Arc<dyn Os>;
        std::thread::spawn(move || {
            watch(&os, Duration::from_millis(10));
            power_off(os.as_ref());
        });
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let log = recorder.log();
            if log.lines().any(|line| line == "power off") {
                break;
            }
            assert!(Instant::now() < until, "the power is still on after:\n{log}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_block_has_place_and_all_reasons() {
        let text = format(&Death {
            headline: "the guest agent can't run".into(),
            location: Some("src/run.rs:7".into()),
            reasons: vec!["can't listen on vsock://-1:1024".into(), "a\nb".into()],
        });
        let rule = "=".repeat(72);
        let expected = format!(
            "{rule}\nkata-agent {VERSION}: the guest agent can't run\n  at src/run.rs:7\n  \
             can't listen on vsock://-1:1024\n  a\n  b\n{rule}\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_panic_is_described_with_message_and_line() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = sender.send(describe(info));
        }));
        let line = line!() + 1;
        let _ = std::panic::catch_unwind(|| panic!("no {}", "luck"));
        std::panic::set_hook(previous);
        let death = receiver.recv().unwrap();
        assert_eq!(death.reasons[0], "no luck");
        assert!(death.location.unwrap().ends_with(&format!("panic.rs:{line}")));
    }
}
