//! The links that the kernel has, and changes of one of them.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use nix::errno::Errno;
use nix::libc;

use super::field::show_mac;
use super::socket::{Refused, Socket, attribute, attributes, number, text};
use super::{NetworkError, refused};

/// Bytes of the header before a link's attributes.
const HEADER: usize = 16;

/// One link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub index: u32,
    pub name: String,
    pub mac: Vec<u8>,
    pub mtu: u32,
    pub flags: LinkFlags,
    /// Kind of a virtual link, such as `veth`; empty for the others.
    pub kind: String,
    /// Packets received and sent, then bytes, errors and drops, as the kernel has
    /// them one after another.
    pub counts: [u64; 8],
}

impl Link {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let header = body.get(..HEADER)?;
        let mut link = Self {
            index: number(header.get(4..)?)?,
            flags: LinkFlags::from_bits_retain(number(header.get(8..)?)?),
            ..Self::default()
        };
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                libc::IFLA_IFNAME => link.name = text(value),
                libc::IFLA_ADDRESS => link.mac = value.to_vec(),
                libc::IFLA_MTU => link.mtu = number(value)?,
                libc::IFLA_STATS64 => {
                    let (numbers, _) = value.as_chunks::<8>();
                    for (count, number) in link.counts.iter_mut().zip(numbers) {
                        *count = u64::from_ne_bytes(*number);
                    }
                }
                libc::IFLA_LINKINFO => {
                    let kind = attributes(value).find(|(kind, _)| *kind == libc::IFLA_INFO_KIND);
                    link.kind = kind.map(|(_, value)| text(value)).unwrap_or_default();
                }
                _ => {}
            }
        }
        Some(link)
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.flags.contains(LinkFlags::Loopback)
    }

    pub(super) fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::Up)
    }

    fn header(&self) -> LinkHeader {
        LinkHeader { index: self.index, ..LinkHeader::default() }
    }

    pub(super) fn set_up(&self, socket: &mut Socket, up: bool) -> Result<(), NetworkError> {
        let mut header = self.header();
        header.flags.set(LinkFlags::Up, up);
        header.change_mask = LinkFlags::Up;
        let state = if up { "up" } else { "down" };
        socket
            .change(libc::RTM_SETLINK, 0, &header, &[])
            .map_err(refused(format!("can't set the link {} {state}", self.name)))
    }

    /// Switches flags on; none is switched off.
    pub(super) fn add_flags(
        &self,
        socket: &mut Socket,
        flags: LinkFlags,
    ) -> Result<(), NetworkError> {
        let header = LinkHeader { flags, change_mask: flags, ..self.header() };
        socket
            .change(libc::RTM_SETLINK, 0, &header, &[])
            .map_err(refused(format!("can't set the flags of the link {}", self.name)))
    }

    pub(super) fn set(&self, socket: &mut Socket, what: DefaultNla) -> Result<(), Refused> {
        socket.change(libc::RTM_SETLINK, 0, &self.header(), &[what])
    }

    /// Gives the link another name. Older kernels want it to be down for that; it is
    /// up again afterwards if it was before.
    pub(super) fn rename(&mut self, socket: &mut Socket, name: &str) -> Result<(), NetworkError> {
        let failed = || refused(format!("can't rename the link {} to {name}", self.name));
        let new_name = || attribute(libc::IFLA_IFNAME, format!("{name}\0").as_bytes());
        match self.set(socket, new_name()) {
            Err(busy) if busy.is(Errno::EBUSY) && self.is_up() => {
                self.set_up(socket, false)?;
                let renamed = self.set(socket, new_name());
                self.set_up(socket, true)?;
                renamed.map_err(failed())?;
            }
            other => other.map_err(failed())?,
        }
        name.clone_into(&mut self.name);
        Ok(())
    }
}

/// All links, in the kernel's order.
pub(super) fn all(socket: &mut Socket) -> Result<Vec<Link>, NetworkError> {
    let bodies = socket
        .list(libc::RTM_GETLINK, &LinkHeader::default())
        .map_err(refused("can't list the links"))?;
    Ok(bodies.iter().filter_map(|body| Link::parse(body)).collect())
}

/// The link of a name.
pub(super) fn named<'a>(links: &'a [Link], name: &str) -> Result<&'a Link, NetworkError> {
    links
        .iter()
        .find(|link| link.name == name)
        .ok_or_else(|| missing(links, format!("with the name {name}")))
}

pub(super) fn missing(links: &[Link], wanted: String) -> NetworkError {
    let there: Vec<String> =
        links.iter().map(|link| format!("{} ({})", link.name, show_mac(&link.mac))).collect();
    NetworkError::NoLink { wanted, there: there.join(", ") }
}
