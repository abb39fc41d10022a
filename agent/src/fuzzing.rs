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
    ("agent_network", network),
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

/// A request about the network, or an answer of the kernel.
pub fn network(bytes: &[u8]) {
    crate::network::fuzz(bytes);
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
    use std::fs;

    use super::*;

    /// The honest inputs of a target, from the folder of the fuzz targets.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let program = fuzz.join("fuzz_targets").join(format!("{target}.rs"));
        assert!(program.is_file(), "{} is missing", program.display());
        let files = fs::read_dir(fuzz.join("seeds").join(target)).unwrap();
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn honest_and_damaged_input_does_no_harm() {
        for (name, run) in TARGETS {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "{name}");
            for seed in seeds {
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
    }
}
