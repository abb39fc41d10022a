//! Neighbours: who has which address on a link, told instead of asked for.

use kata_agent_api::types::ARPNeighbor;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{NeighbourFlags, NeighbourHeader, NeighbourState};
use nix::libc;

use super::interface::octets;
use super::link::{self, Link};
use super::socket::{Socket, attribute};
use super::{NetworkError, field, refused};

/// Adds neighbours, or replaces those with the same address. All fields are checked
/// before anything is changed. A state of 0 is that of one which is there for ever.
///
/// # Errors
///
/// [`NetworkError`].
pub fn add_neighbors(neighbors: &[ARPNeighbor]) -> Result<(), NetworkError> {
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    let links = link::all(&mut socket)?;
    let parse = |(index, neighbor)| Wanted::of(index, neighbor, &links);
    let wanted: Vec<Wanted> = neighbors.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    for neighbor in &wanted {
        let mut attributes = vec![attribute(libc::NDA_DST, &neighbor.address)];
        if let Some(mac) = &neighbor.mac {
            attributes.push(attribute(libc::NDA_LLADDR, mac));
        }
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        socket
            .change(libc::RTM_NEWNEIGH, flags, &neighbor.header, &attributes)
            .map_err(refused(format!("can't add the neighbour {}", neighbor.name)))?;
    }
    Ok(())
}

pub(super) struct Wanted {
    header: NeighbourHeader,
    address: Vec<u8>,
    mac: Option<field::Mac>,
    /// For people.
    name: String,
}

impl Wanted {
    pub(super) fn of(
        index: usize,
        neighbor: &ARPNeighbor,
        links: &[Link],
    ) -> Result<Self, NetworkError> {
        let path = |name: &str| format!("neighbors[{index}].{name}");
        let to = neighbor
            .toIPAddress
            .as_ref()
            .ok_or_else(|| field::wrong(&path("toIPAddress"), "there is none"))?;
        let address = field::address(&path("toIPAddress.address"), &to.address, to.family)?;
        let mac = match neighbor.lladdr.as_str() {
            "" => None,
            text => Some(field::mac(&path("lladdr"), text)?),
        };
        let state = match u16::try_from(neighbor.state) {
            Ok(0) => NeighbourState::Permanent,
            Ok(state) => NeighbourState::from(state),
            Err(_) => {
                return Err(field::wrong(&path("state"), format!("{} is none", neighbor.state)));
            }
        };
        let flags = u8::try_from(neighbor.flags)
            .map_err(|_| field::wrong(&path("flags"), format!("{} are none", neighbor.flags)))?;
        let device = field::link_name(&path("device"), &neighbor.device)?;
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let header = NeighbourHeader {
            family,
            ifindex: link::named(links, device)?.index,
            state,
            flags: NeighbourFlags::from_bits_retain(flags),
            ..NeighbourHeader::default()
        };
        Ok(Self { header, address: octets(address), mac, name: format!("{address} on {device}") })
    }
}
