//! Interfaces: a link with its addresses, as the host wants it and as it is.

use std::net::IpAddr;

use kata_agent_api::types::{IPAddress, IPFamily, Interface};
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_core::NLM_F_REPLACE;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressHeader, AddressHeaderFlags};
use netlink_packet_route::link::LinkFlags;
use nix::errno::Errno;
use nix::libc;

use super::field::{Mac, broadcast, show_mac};
use super::link::Link;
use super::socket::{Socket, attribute, attributes, number};
use super::{NetworkError, field, link, refused, turn};

/// Bytes of the header before an address' attributes.
const HEADER: usize = 8;

/// Says 1 where the guest has IPv6 switched off.
const IPV6_OFF: &str = "/proc/sys/net/ipv6/conf/all/disable_ipv6";

/// Flags of a link that a host may ask for; the others are the kernel's, or are set
/// in another way.
const TAKEN_FLAGS: LinkFlags =
    LinkFlags::Noarp.union(LinkFlags::Promisc).union(LinkFlags::Allmulti);

/// What a request asks for, once all of it makes sense.
struct Wanted {
    name: String,
    mac: Option<Mac>,
    mtu: Option<u32>,
    flags: LinkFlags,
    addresses: Vec<(IpAddr, u8)>,
}

impl Wanted {
    fn of(request: &Interface) -> Result<Self, NetworkError> {
        let name = field::link_name("name", &request.name)?.to_owned();
        let mac = match request.hwAddr.as_str() {
            "" => None,
            text => Some(field::mac("hwAddr", text)?),
        };
        let mtu = match u32::try_from(request.mtu) {
            // Runtimes that do not care send nothing.
            Ok(0) => None,
            Ok(mtu) if i32::try_from(mtu).is_ok() => Some(mtu),
            _ => {
                return Err(field::wrong("mtu", format!("{} is no size of a packet", request.mtu)));
            }
        };
        let mut addresses = Vec::new();
        for (index, entry) in request.IPAddresses.iter().enumerate() {
            let path = format!("IPAddresses[{index}]");
            let address = field::address(&format!("{path}.address"), &entry.address, entry.family)?;
            let mask = field::mask(&format!("{path}.mask"), &entry.mask, address)?;
            addresses.push((address, mask));
        }
        let flags = LinkFlags::from_bits_retain(request.raw_flags) & TAKEN_FLAGS;
        Ok(Self { name, mac, mtu, flags, addresses })
    }

    /// The link to work on, by its MAC address or else by its name, and whether it
    /// is to get the MAC address still.
    fn find(&self, links: &[Link]) -> Result<(Link, bool), NetworkError> {
        let by_mac = |mac: &Mac| {
            // A bridge has the address of one of its ports: the name decides.
            let mut same = links.iter().filter(|link| link.mac == mac);
            let first = same.next()?;
            Some(std::iter::once(first).chain(same).find(|l| l.name == self.name).unwrap_or(first))
        };
        let found = self.mac.as_ref().and_then(by_mac);
        if let Some(found) = found {
            return Ok((found.clone(), false));
        }
        match (links.iter().find(|link| link.name == self.name), &self.mac) {
            (Some(found), mac) => Ok((found.clone(), mac.is_some())),
            (None, None) => Err(link::missing(links, format!("with the name {}", self.name))),
            (None, Some(mac)) => Err(link::missing(
                links,
                format!("with the address {} or the name {}", show_mac(mac), self.name),
            )),
        }
    }
}

/// Whether all of a request makes sense, and what does is in its bounds.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn check(request: &Interface) {
    let Ok(wanted) = Wanted::of(request) else { return };
    assert!(wanted.name.len() < 16 && !wanted.name.contains('/'));
    assert!(wanted.addresses.iter().all(|(ip, mask)| *mask <= if ip.is_ipv4() { 32 } else { 128 }));
}

/// Makes a link what `request` says and returns what it is then. All fields are
/// checked before anything is changed; the device must be there already.
///
/// # Errors
///
/// [`NetworkError`].
pub fn update_interface(request: &Interface) -> Result<Interface, NetworkError> {
    let wanted = Wanted::of(request)?;
    let _turn = turn();
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    let mut links = link::all(&mut socket)?;
    let (mut link, set_mac) = wanted.find(&links)?;
    // A device keeps its name and address while it is in use.
    if link.is_up() {
        link.set_up(&mut socket, false)?;
        link.flags.remove(LinkFlags::Up);
    }
    if let Some(mac) = wanted.mac.filter(|_| set_mac) {
        link.set(&mut socket, attribute(libc::IFLA_ADDRESS, &mac))
            .map_err(refused(format!("can't set the address of the link {}", link.name)))?;
    }
    if link.name != wanted.name {
        rename(&mut socket, &mut links, &mut link, &wanted.name)?;
    }
    // Before the addresses: IPv6 has a least size of packets.
    if let Some(mtu) = wanted.mtu {
        link.set(&mut socket, attribute(libc::IFLA_MTU, &mtu.to_ne_bytes()))
            .map_err(refused(format!("can't set the MTU {mtu} of the link {}", link.name)))?;
    }
    for old in addresses(&mut socket)?.iter().filter(|old| old.index == link.index) {
        old.remove(&mut socket, &link.name)?;
    }
    let no_ipv6 = std::fs::read_to_string(IPV6_OFF).map_or(true, |text| text.trim() == "1");
    for (address, mask) in &wanted.addresses {
        if address.is_ipv6() && no_ipv6 {
            log::warn!("{address} is left out of {}: IPv6 is off in the guest", link.name);
            continue;
        }
        add(&mut socket, &link, *address, *mask)?;
    }
    if !wanted.flags.is_empty() {
        link.add_flags(&mut socket, wanted.flags)?;
    }
    link.set_up(&mut socket, true)?;
    let now = list(&mut socket)?;
    let answer = now.into_iter().find(|(index, _)| *index == link.index);
    let (_, mut answer) =
        answer.ok_or_else(|| link::missing(&links, format!("{} any more", wanted.name)))?;
    answer.devicePath.clone_from(&request.devicePath);
    Ok(answer)
}

