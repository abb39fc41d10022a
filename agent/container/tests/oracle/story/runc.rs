//! The steps as runc's commands. Its containers become children of the test, so that
//! their ends can be seen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use super::terminal::Console;
use super::{Done, Lines, Story};
use crate::case::{Case, Seen};
use crate::runtimes::{Name, Which, output};

pub struct Runc {
    name: Name,
    folder: PathBuf,
    pid: i32,
    code: Option<i32>,
    lines: Lines,
    execs: u32,
}

fn said(done: &Output) -> Done<()> {
    if done.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&done.stderr).into_owned())
}

fn pid_in(file: &Path) -> i32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

fn wait(pid: i32) -> i32 {
    match waitpid(Pid::from_raw(pid), None).expect("it is a child") {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => panic!("{pid}: {other:?}"),
    }
}

fn adopt() {
    nix::sys::prctl::set_child_subreaper(true).expect("anyone may");
}

pub fn create(case: &Case, bundle: &Path) -> Done<Runc> {
    adopt();
    let folder = case.folder().to_owned();
    let name = Name::new(Which::Runc, &folder);
    let pid_file = folder.join("first.pid");
    let mut command = name.runc(&["create", "--pid-file"]);
    command.arg(&pid_file).arg("--bundle").arg(bundle);
    let has_terminal = case.config["process"]["terminal"] == true;
    let console = has_terminal.then(|| Console::new(&folder, "first"));
    if let Some(console) = &console {
        command.arg("--console-socket").arg(&console.path);
    }
    command.arg(&name.id);
    let (reader, writer) = std::io::pipe().unwrap();
    let errors = folder.join("create.errors");
    command.stdout(writer.try_clone().unwrap()).stderr(File::create(&errors).unwrap());
    drop(writer);
    let status = command.status().expect("runc is there");
    // It holds the other end of the pipe.
    drop(command);
    if !status.success() {
        return Err(std::fs::read_to_string(errors).unwrap());
    }
    let lines = match console {
        Some(console) => Lines::of(File::from(console.receive())),
        None => Lines::of(reader),
    };
    Ok(Runc { name, folder, pid: pid_in(&pid_file), code: None, lines, execs: 0 })
}

impl Runc {
    fn order(&self, arguments: &[&str]) -> Done<()> {
        said(&output(self.name.runc(arguments)))
    }
}

impl Story for Runc {
    fn start(&mut self) -> Done<()> {
        self.order(&["start", &self.name.id])
    }

    fn exec(&mut self, process: &Value) -> Done<Seen> {
        self.execs += 1;
        let file = self.folder.join(format!("process-{}.json", self.execs));
        std::fs::write(&file, process.to_string()).unwrap();
        let mut command = self.name.runc(&["exec", "--process"]);
        command.arg(&file);
        if process["terminal"] == true {
            let console = Console::new(&self.folder, "exec");
            let pid_file = self.folder.join("exec.pid");
            command.arg("--detach").arg("--pid-file").arg(&pid_file);
            command.arg("--console-socket").arg(&console.path).arg(&self.name.id);
            command.stdout(Stdio::null());
            let errors = self.folder.join("exec.errors");
            command.stderr(File::create(&errors).unwrap());
            if !command.status().unwrap().success() {
                return Err(std::fs::read_to_string(errors).unwrap());
            }
            let shown = Lines::of(File::from(console.receive())).rest();
            let code = wait(pid_in(&pid_file));
            return Ok(Seen { code, output: shown, errors: String::new() });
        }
        command.arg(&self.name.id);
        let done = output(command);
        let errors = String::from_utf8_lossy(&done.stderr).into_owned();
        if errors.contains("level=error") {
            return Err(errors);
        }
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        Ok(Seen { code: done.status.code().unwrap_or(-1), output: shown, errors })
    }

    fn signal(&mut self, signal: i32, all: bool) -> Done<()> {
        let signal = signal.to_string();
        let mut arguments = vec!["kill"];
        if all {
            arguments.push("--all");
        }
        arguments.extend([self.name.id.as_str(), &signal]);
        self.order(&arguments)
    }

    fn pause(&mut self) -> Done<()> {
        self.order(&["pause", &self.name.id])
    }

    fn resume(&mut self) -> Done<()> {
        self.order(&["resume", &self.name.id])
    }

    fn status(&mut self) -> String {
        let done = output(self.name.runc(&["state", &self.name.id]));
        let state: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        state["status"].as_str().unwrap_or("gone").to_owned()
    }

    fn wait(&mut self) -> i32 {
        *self.code.get_or_insert_with(|| wait(self.pid))
    }

    fn delete(&mut self) -> Done<()> {
        self.order(&["delete", "--force", &self.name.id])
    }

    fn output(&mut self) -> &mut Lines {
        &mut self.lines
    }
}
