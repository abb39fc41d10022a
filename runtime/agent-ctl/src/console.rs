//! A person, or a script, at the shell of a guest's debug console: bytes go both
//! ways until the shell ends. Knows no RPC.

use std::io::{self, IsTerminal};
use std::time::Duration;

use kata_agent_api::connect::{self, Address};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::command::Error;
use crate::terminal::Raw;

/// Ctrl-], which leaves a guest that does not answer any more.
const ESCAPE: u8 = 0x1d;
/// Ctrl-D: what a person types at the end of the input.
const END_OF_INPUT: u8 = 0x04;

/// Connects standard input and output to the shell at `address`.
pub async fn run(address: &Address, patience: Duration) -> Result<(), Error> {
    let stream = connect::open(address, patience).await?;
    let person = io::stdin().is_terminal();
    let _raw = person.then(Raw::enter).transpose().map_err(Error::Terminal)?;
    if person {
        eprint!("connected to {address}; Ctrl-] leaves\r\n");
    }
    let (mut from, mut to) = tokio::io::split(stream);
    let shown = async {
        let mut out = tokio::io::stdout();
        tokio::io::copy(&mut from, &mut out).await?;
        out.flush().await
    };
    let mut typed = tokio::io::stdin();
    tokio::select! {
        outcome = shown => ended(outcome),
        outcome = type_in(&mut typed, &mut to, person) => ended(outcome),
    }
}

/// A guest that powers off resets the connection, which is an end like another.
fn ended(outcome: io::Result<()>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Terminal),
    }
}

/// Sends what is typed. Ends when a person leaves; a script that has come to its
/// end lets the shell know, and waits for what it still has to say.
async fn type_in(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    person: bool,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).await?;
        let typed = buffer.get(..length).unwrap_or_default();
        if typed.is_empty() {
            to.write_all(&[END_OF_INPUT]).await?;
            return std::future::pending().await;
        }
        let left = typed.iter().position(|byte| person && *byte == ESCAPE);
        to.write_all(typed.get(..left.unwrap_or(length)).unwrap_or_default()).await?;
        if left.is_some() {
            return Ok(());
        }
    }
}
