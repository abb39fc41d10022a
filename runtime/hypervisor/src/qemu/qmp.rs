//! QEMU's control protocol: one JSON object a line over a Unix socket.
//!
//! Thin on purpose: it executes a command by name and records events. What an
//! event means to a machine is decided in [`super`]. QEMU is contained, not
//! trusted: lines and the number of events kept are bounded.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The longest line accepted, in bytes.
const LINE_LIMIT: u64 = 1024 * 1024;
/// How many events are kept.
const EVENTS_LIMIT: usize = 1000;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a control command failed.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The socket can't be used.
    #[error("QEMU's control socket failed")]
    Socket(#[source] std::io::Error),
    /// QEMU closed the connection.
    #[error("QEMU closed its control socket")]
    Closed,
    /// QEMU did not answer.
    #[error("QEMU did not answer {0} within 10 s")]
    NoAnswer(String),
    /// What QEMU sent is not the protocol.
    #[error("QEMU's control socket sent something that is not QMP: {0}")]
    Protocol(String),
    /// QEMU refused the command.
    #[error("QEMU refused {command}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's own words.
        description: String,
    },
}

/// One event, as QEMU sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct QmpEvent {
    /// For example `SHUTDOWN`.
    pub name: String,
    /// Its data, or null.
    pub data: Value,
}

/// The events seen, readable while the connection lives and after it.
#[derive(Debug, Clone, Default)]
pub struct EventLog(Arc<Mutex<VecDeque<QmpEvent>>>);

impl EventLog {
    /// All events kept, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<QmpEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, event: QmpEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENTS_LIMIT {
            events.pop_front();
        }
        events.push_back(event);
    }
}

/// An open control connection, past the capabilities handshake.
#[derive(Debug)]
pub struct Qmp {
    calls: tokio::sync::Mutex<Calls>,
    closed: watch::Receiver<bool>,
    reader: JoinHandle<()>,
}

#[derive(Debug)]
struct Calls {
    writer: OwnedWriteHalf,
    replies: mpsc::Receiver<Result<Value, QmpError>>,
    next_id: u64,
}

impl Qmp {
    /// Connects, reads the greeting and leaves negotiation mode. Events go to
    /// `log` from then on.
    ///
    /// # Errors
    /// The socket is not there yet, or does not speak QMP.
    pub async fn connect(path: &Path, log: EventLog) -> Result<Self, QmpError> {
        let stream = UnixStream::connect(path).await.map_err(QmpError::Socket)?;
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let greeting = tokio::time::timeout(PATIENCE, read_message(&mut reader))
            .await
            .map_err(|_| QmpError::NoAnswer("the greeting".into()))??;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Protocol(shortened(&greeting)));
        }
        let (sender, replies) = mpsc::channel(4);
        let (closing, closed) = watch::channel(false);
        let reader = tokio::spawn(async move {
            read_all(reader, &log, &sender).await;
            closing.send_replace(true);
        });
        let calls = tokio::sync::Mutex::new(Calls { writer, replies, next_id: 1 });
        let qmp = Self { calls, closed, reader };
        qmp.execute("qmp_capabilities", Value::Null).await?;
        Ok(qmp)
    }

    /// Executes one command and gives its return value.
    ///
    /// # Errors
    /// QEMU refuses, does not answer, or is gone.
    pub async fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let mut calls = self.calls.lock().await;
        let id = calls.next_id;
        calls.next_id += 1;
        let mut message = json!({ "execute": command, "id": id });
        if !arguments.is_null() {
            message["arguments"] = arguments;
        }
        let line = format!("{message}\n");
        calls.writer.write_all(line.as_bytes()).await.map_err(QmpError::Socket)?;
        let answer = async {
            loop {
                let reply = calls.replies.recv().await.ok_or(QmpError::Closed)??;
                // A reply to a call that was given up earlier is passed over.
                if reply.get("id").and_then(Value::as_u64) == Some(id) {
                    return result_of(command, &reply);
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| Err(QmpError::NoAnswer(command.to_owned())))
    }

    /// Waits until QEMU has closed the connection, so that every event it sent
    /// is in the log.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn result_of(command: &str, reply: &Value) -> Result<Value, QmpError> {
    if let Some(error) = reply.get("error") {
        let description = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(QmpError::Refused { command: command.into(), description: description.into() });
    }
    reply.get("return").cloned().ok_or_else(|| QmpError::Protocol(shortened(reply)))
}