/// Gives `link` the name. Another link that has it gets the name that gets free.
fn rename(
    socket: &mut Socket,
    links: &mut [Link],
    link: &mut Link,
    name: &str,
) -> Result<(), NetworkError> {
    let mut names = (0..).map(|number| format!("moved{number}"));
    let free = names.find(|free| links.iter().all(|link| link.name != *free));
    let (old, Some(free)) = (link.name.clone(), free) else { return Ok(()) };
    let other = links.iter_mut().find(|link| link.name == name);
    let Some(other) = other else { return link.rename(socket, name) };
    other.rename(socket, &free)?;
    link.rename(socket, name)?;
    other.rename(socket, &old)
}

/// All interfaces, in the kernel's order.
///
/// # Errors
///
/// [`NetworkError::Kernel`].
pub fn list_interfaces() -> Result<Vec<Interface>, NetworkError> {
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    Ok(list(&mut socket)?.into_iter().map(|(_, interface)| interface).collect())
}

/// All interfaces with their indexes.
fn list(socket: &mut Socket) -> Result<Vec<(u32, Interface)>, NetworkError> {
    let links = link::all(socket)?;
    let addresses = addresses(socket)?;
    let describe = |link: Link| {
        let own = addresses.iter().filter(|address| address.index == link.index);
        let interface = Interface {
            IPAddresses: own.filter_map(Address::describe).collect(),
            device: link.name.clone(),
            name: link.name,
            mtu: link.mtu.into(),
            hwAddr: show_mac(&link.mac),
            type_: link.kind,
            raw_flags: (link.flags & TAKEN_FLAGS).bits(),
            ..Interface::default()
        };
        (link.index, interface)
    };
    Ok(links.into_iter().map(describe).collect())
}

/// One address of a link.
struct Address {
    index: u32,
    length: u8,
    /// Its own one, which on a line between two points is not that of the network.
    local: Option<IpAddr>,
    /// As the kernel has written it.
    body: Vec<u8>,
}

impl Address {
    fn parse(body: Vec<u8>) -> Option<Self> {
        let (index, length) = (number(body.get(4..)?)?, *body.get(1)?);
        let (mut local, mut network) = (None, None);
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                libc::IFA_LOCAL => local = ip(value),
                libc::IFA_ADDRESS => network = ip(value),
                _ => {}
            }
        }
        Some(Self { index, length, local: local.or(network), body })
    }

    fn describe(&self) -> Option<IPAddress> {
        let local = self.local?;
        let family = if local.is_ipv4() { IPFamily::v4 } else { IPFamily::v6 };
        Some(IPAddress {
            family: family.into(),
            address: local.to_string(),
            mask: self.length.to_string(),
            ..IPAddress::default()
        })
    }

    fn remove(&self, socket: &mut Socket, link: &str) -> Result<(), NetworkError> {
        match socket.change_raw(libc::RTM_DELADDR, 0, &self.body) {
            // It went with the one before: the kernel takes away those that depend.
            Err(gone) if gone.is(Errno::EADDRNOTAVAIL) => Ok(()),
            other => other.map_err(refused(format!("can't take an old address off {link}"))),
        }
    }
}

fn addresses(socket: &mut Socket) -> Result<Vec<Address>, NetworkError> {
    let bodies = socket
        .list(libc::RTM_GETADDR, &AddressHeader::default())
        .map_err(refused("can't list the addresses"))?;
    Ok(bodies.into_iter().filter_map(Address::parse).collect())
}

fn add(socket: &mut Socket, link: &Link, address: IpAddr, length: u8) -> Result<(), NetworkError> {
    let bytes = octets(address);
    let mut all = vec![attribute(libc::IFA_LOCAL, &bytes), attribute(libc::IFA_ADDRESS, &bytes)];
    let mut header =
        AddressHeader { prefix_len: length, index: link.index, ..AddressHeader::default() };
    match address {
        IpAddr::V4(v4) => {
            header.family = AddressFamily::Inet;
            if length < 31 {
                all.push(attribute(libc::IFA_BROADCAST, &broadcast(v4, length).octets()));
            }
        }
        IpAddr::V6(_) => {
            header.family = AddressFamily::Inet6;
            // Whoever gave the address to the host's side has made sure that it is
            // unique; until the kernel had done so again, no route could name it.
            header.flags = AddressHeaderFlags::Nodad;
        }
    }
    socket
        .change(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &header, &all)
        .map_err(refused(format!("can't give {address}/{length} to {}", link.name)))
}

/// An address of either family.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        16 => bytes.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
