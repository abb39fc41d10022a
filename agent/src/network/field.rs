//! What a request may say in its fields: addresses, masks, networks, names. Every
//! function names the field that is wrong. Knows no kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kata_agent_api::types::IPFamily;
use protobuf::EnumOrUnknown;

use super::NetworkError;

/// Bytes of an Ethernet address.
pub(super) type Mac = [u8; 6];

/// The longest name of a link.
const LONGEST_NAME: usize = 15;

pub(super) fn wrong(field: &str, problem: impl Into<String>) -> NetworkError {
    NetworkError::Field { field: field.to_owned(), problem: problem.into() }
}

/// An address that must be of `family`.
pub(super) fn address(
    field: &str,
    text: &str,
    family: EnumOrUnknown<IPFamily>,
) -> Result<IpAddr, NetworkError> {
    let address: IpAddr =
        text.parse().map_err(|_| wrong(field, format!("{text:?} is no IP address")))?;
    of_family(field, text, address, family)
}

fn of_family(
    field: &str,
    text: &str,
    address: IpAddr,
    family: EnumOrUnknown<IPFamily>,
) -> Result<IpAddr, NetworkError> {
    match (family.enum_value(), address) {
        (Ok(IPFamily::v4), IpAddr::V4(_)) | (Ok(IPFamily::v6), IpAddr::V6(_)) => Ok(address),
        (Ok(IPFamily::v4), _) => Err(wrong(field, format!("{text:?} is not of the family v4"))),
        (Ok(IPFamily::v6), _) => Err(wrong(field, format!("{text:?} is not of the family v6"))),
        (Err(number), _) => Err(wrong(field, format!("there is no family {number}"))),
    }
}

/// The length of a mask in bits, as text.
pub(super) fn mask(field: &str, text: &str, address: IpAddr) -> Result<u8, NetworkError> {
    let most = bits(address);
    match text.parse() {
        Ok(length) if length <= most => Ok(length),
        _ => Err(wrong(field, format!("{text:?} is no length of a mask, 0 to {most}"))),
    }
}

/// A network as `ADDRESS/LENGTH`, or one address; nothing and `default` are all
/// addresses of the family.
pub(super) fn network(
    field: &str,
    text: &str,
    family: EnumOrUnknown<IPFamily>,
) -> Result<(IpAddr, u8), NetworkError> {
    if matches!(text, "" | "default") {
        return match family.enum_value() {
            Ok(IPFamily::v4) => Ok((Ipv4Addr::UNSPECIFIED.into(), 0)),
            Ok(IPFamily::v6) => Ok((Ipv6Addr::UNSPECIFIED.into(), 0)),
            Err(number) => Err(wrong(field, format!("there is no family {number}"))),
        };
    }
    let (start, length) = match text.split_once('/') {
        Some((start, length)) => (start, Some(length)),
        None => (text, None),
    };
    let start: IpAddr =
        start.parse().map_err(|_| wrong(field, format!("{text:?} is no network")))?;
    let start = of_family(field, text, start, family)?;
    let length = length.map_or(Ok(bits(start)), |length| mask(field, length, start))?;
    if !is_start(start, length) {
        return Err(wrong(field, format!("{text:?} has bits beyond its mask")));
    }
    Ok((start, length))
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_start(address: IpAddr, length: u8) -> bool {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_shl(length.into()).unwrap_or(0) == 0,
        IpAddr::V6(v6) => v6.to_bits().checked_shl(length.into()).unwrap_or(0) == 0,
    }
}

/// The address to which all hosts of an IPv4 network listen.
pub(super) fn broadcast(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let hosts = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() | hosts)
}

/// Six pairs of hexadecimal digits with colons between them.
pub(super) fn mac(field: &str, text: &str) -> Result<Mac, NetworkError> {
    let invalid = || wrong(field, format!("{text:?} is no MAC address"));
    let mut mac = Mac::default();
    let mut pairs = text.split(':');
    for byte in &mut mac {
        let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or_else(invalid)?;
        // from_str_radix takes a sign too.
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
    }
    if pairs.next().is_some() {
        return Err(invalid());
    }
    Ok(mac)
}

