//! How fast calls are answered, and streams move.

use kata_agent_api::agent::{GuestDetailsRequest, ListInterfacesRequest};
use kata_agent_api::health::CheckRequest;
use kata_agent_api::health_ttrpc::HealthClient;
use tokio::time::Instant;

use super::measured::{Stream, Timed};
use crate::container::{Container, Wanted};
use crate::guest::{Guest, client};
use crate::trouble::{Trouble, call, equal};

/// Bytes of a stream that are moved at once, as runtimes do.
const PIECE: u32 = 32 << 10;

/// Runs something `count` times, each time with its own time.
macro_rules! timed {
    ($name:literal, $count:expr, $call:expr) => {{
        let mut times = Vec::new();
        for _ in 0..$count {
            let begun = Instant::now();
            $call.await.map_err(call($name))?;
            times.push(begun.elapsed());
        }
        Timed::new($name, &times)
    }};
}

/// Questions to the agent that need no container.
pub(super) async fn calls(guest: &Guest, count: u32) -> Result<Vec<Timed>, Trouble> {
    let health = HealthClient::new(client(&guest.setting).await?);
    let (check, details) = (CheckRequest::new(), GuestDetailsRequest::new());
    let links = ListInterfacesRequest::new();
    Ok(vec![
        timed!("Health.Check", count, health.check(guest.soon(), &check)),
        timed!("Health.Version", count, health.version(guest.soon(), &check)),
        timed!("GetGuestDetails", count, guest.rpc.get_guest_details(guest.soon(), &details)),
        timed!("ListInterfaces", count, guest.rpc.list_interfaces(guest.soon(), &links)),
    ])
}

/// A question about a container.
pub(super) async fn stats(
    guest: &Guest,
    container: &Container<'_>,
    count: u32,
) -> Result<Timed, Trouble> {
    let request = kata_agent_api::agent::StatsContainerRequest {
        container_id: container.id.clone(),
        ..Default::default()
    };
    Ok(timed!("StatsContainer", count, guest.rpc.stats_container(guest.soon(), &request)))
}

/// Both directions, each to the last byte.
pub(super) async fn streams(guest: &Guest, bytes: u32) -> Result<Vec<Stream>, Trouble> {
    Ok(vec![output(guest, bytes).await?, input(guest, bytes).await?])
}

async fn output(guest: &Guest, bytes: u32) -> Result<Stream, Trouble> {
    let size = bytes.to_string();
    let wanted = Wanted::program("bench-output", &["head", "-c", &size, "/dev/zero"]);
    let container = wanted.start(guest).await?;
    let begun = Instant::now();
    let all = container.first().read_in(false, PIECE).await?;
    let took = begun.elapsed();
    equal("bytes of output", &all.len(), &(bytes as usize))?;
    equal("the exit code", &container.first().wait().await?, &0)?;
    container.remove().await?;
    Ok(stream("stdout", bytes, took))
}

async fn input(guest: &Guest, bytes: u32) -> Result<Stream, Trouble> {
    let container = Wanted::program("bench-input", &["wc", "-c"]).start(guest).await?;
    let (process, piece) = (container.first(), vec![b'x'; PIECE as usize]);
    let begun = Instant::now();
    let mut left = bytes as usize;
    while left > 0 {
        let piece = piece.get(..left).unwrap_or(&piece);
        process.write(piece).await?;
        left -= piece.len();
    }
    process.write(b"").await?;
    // It counts to the end before it says how many there were.
    let ended = process.ended().await?;
    let took = begun.elapsed();
    equal("bytes of input", &ended.out.trim(), &bytes.to_string().as_str())?;
    container.remove().await?;
    Ok(stream("stdin", bytes, took))
}

fn stream(name: &str, bytes: u32, took: std::time::Duration) -> Stream {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    Stream { name: name.to_owned(), bytes: bytes.into(), micros }
}
