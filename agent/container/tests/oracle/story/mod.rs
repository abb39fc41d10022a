//! A container step by step: made, started, entered, stopped. The same steps for both
//! runtimes, and what each step says.

mod ours;
mod runc;
mod terminal;

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::case::{Case, Seen};
use crate::runtimes::{PATIENCE, Which};

/// What was asked for, or why it failed.
pub type Done<T> = Result<T, String>;

/// A container that was made.
pub trait Story {
    fn start(&mut self) -> Done<()>;
    /// Runs one more program to its end.
    fn exec(&mut self, process: &Value) -> Done<Seen>;
    /// Sends a signal to the first process, or to all.
    fn signal(&mut self, signal: i32, all: bool) -> Done<()>;
    fn pause(&mut self) -> Done<()>;
    fn resume(&mut self) -> Done<()>;
    /// The state's name in the OCI spec.
    fn status(&mut self) -> String;
    /// Waits for the end of the first process.
    fn wait(&mut self) -> i32;
    fn delete(&mut self) -> Done<()>;
    /// What the first process shows.
    fn output(&mut self) -> &mut Lines;
    /// The next line of it.
    fn line(&mut self) -> String {
        self.output().next()
    }
}

/// Makes a container of a case.
pub fn create(case: &Case, which: Which) -> Done<Box<dyn Story>> {
    let bundle = case.make();
    Ok(match which {
        Which::Runc => Box::new(runc::create(case, &bundle)?),
        Which::Ours => Box::new(ours::create(case, &bundle)?),
    })
}

/// Makes a container of a case and starts it.
pub fn begin(case: &Case, which: Which) -> Box<dyn Story> {
    let mut story = create(case, which).unwrap_or_else(|error| panic!("{which:?}: {error}"));
    story.start().unwrap_or_else(|error| panic!("{which:?}: {error}"));
    story
}

/// Lines that come from a process, each waited for.
pub struct Lines(Receiver<String>);

impl Lines {
    pub fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            // A terminal ends with an error when its last user has gone.
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    fn next(&mut self) -> String {
        self.0.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line comes: {error}"))
    }

    /// All up to the end.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => text.push_str(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return text,
                Err(error) => panic!("the output does not end: {error}"),
            }
        }
    }
}
