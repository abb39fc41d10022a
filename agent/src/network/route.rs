//! Routes of the main table, as the host wants them and as they are.

use std::net::IpAddr;

use kata_agent_api::types::{IPFamily, Route};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteFlags, RouteHeader, RouteProtocol, RouteScope, RouteType};
use nix::errno::Errno;
use nix::libc;

use super::interface::{ip, octets};
use super::link::Link;
use super::socket::{Socket, attribute, attributes, nested, number};
use super::{NetworkError, field, link, refused, turn};

/// Bytes of the header before a route's attributes.
const HEADER: usize = 12;

/// A copy of a route that the kernel keeps for itself.
const CLONED: u32 = 0x200;

/// The metric that is a size of packets; in linux/rtnetlink.h.
const RTAX_MTU: u16 = 2;

/// A route to add, once all of it makes sense.
pub(super) struct Wanted {
    header: RouteHeader,
    attributes: Vec<DefaultNla>,
    has_gateway: bool,
    /// For people.
    name: String,
}

impl Wanted {
    pub(super) fn of(index: usize, route: &Route, links: &[Link]) -> Result<Self, NetworkError> {
        let path = |name: &str| format!("routes[{index}].{name}");
        let (destination, length) = field::network(&path("dest"), &route.dest, route.family)?;
        let device = field::link_name(&path("device"), &route.device)?;
        let scope = u8::try_from(route.scope)
            .map_err(|_| field::wrong(&path("scope"), format!("{} is none", route.scope)))?;
        let optional = |name: &str, text: &str| match text {
            "" => Ok(None),
            text => field::address(&path(name), text, route.family).map(Some),
        };
        let gateway = optional("gateway", &route.gateway)?;
        let source = optional("source", &route.source)?;
        // The others say how a route does at the moment.
        let flags = RouteFlags::from_bits_retain(route.flags) & RouteFlags::Onlink;
        if gateway.is_none() && !flags.is_empty() {
            let problem = "a route is on the link only by its gateway, and there is none";
            return Err(field::wrong(&path("flags"), problem));
        }
        let header = RouteHeader {
            address_family: family_of(destination),
            destination_prefix_length: length,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::from(scope),
            kind: RouteType::Unicast,
            flags,
            ..RouteHeader::default()
        };
        let index = link::named(links, device)?.index;
        let mut attributes = vec![attribute(libc::RTA_OIF, &index.to_ne_bytes())];
        if length > 0 {
            attributes.push(attribute(libc::RTA_DST, &octets(destination)));
        }
        if let Some(gateway) = gateway {
            attributes.push(attribute(libc::RTA_GATEWAY, &octets(gateway)));
        }
        if let Some(source) = source {
            attributes.push(attribute(libc::RTA_PREFSRC, &octets(source)));
        }
        if route.mtu > 0 {
            let mtu = attribute(RTAX_MTU, &route.mtu.to_ne_bytes());
            attributes.push(nested(libc::RTA_METRICS, &[mtu]));
        }
        let mut name = format!("{destination}/{length} on {device}");
        if let Some(gateway) = gateway {
            name += &format!(" by {gateway}");
        }
        Ok(Self { header, attributes, has_gateway: gateway.is_some(), name })
    }

    fn add(&self, socket: &mut Socket) -> Result<(), NetworkError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        match socket.change(libc::RTM_NEWROUTE, flags, &self.header, &self.attributes) {
            // The kernel makes the routes to the networks of the addresses by itself.
            Err(there) if there.is(Errno::EEXIST) => {
                log::warn!("there is a route to {} already", self.name);
                Ok(())
            }
            other => other.map_err(refused(format!("can't add the route to {}", self.name))),
        }
    }
}

/// Replaces the routes that came from here before, in the main table, and returns
/// all that are in it then. All fields are checked before anything is changed; when
/// the kernel refuses one, the old ones are there again.
///
/// # Errors
///
/// [`NetworkError`].
pub fn update_routes(routes: &[Route]) -> Result<Vec<Route>, NetworkError> {
    let _turn = turn();
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    let links = link::all(&mut socket)?;
    let wanted = routes.iter().enumerate().map(|(index, route)| Wanted::of(index, route, &links));
    let mut wanted: Vec<Wanted> = wanted.collect::<Result<_, _>>()?;
    // A gateway must be reachable, by one of the others, before it is named.
    wanted.sort_by_key(|route| route.has_gateway);
    let old = ours(&mut socket)?;
    let mut replaced = remove(&mut socket, &old);
    for route in &wanted {
        if replaced.is_ok() {
            replaced = route.add(&mut socket);
        }
    }
    if let Err(error) = replaced {
        restore(&mut socket, &old)?;
        return Err(error);
    }
    describe(&mut socket, &links)
}

