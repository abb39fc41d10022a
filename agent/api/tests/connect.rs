//! Every way in which a connection to an agent can fail, told apart, and the
//! hybrid handshake, against sockets made here.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![cfg(feature = "client")]

use std::time::Duration;

use kata_agent_api::connect::{ConnectError, connect};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn listen() -> (TempDir, UnixListener, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let address = format!("hvsock://{}:1024", path.display());
    (folder, listener, address)
}

async fn connect_error(address: &str, deadline: Duration) -> ConnectError {
    match connect(address, deadline).await {
        Ok(_) => panic!("{address} must not connect"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn missing_and_refused_differ() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let address = format!("unix://{}", path.display());
    let error = connect_error(&address, LONG).await;
    assert!(matches!(error, ConnectError::SocketMissing(_)), "{error:?}");
    assert!(error.is_transient());

    drop(UnixListener::bind(&path).unwrap());
    let error = connect_error(&address, LONG).await;
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn closed_handshake_means_nobody_listens_in_the_guest() {
    let (_folder, listener, address) = listen();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        assert_eq!(line, "CONNECT 1024\n");
    });
    let error = connect_error(&address, LONG).await;
    assert!(matches!(error, ConnectError::HandshakeClosed { port: 1024 }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (_folder, _listener, address) = listen();
    let error = connect_error(&address, SHORT).await;
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_answer_is_shown_and_bounded() {
    for (answer, shown) in [("NO\n".to_owned(), "NO".len()), ("x".repeat(4096), 64)] {
        let (_folder, listener, address) = listen();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The client may hang up in the middle of a long answer.
            let _ = stream.write_all(answer.as_bytes()).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        match connect_error(&address, LONG).await {
            ConnectError::HandshakeAnswer(text) => assert_eq!(text.len(), shown),
            other => panic!("{other:?}"),
        }
        server.await.unwrap();
    }
}

#[tokio::test]
async fn bytes_after_the_handshake_are_left_alone() {
    let (_folder, listener, address) = listen();
    let server = tokio::spawn(async move {
        let (mut stream, _): (UnixStream, _) = listener.accept().await.unwrap();
        stream.write_all(b"OK 1073741824\n").await.unwrap();
        let mut request = vec![0; "CONNECT 1024\n".len() + 10];
        stream.read_exact(&mut request).await.unwrap();
        request
    });
    let client = connect(&address, LONG).await.unwrap();
    let health = kata_agent_api::health_ttrpc::HealthClient::new(client);
    let call = tokio::spawn(async move {
        let context = ttrpc::context::with_timeout(20_000_000_000);
        health.check(context, &kata_agent_api::health::CheckRequest::new()).await
    });
    let request = server.await.unwrap();
    // A ttRPC frame: length, stream 1, type request.
    assert_eq!(&request[17..23], &[0, 0, 0, 1, 1, 0]);
    assert!(call.await.unwrap().is_err(), "the server hung up");
}
