//! The real kernel, in network namespaces of their own; `ip` says what came out.

use std::process::Command;

use kata_agent_api::types::{ARPNeighbor, IPAddress, IPFamily, Interface, Route};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use super::*;

/// Runs `work` in a new network namespace with nothing but a dead loopback link.
/// Who may not make one does it again as root of a user namespace of its own.
pub(super) fn alone<F: FnOnce() + Send + 'static>(work: F) {
    const AGAIN: &str = "KATA_TEST_AGAIN";
    let name = std::any::type_name::<F>();
    let thread = std::thread::spawn(move || {
        let made = unshare(CloneFlags::CLONE_NEWNET);
        if made.is_ok() {
            work();
        }
        made
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(Errno::EPERM)) if std::env::var_os(AGAIN).is_none() => {
            let test = name.strip_prefix("kata_agent::").unwrap().trim_end_matches("::{{closure}}");
            let program = std::env::current_exe().unwrap();
            let mut again = Command::new("unshare");
            again.arg("-Urn").arg(program).args([test, "--exact"]).env(AGAIN, "1");
            assert!(again.status().unwrap().success(), "{test} as root of a namespace");
        }
        Ok(Err(errno)) => panic!("no network namespace: {errno}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

/// What `ip -j` says, without the fields that change by themselves.
fn ask(arguments: &str) -> Value {
    let output = Command::new("ip").arg("-j").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip -j {arguments}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Array(Vec::new()))
}

const MAC: &str = "02:00:00:00:00:0a";
const OTHER_MAC: &str = "02:00:00:00:00:0b";

/// Two links that are one another's other end; both carry.
fn pair() {
    ip(&format!("link add one address {MAC} type veth peer name two address {OTHER_MAC}"));
    ip("link set two up");
}

fn address(text: &str) -> IPAddress {
    let (address, mask) = text.split_once('/').unwrap();
    let family = if text.contains(':') { IPFamily::v6 } else { IPFamily::v4 };
    IPAddress {
        family: family.into(),
        address: address.into(),
        mask: mask.into(),
        ..Default::default()
    }
}

fn interface(name: &str, mac: &str, addresses: &[&str]) -> Interface {
    Interface {
        device: name.into(),
        name: name.into(),
        hwAddr: mac.into(),
        IPAddresses: addresses.iter().map(|text| address(text)).collect(),
        ..Default::default()
    }
}

fn route(dest: &str, gateway: &str, device: &str) -> Route {
    let v6 = dest.contains(':') || gateway.contains(':');
    Route {
        dest: dest.into(),
        gateway: gateway.into(),
        device: device.into(),
        family: if v6 { IPFamily::v6 } else { IPFamily::v4 }.into(),
        ..Default::default()
    }
}

/// Addresses of a link that do not come from the kernel, with their broadcast.
fn addresses_of(name: &str) -> Vec<String> {
    let answer = ask(&format!("addr show dev {name}"));
    let all = answer[0]["addr_info"].as_array().unwrap().iter();
    all.filter(|address| address["scope"] != "link")
        .map(|address| {
            let broadcast = address["broadcast"].as_str().unwrap_or("-");
            format!("{}/{} {broadcast}", address["local"].as_str().unwrap(), address["prefixlen"])
        })
        .collect()
}

/// Routes that do not come from the kernel, in a plain form.
fn routes() -> Vec<String> {
    let all = [ask("-4 route"), ask("-6 route")];
    let all = all.iter().flat_map(|list| list.as_array().unwrap());
    all.filter(|route| route["protocol"] != "kernel")
        .map(|route| {
            let mut text = format!("{} {}", route["dst"], route["dev"]).replace('"', "");
            for field in ["gateway", "prefsrc", "scope"] {
                if let Some(value) = route[field].as_str() {
                    text += &format!(" {field} {value}");
                }
            }
            for metric in route["metrics"].as_array().into_iter().flatten() {
                text += &format!(" mtu {}", metric["mtu"]);
            }
            if route["flags"].as_array().unwrap().iter().any(|flag| flag == "onlink") {
                text += " onlink";
            }
            text
        })
        .collect()
}

#[test]
fn an_interface_becomes_what_is_asked_for() {
    alone(|| {
        pair();
        ip("addr add 198.51.100.9/24 dev one");
        let mut wanted =
            interface("eth0", MAC, &["192.0.2.5/24", "192.0.2.6/24", "2001:db8::5/64"]);
        wanted.mtu = 1400;
        wanted.raw_flags = 0x80 | 0x1;
        wanted.devicePath = "02/01".into();
        let answer = update_interface(&wanted).unwrap();
        let link = &ask("link show dev eth0")[0];
        assert_eq!((&link["address"], &link["mtu"]), (&MAC.into(), &1400.into()));
        let flags = link["flags"].as_array().unwrap();
        for flag in ["UP", "NOARP"] {
            assert!(flags.iter().any(|there| there == flag), "{flags:?}");
        }
        assert_eq!(
            addresses_of("eth0"),
            ["192.0.2.5/24 192.0.2.255", "192.0.2.6/24 192.0.2.255", "2001:db8::5/64 -"]
        );
        assert_eq!((answer.name.as_str(), answer.device.as_str()), ("eth0", "eth0"));
        assert_eq!((answer.hwAddr.as_str(), answer.mtu, answer.raw_flags), (MAC, 1400, 0x80));
        assert_eq!((answer.type_.as_str(), answer.devicePath.as_str()), ("veth", "02/01"));
        assert!(wanted.IPAddresses.iter().all(|address| answer.IPAddresses.contains(address)));
        let listed = list_interfaces().unwrap();
        let names: Vec<&str> = listed.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names.len(), 3);
        for name in ["lo", "two", "eth0"] {
            assert!(names.contains(&name), "{names:?}");
        }
        // Again, with less: what is not named any more goes.
        update_interface(&interface("eth0", MAC, &["192.0.2.6/32"])).unwrap();
        assert_eq!(addresses_of("eth0"), ["192.0.2.6/32 -"]);
        assert_eq!(ask("link show dev eth0")[0]["mtu"], 1400, "it was not named");
    });
}