/// How an address of any link is written.
pub(super) fn show_mac(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// A name that the kernel takes for a link.
pub(super) fn link_name<'a>(field: &str, name: &'a str) -> Result<&'a str, NetworkError> {
    let odd = |byte: u8| matches!(byte, b'/' | b':' | b'%') || !byte.is_ascii_graphic();
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || matches!(name, "." | "..")
        || name.bytes().any(odd)
    {
        return Err(wrong(field, format!("{name:?} can't be the name of a link")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4() -> EnumOrUnknown<IPFamily> {
        IPFamily::v4.into()
    }

    fn v6() -> EnumOrUnknown<IPFamily> {
        IPFamily::v6.into()
    }

    #[test]
    fn addresses_are_of_their_family() {
        assert_eq!(address("a", "192.0.2.1", v4()).unwrap(), Ipv4Addr::new(192, 0, 2, 1));
        assert!(address("a", "2001:db8::1", v6()).unwrap().is_ipv6());
        for (text, family) in [
            ("", v4()),
            ("192.0.2", v4()),
            ("192.0.2.256", v4()),
            ("192.0.2.1/24", v4()),
            ("2001:db8::1", v4()),
            ("192.0.2.1", v6()),
            ("2001:db8::1%eth0", v6()),
            ("192.0.2.1", EnumOrUnknown::from_i32(2)),
        ] {
            let error = address("IPAddresses[3].address", text, family).unwrap_err();
            assert!(error.to_string().starts_with("IPAddresses[3].address: "), "{error}");
        }
    }

    #[test]
    fn networks() {
        let of =
            |text: &str, family| network("dest", text, family).map(|(a, l)| format!("{a}/{l}"));
        for (text, family, expected) in [
            ("", v4(), "0.0.0.0/0"),
            ("default", v6(), "::/0"),
            ("0.0.0.0/0", v4(), "0.0.0.0/0"),
            ("10.0.0.0/8", v4(), "10.0.0.0/8"),
            ("10.0.0.1", v4(), "10.0.0.1/32"),
            ("2001:db8::/32", v6(), "2001:db8::/32"),
            ("2001:db8::1", v6(), "2001:db8::1/128"),
        ] {
            assert_eq!(of(text, family).unwrap(), expected);
        }
        for (text, family) in [
            ("10.0.0.1/8", v4()),
            ("128.0.0.0/0", v4()),
            ("10.0.0.0/33", v4()),
            ("10.0.0.0/-1", v4()),
            ("10.0.0.0/255.0.0.0", v4()),
            ("2001:db8::1/64", v6()),
            ("2001:db8::/129", v6()),
            ("10.0.0.0/8", v6()),
            ("here", v4()),
            ("", EnumOrUnknown::from_i32(-1)),
        ] {
            assert!(of(text, family).is_err(), "{text}");
        }
    }

    #[test]
    fn broadcast_addresses() {
        let broadcast = |length| broadcast(Ipv4Addr::new(10, 1, 2, 3), length).to_string();
        assert_eq!(broadcast(0), "255.255.255.255");
        assert_eq!(broadcast(24), "10.1.2.255");
        assert_eq!(broadcast(32), "10.1.2.3");
    }

    #[test]
    fn mac_addresses() {
        let bytes = mac("hwAddr", "02:00:CA:fe:00:01").unwrap();
        assert_eq!(show_mac(&bytes), "02:00:ca:fe:00:01");
        for text in [
            "",
            "02",
            "02:00:ca:fe:00",
            "02:00:ca:fe:00:01:02",
            "02:00:ca:fe:00:0g",
            "2:0:ca:fe:0:1",
            "02-00-ca-fe-00-01",
            "+2:00:ca:fe:00:01",
        ] {
            assert!(mac("hwAddr", text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_links() {
        assert_eq!(link_name("name", "eth0").unwrap(), "eth0");
        for name in ["", ".", "..", "a/b", "a b", "a:1", "a%d", "sixteen-letters!", "\u{e4}"] {
            assert!(link_name("name", name).is_err(), "{name}");
        }
    }
}