async fn read_all(
    mut reader: BufReader<OwnedReadHalf>,
    log: &EventLog,
    replies: &mpsc::Sender<Result<Value, QmpError>>,
) {
    loop {
        match read_message(&mut reader).await {
            Ok(mut message) => {
                if let Some(name) = message.get("event").and_then(Value::as_str) {
                    let name = name.to_owned();
                    log.push(QmpEvent { name, data: message["data"].take() });
                } else if replies.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Nobody may be waiting for a reply; the closed flag tells the rest.
                let _ = replies.try_send(Err(error));
                return;
            }
        }
    }
}

async fn read_message(reader: &mut BufReader<OwnedReadHalf>) -> Result<Value, QmpError> {
    let mut line = Vec::new();
    let count =
        reader.take(LINE_LIMIT).read_until(b'\n', &mut line).await.map_err(QmpError::Socket)?;
    if count == 0 {
        return Err(QmpError::Closed);
    }
    serde_json::from_slice(&line)
        .map_err(|error| QmpError::Protocol(format!("{error} in a line of {count} bytes")))
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}"#;

    /// A QEMU that sends `GREETING` or other `lines`, answering each command
    /// by the entry of `lines` with the same place.
    async fn fake(
        greeting: &str,
        lines: &'static [&'static str],
    ) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        let greeting = format!("{greeting}\r\n");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut requests = BufReader::new(reader).lines();
            writer.write_all(greeting.as_bytes()).await.unwrap();
            for line in lines {
                let Ok(Some(_)) = requests.next_line().await else { return };
                writer.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            }
        });
        (dir, path)
    }

    #[tokio::test]
    async fn commands_events_and_refusals() {
        let (_dir, path) = fake(
            GREETING,
            &[
                r#"{"return": {}, "id": 1}"#,
                "{\"event\": \"RESUME\"}\n{\"return\": {\"status\": \"running\"}, \"id\": 2}",
                r#"{"error": {"class": "CommandNotFound", "desc": "no such thing"}, "id": 3}"#,
                r#"{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#,
            ],
        )
        .await;
        let log = EventLog::default();
        let qmp = Qmp::connect(&path, log.clone()).await.unwrap();
        let status = qmp.execute("query-status", Value::Null).await.unwrap();
        assert_eq!(status["status"], "running");
        let refused = qmp.execute("fly", json!({"high": true})).await.unwrap_err();
        assert_eq!(refused.to_string(), "QEMU refused fly: no such thing");
        let closed = qmp.execute("quit", Value::Null).await.unwrap_err();
        assert!(matches!(closed, QmpError::Closed), "{closed}");
        qmp.closed().await;
        let names: Vec<_> = log.events().into_iter().map(|event| event.name).collect();
        assert_eq!(names, ["RESUME", "SHUTDOWN"]);
        assert_eq!(log.events()[1].data["reason"], "guest-shutdown");
    }

    #[tokio::test]
    async fn what_is_not_qmp_is_refused() {
        let (_dir, path) = fake("SSH-2.0", &[]).await;
        let error = Qmp::connect(&path, EventLog::default()).await.unwrap_err();
        assert!(matches!(error, QmpError::Protocol(_)), "{error}");
        let (_dir, path) = fake("{}", &[]).await;
        let error = Qmp::connect(&path, EventLog::default()).await.unwrap_err();
        assert!(matches!(error, QmpError::Protocol(_)), "{error}");
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_and_refused() {
        let long = "[".repeat(usize::try_from(LINE_LIMIT).unwrap() + 10);
        let (_dir, path) = fake(&long, &[]).await;
        let error = Qmp::connect(&path, EventLog::default()).await.unwrap_err();
        assert!(matches!(error, QmpError::Protocol(_)), "{error}");
    }
}