#[test]
fn a_link_that_has_the_name_makes_room() {
    alone(|| {
        pair();
        ip("addr add 203.0.113.1/24 dev two");
        update_interface(&interface("two", MAC, &["192.0.2.5/24"])).unwrap();
        assert_eq!(ask("link show dev two")[0]["address"], MAC);
        assert_eq!(ask("link show dev one")[0]["address"], OTHER_MAC);
        assert_eq!(addresses_of("one"), ["203.0.113.1/24 -"], "it keeps what it has");
        let up = ask("link show dev one")[0]["flags"].as_array().unwrap().clone();
        assert!(up.iter().any(|flag| flag == "UP"), "{up:?}");
    });
}

#[test]
fn a_link_that_is_known_by_its_name_alone() {
    alone(|| {
        pair();
        let mac = "02:00:00:00:00:0c";
        let answer = update_interface(&interface("one", mac, &[])).unwrap();
        assert_eq!(
            (answer.hwAddr.as_str(), &ask("link show dev one")[0]["address"]),
            (mac, &mac.into())
        );
        update_interface(&interface("one", "", &["192.0.2.5/24"])).unwrap();
        assert_eq!(addresses_of("one"), ["192.0.2.5/24 192.0.2.255"]);
        assert_eq!(ask("link show dev one")[0]["address"], mac);
        // Two of the same address: the name says which one.
        ip(&format!("link add three address {mac} type veth peer name four"));
        update_interface(&interface("three", mac, &["192.0.2.9/24"])).unwrap();
        assert_eq!(addresses_of("three"), ["192.0.2.9/24 192.0.2.255"]);

        let error = update_interface(&interface("eth7", "02:00:00:00:00:0d", &[])).unwrap_err();
        assert!(matches!(error, NetworkError::NoLink { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("02:00:00:00:00:0d") && text.contains("eth7"), "{text}");
        assert!(text.contains("one (02:00:00:00:00:0c)"), "{text}");
    });
}

#[test]
fn a_guest_without_ipv6_gets_the_rest() {
    alone(|| {
        pair();
        std::fs::write("/proc/thread-self/root/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
            .unwrap();
        update_interface(&interface("one", MAC, &["2001:db8::5/64", "192.0.2.5/24"])).unwrap();
        assert_eq!(addresses_of("one"), ["192.0.2.5/24 192.0.2.255"]);
    });
}

#[test]
fn routes_are_replaced() {
    alone(|| {
        pair();
        update_interface(&interface("one", MAC, &["192.0.2.5/24", "2001:db8::5/64"])).unwrap();
        ip("route add 198.51.100.0/24 dev one proto static");
        let first = [
            route("", "10.9.9.9", "one"),
            route("", "fe80::1", "one"),
            Route { scope: 253, ..route("10.9.9.9", "", "one") },
            Route {
                source: "192.0.2.5".into(),
                mtu: 1300,
                ..route("10.1.0.0/16", "192.0.2.1", "one")
            },
            Route {
                source: "2001:db8::5".into(),
                ..route("2001:db8:1::/48", "2001:db8::1", "one")
            },
            // The kernel has made this one already.
            Route { scope: 253, ..route("192.0.2.0/24", "", "one") },
            // Flags that say how a route does, and one that asks for something.
            Route { flags: 0x10 | 0x4, ..route("10.2.0.0/16", "203.0.113.1", "one") },
        ];
        let answer = update_routes(&first).unwrap();
        let mut there = routes();
        there.sort();
        assert_eq!(
            there,
            [
                "10.1.0.0/16 one gateway 192.0.2.1 prefsrc 192.0.2.5 mtu 1300",
                "10.2.0.0/16 one gateway 203.0.113.1 onlink",
                "10.9.9.9 one scope link",
                "198.51.100.0/24 one scope link",
                "2001:db8:1::/48 one gateway 2001:db8::1 prefsrc 2001:db8::5",
                "default one gateway 10.9.9.9",
                "default one gateway fe80::1",
            ]
        );
        for wanted in &first[..5] {
            let mut wanted = wanted.clone();
            if wanted.dest == "10.9.9.9" {
                wanted.dest += "/32";
            }
            assert!(answer.contains(&wanted), "{wanted:?} is not among {answer:?}");
        }
        assert!(answer.iter().any(|route| route.dest == "192.0.2.0/24"), "{answer:?}");
        assert_eq!(list_routes().unwrap(), answer);

        update_routes(&[route("10.3.0.0/16", "192.0.2.1", "one")]).unwrap();
        assert_eq!(
            routes(),
            ["10.3.0.0/16 one gateway 192.0.2.1", "198.51.100.0/24 one scope link"],
            "those of others stay"
        );
        // The second one can't be reached, so the first one goes again and the old
        // one comes back.
        let unreachable =
            [route("10.4.0.0/16", "192.0.2.1", "one"), route("10.5.0.0/16", "203.0.113.1", "one")];
        let error = update_routes(&unreachable).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("can't add the route to 10.5.0.0/16 on one by 203.0.113.1: ")
        );
        assert!(error.to_string().contains("invalid gateway"), "the kernel's own words: {error}");
        assert_eq!(
            routes(),
            ["10.3.0.0/16 one gateway 192.0.2.1", "198.51.100.0/24 one scope link"]
        );
        update_routes(&[]).unwrap();
        assert_eq!(routes(), ["198.51.100.0/24 one scope link"]);
    });
}

#[test]
fn neighbours_of_both_families() {
    alone(|| {
        pair();
        update_interface(&interface("one", MAC, &["192.0.2.5/24", "2001:db8::5/64"])).unwrap();
        let neighbor = |ip: &str, state, flags, lladdr: &str| ARPNeighbor {
            lladdr: lladdr.into(),
            state,
            flags,
            ..neighbor(ip)
        };
        add_neighbors(&[
            neighbor("192.0.2.1", 0x80, 0, OTHER_MAC),
            neighbor("2001:db8::1", 0, 0x80, OTHER_MAC),
        ])
        .unwrap();
        let there = |family: &str, ip: &str| {
            let all = ask(&format!("-{family} neigh show dev one"));
            let found = all.as_array().unwrap().iter().find(|entry| entry["dst"] == ip).cloned();
            found.unwrap_or_else(|| panic!("{ip} is not among {all}"))
        };
        let v4 = there("4", "192.0.2.1");
        assert_eq!((&v4["lladdr"], &v4["state"][0]), (&OTHER_MAC.into(), &"PERMANENT".into()));
        let v6 = there("6", "2001:db8::1");
        assert_eq!((&v6["lladdr"], &v6["state"][0]), (&OTHER_MAC.into(), &"PERMANENT".into()));
        assert!(v6.get("router").is_some(), "{v6}");
        // Again, with another address: it is replaced.
        add_neighbors(&[neighbor("192.0.2.1", 0x2, 0, MAC)]).unwrap();
        assert_eq!(there("4", "192.0.2.1")["lladdr"], MAC);

        for (wrong, field) in [
            (neighbor("192.0.2.1", -1, 0, MAC), "neighbors[0].state"),
            (neighbor("192.0.2.1", 0x10000, 0, MAC), "neighbors[0].state"),
            (neighbor("192.0.2.1", 0x80, 256, MAC), "neighbors[0].flags"),
            (neighbor("192.0.2.1", 0x80, 0, "x"), "neighbors[0].lladdr"),
            (neighbor("192.0.2.300", 0x80, 0, MAC), "neighbors[0].toIPAddress.address"),
            (
                ARPNeighbor { device: "one".into(), ..Default::default() },
                "neighbors[0].toIPAddress",
            ),
            (
                ARPNeighbor { device: "a/b".into(), ..neighbor("192.0.2.1", 0, 0, MAC) },
                "neighbors[0].device",
            ),
        ] {
            check_field(add_neighbors(&[wrong]), field);
        }
        let nowhere = ARPNeighbor { device: "x".into(), ..neighbor("192.0.2.1", 0, 0, MAC) };
        assert!(matches!(add_neighbors(&[nowhere]), Err(NetworkError::NoLink { .. })));
    });
}

fn check_field<T: std::fmt::Debug>(outcome: Result<T, NetworkError>, field: &str) {
    match outcome {
        Err(NetworkError::Field { field: named, .. }) => assert_eq!(named, field),
        other => panic!("{field} is wrong, and the answer is {other:?}"),
    }
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    alone(|| {
        pair();
        let before = ask("addr");
        let good = interface("eth0", MAC, &["192.0.2.5/24"]);
        let with = |change: &dyn Fn(&mut Interface)| {
            let mut wrong = good.clone();
            change(&mut wrong);
            update_interface(&wrong)
        };
        check_field(with(&|i| i.name = "a/b".into()), "name");
        check_field(with(&|i| i.name = "n".repeat(16)), "name");
        check_field(with(&|i| i.hwAddr = "02:00".into()), "hwAddr");
        check_field(with(&|i| i.mtu = 1 << 32), "mtu");
        check_field(with(&|i| i.mtu = 1 << 31), "mtu");
        check_field(with(&|i| i.IPAddresses[0].mask = "33".into()), "IPAddresses[0].mask");
        check_field(with(&|i| i.IPAddresses[0].mask = String::new()), "IPAddresses[0].mask");
        check_field(
            with(&|i| i.IPAddresses[0].family = IPFamily::v6.into()),
            "IPAddresses[0].address",
        );
        check_field(
            with(&|i| i.IPAddresses.push(IPAddress { mask: "1".into(), ..Default::default() })),
            "IPAddresses[1].address",
        );
        assert_eq!(ask("addr"), before);

        ip("link set one up");
        ip("route add 10.7.0.0/16 dev one");
        let before = ask("route");
        let good = route("10.8.0.0/16", "", "one");
        for (wrong, field) in [
            (Route { dest: "10.8.0.1/16".into(), ..good.clone() }, "routes[1].dest"),
            (Route { gateway: "::1".into(), ..good.clone() }, "routes[1].gateway"),
            (Route { source: "1.2.3.4/8".into(), ..good.clone() }, "routes[1].source"),
            (Route { scope: 256, ..good.clone() }, "routes[1].scope"),
            (Route { device: String::new(), ..good.clone() }, "routes[1].device"),
            (Route { flags: 4, ..good.clone() }, "routes[1].flags"),
            (Route { family: IPFamily::v6.into(), ..good.clone() }, "routes[1].dest"),
        ] {
            check_field(update_routes(&[good.clone(), wrong]), field);
        }
        let nowhere = update_routes(&[Route { device: "x".into(), ..good }]);
        assert!(matches!(nowhere, Err(NetworkError::NoLink { .. })), "{nowhere:?}");
        assert_eq!(ask("route"), before);
    });
}

#[test]
fn more_links_than_one_answer_holds() {
    alone(|| {
        for number in 0..50 {
            ip(&format!("link add many{number} type veth peer name more{number}"));
        }
        assert_eq!(list_interfaces().unwrap().len(), 101);
    });
}

#[test]
fn counts_of_links() {
    alone(|| {
        pair();
        update_interface(&interface("one", MAC, &["192.0.2.5/24"])).unwrap();
        let nobody = neighbor("192.0.2.1");
        add_neighbors(&[nobody]).unwrap();
        let socket = std::net::UdpSocket::bind("192.0.2.5:0").unwrap();
        for _ in 0..5 {
            socket.send_to(&[0; 1000], "192.0.2.1:9").unwrap();
        }
        // The kernel of a pair hands packets over at once. It sends some of its own.
        let counts = link_counts().unwrap();
        let of = |name: &str| counts.iter().find(|link| link.name == name).unwrap();
        assert!(of("one").tx_packets >= 5 && of("one").tx_bytes >= 5000, "{counts:?}");
        assert!(of("two").rx_packets >= 5 && of("two").rx_bytes >= 5000, "{counts:?}");
        assert_eq!(counts.len(), 2, "the loopback is nobody's business");
        assert_eq!((of("one").tx_errors, of("two").rx_errors), (0, 0));
    });
}

fn neighbor(ip: &str) -> ARPNeighbor {
    ARPNeighbor {
        toIPAddress: Some(address(&format!("{ip}/0"))).into(),
        device: "one".into(),
        lladdr: OTHER_MAC.into(),
        ..Default::default()
    }
}
