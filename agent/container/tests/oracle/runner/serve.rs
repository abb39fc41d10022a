//! Keeps one container and does with it what lines on the standard input say, each a
//! JSON object whose `do` is the order. Each is answered with one line on the standard
//! output; the container's own output goes to the standard error output.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;

use guest_container::{Container, Status, Stdio};
use oci_spec::runtime::{Process, Spec};
use serde_json::{Value, json};

use crate::run::{PATIENCE, drain, options, text};

/// Serves until the input ends.
pub fn serve(id: &str, bundle: &Path, cgroup_root: &Path) -> Result<(), String> {
    let made = create(id, bundle, cgroup_root);
    let container = match made {
        Ok(container) => container,
        Err(error) => return answer(&Err(error)),
    };
    answer(&Ok(Value::Null))?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let order: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        answer(&obey(&container, &order))?;
    }
    container.delete().map_err(|error| text(&error))
}

fn answer(result: &Result<Value, String>) -> Result<(), String> {
    let answer = match result {
        Ok(value) => json!({"ok": value}),
        Err(error) => json!({"error": error}),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}

fn create(id: &str, bundle: &Path, cgroup_root: &Path) -> Result<Container, String> {
    let io = |error: io::Error| error.to_string();
    let spec = Spec::load(bundle.join("config.json")).map_err(|error| error.to_string())?;
    let null = || File::open("/dev/null").map(OwnedFd::from);
    let out = || io::stderr().as_fd().try_clone_to_owned();
    let stdio = Stdio::Given([null().map_err(io)?, out().map_err(io)?, out().map_err(io)?]);
    let mut container = Container::create(id, spec, bundle, stdio, &options(cgroup_root))
        .map_err(|error| text(&error))?;
    let mut shown = File::from(out().map_err(io)?);
    // From now on only the container holds it, so that its end is the container's.
    nix::unistd::dup2_stderr(null().map_err(io)?).map_err(|errno| errno.to_string())?;
    if let Some(master) = container.first_mut().take_streams().terminal {
        std::thread::spawn(move || drain(master, &mut shown));
    }
    Ok(container)
}

fn obey(container: &Container, order: &Value) -> Result<Value, String> {
    let simply = |done: Result<(), guest_container::Error>| {
        done.map(|()| Value::Null).map_err(|error| text(&error))
    };
    match order["do"].as_str().unwrap_or_default() {
        "start" => simply(container.start()),
        "pause" => simply(container.pause()),
        "resume" => simply(container.resume()),
        "delete" => simply(container.delete()),
        "status" => Ok(json!(match container.status() {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })),
        "wait" => {
            let code = container.first().exit().wait(PATIENCE);
            code.map(Value::from).ok_or_else(|| "it does not end".to_owned())
        }
        "signal" => {
            let signal = i32::try_from(order["signal"].as_i64().unwrap_or(0)).unwrap_or(0);
            simply(match order["all"].as_bool() {
                Some(true) => container.signal_all(signal),
                _ => container.first().signal(signal),
            })
        }
        "exec" => exec(container, &order["process"]),
        other => Err(format!("there is no order {other:?}")),
    }
}

fn exec(container: &Container, process: &Value) -> Result<Value, String> {
    let process: Process =
        serde_json::from_value(process.clone()).map_err(|error| error.to_string())?;
    let mut started = container.exec(&process, Stdio::Pipes(0)).map_err(|error| text(&error))?;
    let streams = started.take_streams();
    drop(streams.stdin);
    let output = streams.terminal.or(streams.stdout).map(collect);
    let errors = streams.stderr.map(collect);
    let code = started.exit().wait(PATIENCE).ok_or("it does not end")?;
    let text = |reader: Option<JoinHandle<String>>| {
        reader.map(|reader| reader.join().unwrap_or_default()).unwrap_or_default()
    };
    Ok(json!({"code": code, "output": text(output), "errors": text(errors)}))
}

/// Reads all that a stream or a terminal shows.
fn collect(from: OwnedFd) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut from = File::from(from);
        let mut all = Vec::new();
        let mut room = [0; 4096];
        // A terminal ends with an error.
        while let Ok(read @ 1..) = from.read(&mut room) {
            all.extend_from_slice(room.get(..read).unwrap_or_default());
        }
        let mut text = String::new();
        let _ = write!(text, "{}", String::from_utf8_lossy(&all));
        text
    })
}