/// All routes of the main table.
///
/// # Errors
///
/// [`NetworkError::Kernel`].
pub fn list_routes() -> Result<Vec<Route>, NetworkError> {
    let mut socket = Socket::open().map_err(refused("can't speak to the kernel"))?;
    let links = link::all(&mut socket)?;
    describe(&mut socket, &links)
}

/// A route that the kernel has.
struct Found {
    header: [u8; HEADER],
    /// As the kernel has written it.
    body: Vec<u8>,
}

impl Found {
    /// Only plain routes of the main table.
    fn parse(body: Vec<u8>) -> Option<Self> {
        let header = *body.first_chunk::<HEADER>()?;
        let found = Self { header, body };
        let plain = found.header[4] == RouteHeader::RT_TABLE_MAIN
            && RouteType::from(found.header[7]) == RouteType::Unicast
            && found.flags() & CLONED == 0;
        plain.then_some(found)
    }

    fn flags(&self) -> u32 {
        self.header.last_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    fn is_ours(&self) -> bool {
        RouteProtocol::from(self.header[5]) == RouteProtocol::Boot
    }

    fn has_gateway(&self) -> bool {
        attributes(self.rest()).any(|(kind, _)| kind == libc::RTA_GATEWAY)
    }

    fn rest(&self) -> &[u8] {
        self.body.get(HEADER..).unwrap_or_default()
    }

    /// Routes with more than one way are nothing the API can say.
    fn describe(&self, links: &[Link]) -> Option<Route> {
        let v4 = self.header[0] == u8::from(AddressFamily::Inet);
        let family = if v4 { IPFamily::v4 } else { IPFamily::v6 };
        let mut route = Route {
            family: family.into(),
            scope: self.header[6].into(),
            flags: self.flags() & RouteFlags::Onlink.bits(),
            ..Route::default()
        };
        for (kind, value) in attributes(self.rest()) {
            match kind {
                libc::RTA_DST => route.dest = format!("{}/{}", ip(value)?, self.header[1]),
                libc::RTA_GATEWAY => route.gateway = ip(value)?.to_string(),
                libc::RTA_PREFSRC => route.source = ip(value)?.to_string(),
                libc::RTA_OIF => {
                    let index = number(value)?;
                    route.device.clone_from(&links.iter().find(|link| link.index == index)?.name);
                }
                libc::RTA_METRICS => {
                    let mtu = attributes(value).find(|(kind, _)| *kind == RTAX_MTU);
                    route.mtu = mtu.and_then(|(_, value)| number(value)).unwrap_or(0);
                }
                _ => {}
            }
        }
        (!route.device.is_empty()).then_some(route)
    }
}

fn found(socket: &mut Socket) -> Result<Vec<Found>, NetworkError> {
    let bodies = socket
        .list(libc::RTM_GETROUTE, &RouteHeader::default())
        .map_err(refused("can't list the routes"))?;
    Ok(bodies.into_iter().filter_map(Found::parse).collect())
}

fn describe(socket: &mut Socket, links: &[Link]) -> Result<Vec<Route>, NetworkError> {
    Ok(found(socket)?.iter().filter_map(|found| found.describe(links)).collect())
}

fn ours(socket: &mut Socket) -> Result<Vec<Found>, NetworkError> {
    Ok(found(socket)?.into_iter().filter(Found::is_ours).collect())
}

fn remove(socket: &mut Socket, routes: &[Found]) -> Result<(), NetworkError> {
    for route in routes {
        match socket.change_raw(libc::RTM_DELROUTE, 0, &route.body) {
            // Some go with others.
            Err(gone) if gone.is(Errno::ESRCH) => {}
            other => other.map_err(refused("can't remove an old route"))?,
        }
    }
    Ok(())
}

/// Puts back what was there.
fn restore(socket: &mut Socket, old: &[Found]) -> Result<(), NetworkError> {
    let new = ours(socket)?;
    remove(socket, &new)?;
    let (last, first): (Vec<&Found>, Vec<&Found>) = old.iter().partition(|old| old.has_gateway());
    for route in first.into_iter().chain(last) {
        if let Err(error) = socket.change_raw(libc::RTM_NEWROUTE, NLM_F_CREATE, &route.body) {
            log::warn!("can't put an old route back: {}", error.source);
        }
    }
    Ok(())
}

fn family_of(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
