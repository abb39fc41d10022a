//! Entry points for fuzzing: whatever the kernel, the command line or a request says,
//! with checks of what holds of every answer. They exist in tests and with the feature
//! `fuzzing`, and are no API.

use std::path::Path;

use crate::config::{Config, Sources};
use crate::device::{PciPath, ScsiAddress};
use crate::uevent::Uevent;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: &[Target] = &[
    ("agent_cmdline", cmdline),
    ("agent_device", device),
    ("agent_network", crate::network::fuzz),
    ("agent_uevent", uevent),
];

/// A message of the kernel about a device.
pub fn uevent(bytes: &[u8]) {
    let Some(event) = Uevent::parse(bytes) else { return };
    assert!(event.path.starts_with('/') && !event.path.contains("/../"));
    if let Some(file) = event.memory_switch(Path::new("/sys")) {
        assert!(file.starts_with("/sys/devices/system/memory"));
    }
}

/// A kernel command line.
pub fn cmdline(bytes: &[u8]) {
    let cmdline = String::from_utf8_lossy(bytes).into_owned();
    // No file is read here.
    if cmdline.contains("config_file") {
        return;
    }
    let words = cmdline.len();
    let (_, warnings) = match Config::load(&Sources { cmdline, ..Sources::default() }) {
        Ok(loaded) => loaded,
        Err(error) => panic!("there is no file to fail: {error}"),
    };
    assert!(warnings.len() <= words);
}

/// Addresses of devices.
pub fn device(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = text.parse::<PciPath>() {
        assert_eq!(path.to_string().parse(), Ok(path), "what it shows is the same path");
    }
    if let Ok(address) = text.parse::<ScsiAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

#[cfg(test)]
mod tests {
    use kata_agent_api::types::{ARPNeighbor, IPAddress, Interface, Route};
    use protobuf::Message;

    use super::*;

    /// Honest inputs for each target.
    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let address =
            IPAddress { address: "192.0.2.1".into(), mask: "24".into(), ..IPAddress::default() };
        let interface = Interface {
            name: "eth0".into(),
            hwAddr: "02:00:00:00:00:01".into(),
            IPAddresses: vec![address.clone()],
            ..Interface::default()
        };
        let route = Route {
            dest: "10.0.0.0/8".into(),
            device: "eth0".into(),
            gateway: "192.0.2.2".into(),
            ..Route::default()
        };
        let neighbor = ARPNeighbor {
            toIPAddress: Some(address).into(),
            device: "eth0".into(),
            ..ARPNeighbor::default()
        };
        let event = "add@/devices/system/memory/memory4\0ACTION=add\0SUBSYSTEM=memory\0";
        let cmdline = "quiet agent.log=debug agent.mem_agent_enable agent.no_proxy=\"a b\"";
        vec![
            ("agent_uevent", event.into()),
            ("agent_cmdline", cmdline.into()),
            ("agent_device", b"20/02/1f.7".to_vec()),
            ("agent_device", b"3:16383".to_vec()),
            ("agent_network", interface.write_to_bytes().unwrap()),
            ("agent_network", route.write_to_bytes().unwrap()),
            ("agent_network", neighbor.write_to_bytes().unwrap()),
            // An answer of the kernel: an error with its own words.
            (
                "agent_network",
                [&(-22_i32).to_ne_bytes()[..], &[0; 16], b"\x08\0\x01\0no\0\0"].concat(),
            ),
        ]
    }

    #[test]
    fn damaged_input_does_no_harm() {
        for (name, seed) in seeds() {
            let (_, run) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
            run(&seed);
            for at in 0..seed.len() {
                run(&seed[..at]);
                run(&seed[at..]);
                for byte in [0, b'/', b':', b'9', 0x7f, 0xff] {
                    let mut damaged = seed.clone();
                    damaged[at] = byte;
                    run(&damaged);
                    damaged.insert(at, byte);
                    run(&damaged);
                }
            }
        }
    }

    #[test]
    fn every_target_has_an_honest_input() {
        for (name, _) in TARGETS {
            assert!(seeds().iter().any(|(seed, _)| seed == name), "{name}");
        }
    }
}
