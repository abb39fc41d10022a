//! Commands as typed, turned into what they mean. Sends nothing.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use kata_agent_api::connect::{AddressError, ConnectError};
use protobuf::MessageDyn;

use crate::bundle::BundleError;
use crate::catalogue::{self, Method};
use crate::request::{self, RequestError};

/// A script longer than this is a mistake.
const LARGEST_SCRIPT: u64 = 8 << 20;

/// Names of the commands that are no RPCs.
pub const BUILT_IN: [&str; 5] = ["echo", "help", "list", "quit", "sleep"];

/// One thing to do.
pub enum Command {
    /// Print a text.
    Echo(String),
    /// Print the commands there are, or the fields of one.
    Help(Option<Method>),
    /// Print the names of all RPCs.
    List,
    /// Stop here.
    Quit,
    /// Wait.
    Sleep(Duration),
    /// Call an RPC.
    Call(Box<Method>, Box<dyn MessageDyn>),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be understood.
    #[error(transparent)]
    Address(AddressError),
    /// There is no such command.
    #[error("there is no command {name:?}{}", hint(.nearest.as_deref()))]
    Unknown {
        /// As typed.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// An argument of a built-in command.
    #[error("{0}")]
    Argument(String),
    /// The request of an RPC can't be understood.
    #[error("{method}")]
    Request {
        /// Name of the RPC.
        method: String,
        /// What is wrong with the request.
        source: RequestError,
    },
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The agent, or the way to it, said no.
    #[error("{method} failed: {reason}")]
    Call {
        /// Name of the RPC.
        method: String,
        /// Status and message.
        reason: String,
    },
    /// The answer makes no sense.
    #[error("{method} was answered with something that can't be read: {reason}")]
    Answer {
        /// Name of the RPC.
        method: String,
        /// Why.
        reason: String,
    },
    /// The bundle can't be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A script of commands can't be read.
    #[error("can't read the script {path}")]
    Script {
        /// As typed.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a script.
    #[error("{path}:{line}")]
    Line {
        /// The script.
        path: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Standard input or output, or what they are connected to.
    #[error("the console is lost")]
    Terminal(#[source] std::io::Error),
    /// No runtime.
    #[error("can't start")]
    Runtime(#[source] std::io::Error),
}

impl Error {
    /// Whether the caller typed something wrong.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Address(_)
                | Self::Unknown { .. }
                | Self::Argument(_)
                | Self::Request { .. }
                | Self::Bundle(_)
                | Self::Script { .. }
                | Self::Line { .. }
        )
    }

    /// The agent said no.
    pub fn call(method: &str, error: &ttrpc::Error) -> Self {
        let reason = match error {
            ttrpc::Error::RpcStatus(status) => format!("{:?}: {}", status.code(), status.message),
            other => other.to_string(),
        };
        Self::Call { method: method.to_owned(), reason }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; list shows them all".to_owned(),
        |name| format!("; did you mean {name}?"),
    )
}

/// Reads one command.
pub fn parse(text: &str) -> Result<Command, Error> {
    let text = text.trim();
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match name {
        "echo" => Ok(Command::Echo(rest.to_owned())),
        "list" => Ok(Command::List),
        "quit" => Ok(Command::Quit),
        "help" if rest.is_empty() => Ok(Command::Help(None)),
        "help" => Ok(Command::Help(Some(method(rest)?))),
        "sleep" => Ok(Command::Sleep(duration(rest)?)),
        name => {
            let method = method(name)?;
            let request = request::build(&method.request, rest)
                .map_err(|source| Error::Request { method: method.name.clone(), source })?;
            Ok(Command::Call(Box::new(method), request))
        }
    }
}

/// Reads a script: a command a line, blank lines and `#` comments apart.
pub fn script(path: &str) -> Result<Vec<Command>, Error> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        if path == "-" {
            std::io::stdin().take(LARGEST_SCRIPT).read_to_string(&mut text)?;
        } else {
            File::open(path)?.take(LARGEST_SCRIPT).read_to_string(&mut text)?;
        }
        Ok(text)
    };
    let text = read().map_err(|source| Error::Script { path: path.to_owned(), source })?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let commands = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    commands
        .map(|(line, text)| {
            parse(text).map_err(|source| Error::Line {
                path: path.to_owned(),
                line,
                source: Box::new(source),
            })
        })
        .collect()
}

fn method(name: &str) -> Result<Method, Error> {
    catalogue::find(name).ok_or_else(|| {
        let methods = catalogue::methods();
        let names = methods.iter().map(|method| method.name.as_str()).chain(BUILT_IN);
        let nearest = catalogue::nearest(name, names).map(str::to_owned);
        Error::Unknown { name: name.to_owned(), nearest }
    })
}

/// Seconds, or a number with the unit `ms`, `s` or `m`.
fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::Argument(format!("sleep {text:?}: give seconds, or 10ms, 10s, 10m"));
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match parse(text) {
            Ok(_) => panic!("{text} must be refused"),
            Err(error) => {
                assert!(error.is_usage());
                crate::chain(&error)
            }
        }
    }

    #[test]
    fn unknown_commands_get_the_nearest_name() {
        assert_eq!(error("CopyFil"), "there is no command \"CopyFil\"; did you mean CopyFile?");
        assert_eq!(error("slep 1"), "there is no command \"slep\"; did you mean sleep?");
        assert!(error("frobnicate").contains("list shows them all"));
    }

    #[test]
    fn sleeping_takes_units() {
        assert_eq!(duration("15").unwrap(), Duration::from_secs(15));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        assert_eq!(duration("7ms").unwrap(), Duration::from_millis(7));
        assert!(error("sleep soon").contains("soon"));
    }

    #[test]
    fn wrong_fields_are_named() {
        let text = error("CopyFile pth=/a");
        assert_eq!(
            text,
            "CopyFile: there is no field \"pth\" in grpc.CopyFileRequest; did you mean path?"
        );
    }
}
