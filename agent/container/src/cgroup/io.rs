//! Block devices: weights and throttles.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice};

use super::Write;
use crate::spec::Invalid;

const AT: &str = "linux.resources.blockIO";

/// Orders for the io controller.
pub(super) fn plan(io: &LinuxBlockIo, writes: &mut Vec<Write>) -> Result<(), Invalid> {
    if let Some(weight) = io.weight().filter(|&weight| weight != 0) {
        let converted = converted(weight)?;
        // A kernel with the scheduler BFQ has a file of its own for it, where weights are
        // as in the spec.
        writes.push(Write::optional("io.bfq.weight", weight.to_string()));
        writes.push(Write::optional("io.weight", converted.to_string()));
    }
    for device in io.weight_device().iter().flatten() {
        let number = number(device.major(), device.minor())?;
        if let Some(weight) = device.weight().filter(|&weight| weight != 0) {
            converted(weight)?;
            writes.push(Write::optional("io.bfq.weight", format!("{number} {weight}")));
        }
    }
    for (list, key) in [
        (io.throttle_read_bps_device(), "rbps"),
        (io.throttle_write_bps_device(), "wbps"),
        (io.throttle_read_iops_device(), "riops"),
        (io.throttle_write_iops_device(), "wiops"),
    ] {
        for device in list.iter().flatten() {
            writes.push(throttle(device, key)?);
        }
    }
    Ok(())
}

fn throttle(device: &LinuxThrottleDevice, key: &str) -> Result<Write, Invalid> {
    let number = number(device.major(), device.minor())?;
    let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
    Ok(Write::new("io.max", format!("{number} {key}={rate}")))
}

fn number(major: i64, minor: i64) -> Result<String, Invalid> {
    let valid = (0..1 << 12).contains(&major) && (0..1 << 20).contains(&minor);
    if !valid {
        return Err(Invalid::new(AT, format!("{major}:{minor} is no device")));
    }
    Ok(format!("{major}:{minor}"))
}

/// Weights of 10 to 1000 are weights of 1 to 10000.
fn converted(weight: u16) -> Result<u64, Invalid> {
    if !(10..=1000).contains(&weight) {
        return Err(Invalid::new(AT, format!("the weight {weight} is not within 10 and 1000")));
    }
    Ok(1 + (u64::from(weight) - 10) * 9999 / 990)
}
