//! What has gone over each link.

use kata_agent_api::agent::NetworkStats;

use super::socket::Socket;
use super::{NetworkError, link, refused};

/// The counts of all links but the loopback, in the kernel's order.
///
/// # Errors
///
/// [`NetworkError::Kernel`].
pub fn link_counts() -> Result<Vec<NetworkStats>, NetworkError> {
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    let links = link::all(&mut socket)?.into_iter().filter(|link| !link.is_loopback());
    let describe = |link: link::Link| {
        let [
            rx_packets,
            tx_packets,
            rx_bytes,
            tx_bytes,
            rx_errors,
            tx_errors,
            rx_dropped,
            tx_dropped,
        ] = link.counts;
        NetworkStats {
            name: link.name,
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
            ..NetworkStats::default()
        }
    };
    Ok(links.map(describe).collect())
}
