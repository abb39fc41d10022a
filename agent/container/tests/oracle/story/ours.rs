//! The steps as lines to our runner, which keeps the container.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::{Value, json};

use super::{Done, Lines, Story};
use crate::case::{Case, Seen};
use crate::runtimes::{Name, Which};

pub struct Ours {
    runner: Child,
    orders: Option<ChildStdin>,
    answers: Lines,
    lines: Lines,
    /// Last, so that what is left goes when the runner has ended.
    _name: Name,
}

pub fn create(case: &Case, bundle: &Path) -> Done<Ours> {
    let name = Name::new(Which::Ours, case.folder());
    let mut command = name.ours("serve", bundle);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut runner = command.spawn().expect("the runner is there");
    let mut ours = Ours {
        orders: runner.stdin.take(),
        answers: Lines::of(runner.stdout.take().unwrap()),
        lines: Lines::of(runner.stderr.take().unwrap()),
        runner,
        _name: name,
    };
    ours.answer().map(|_| ours)
}

impl Ours {
    fn answer(&mut self) -> Done<Value> {
        let answer = self.answers.next();
        let mut answer: Value = serde_json::from_str(&answer).expect("the runner answers in JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    fn order(&mut self, order: &Value) -> Done<Value> {
        let mut orders = self.orders.as_ref().expect("it is there up to the end");
        writeln!(orders, "{order}").expect("the runner listens");
        self.answer()
    }

    fn simply(&mut self, word: &str) -> Done<()> {
        self.order(&json!({"do": word})).map(drop)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // Its input's end is the runner's end; a failed test may leave it in mid-order.
        drop(self.orders.take());
        let _ = self.runner.kill();
        let _ = self.runner.wait();
    }
}

impl Story for Ours {
    fn start(&mut self) -> Done<()> {
        self.simply("start")
    }

    fn exec(&mut self, process: &Value) -> Done<Seen> {
        let seen = self.order(&json!({"do": "exec", "process": process}))?;
        let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
        let code = i32::try_from(seen["code"].as_i64().unwrap_or(-1)).unwrap();
        Ok(Seen { code, output: text("output"), errors: text("errors") })
    }

    fn signal(&mut self, signal: i32, all: bool) -> Done<()> {
        self.order(&json!({"do": "signal", "signal": signal, "all": all})).map(drop)
    }

    fn pause(&mut self) -> Done<()> {
        self.simply("pause")
    }

    fn resume(&mut self) -> Done<()> {
        self.simply("resume")
    }

    fn status(&mut self) -> String {
        let status = self.order(&json!({"do": "status"})).expect("there is one");
        status.as_str().unwrap_or_default().to_owned()
    }

    fn wait(&mut self) -> i32 {
        let code = self.order(&json!({"do": "wait"})).expect("it ends");
        i32::try_from(code.as_i64().unwrap()).unwrap()
    }

    fn delete(&mut self) -> Done<()> {
        self.simply("delete")
    }

    fn output(&mut self) -> &mut Lines {
        &mut self.lines
    }
}
