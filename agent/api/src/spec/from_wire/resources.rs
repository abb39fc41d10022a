//! The limits of a container. On the wire 0 means "not said", and so does a
//! negative number of a device; -1 of a size means "unlimited", as in OCI.

use crate::oci;
use serde_json::{Value, json};

use super::Object;

pub(super) fn value(resources: &oci::LinuxResources) -> Value {
    let mut out = Object::default();
    if !resources.Devices.is_empty() {
        out.put("devices", resources.Devices.iter().map(device_rule).collect());
    }
    if let Some(limits) = resources.Memory.as_ref() {
        out.put("memory", memory(limits));
    }
    if let Some(limits) = resources.CPU.as_ref() {
        out.put("cpu", cpu(limits));
    }
    if let Some(limits) = resources.Pids.as_ref().filter(|pids| pids.Limit != 0) {
        out.put("pids", json!({"limit": limits.Limit}));
    }
    if let Some(limits) = resources.BlockIO.as_ref() {
        out.put("blockIO", block_io(limits));
    }
    if !resources.HugepageLimits.is_empty() {
        let limit = |limit: &oci::LinuxHugepageLimit| json!({"pageSize": limit.Pagesize, "limit": limit.Limit});
        out.put("hugepageLimits", resources.HugepageLimits.iter().map(limit).collect());
    }
    if resources.Network.is_some() {
        // Classes of packets belong to cgroup v1, which no guest of ours has.
        log::warn!("cgroup v2 has no classes of packets; the limits of the network are left out");
    }
    out.into()
}

fn device_rule(rule: &oci::LinuxDeviceCgroup) -> Value {
    let mut out = Object::default();
    out.put("allow", json!(rule.Allow));
    out.put("type", json!(if rule.Type.is_empty() { "a" } else { &rule.Type }));
    if rule.Major > 0 {
        out.put("major", json!(rule.Major));
    }
    // The minor number 0 is a real one where there is a major number.
    if rule.Minor > 0 || (rule.Minor == 0 && rule.Major > 0) {
        out.put("minor", json!(rule.Minor));
    }
    out.text("access", &rule.Access);
    out.into()
}

fn memory(limits: &oci::LinuxMemory) -> Value {
    let mut out = Object::default();
    out.number("limit", limits.Limit);
    out.number("reservation", limits.Reservation);
    out.number("swap", limits.Swap);
    out.number("kernel", limits.Kernel);
    out.number("kernelTCP", limits.KernelTCP);
    out.number("swappiness", limits.Swappiness);
    if limits.DisableOOMKiller {
        out.put("disableOOMKiller", json!(true));
    }
    out.into()
}

fn cpu(limits: &oci::LinuxCPU) -> Value {
    let mut out = Object::default();
    out.number("shares", limits.Shares);
    out.number("quota", limits.Quota);
    out.number("period", limits.Period);
    out.number("realtimeRuntime", limits.RealtimeRuntime);
    out.number("realtimePeriod", limits.RealtimePeriod);
    out.text("cpus", &limits.Cpus);
    out.text("mems", &limits.Mems);
    out.into()
}

fn block_io(limits: &oci::LinuxBlockIO) -> Value {
    let mut out = Object::default();
    out.number("weight", limits.Weight);
    out.number("leafWeight", limits.LeafWeight);
    let weight = |device: &oci::LinuxWeightDevice| {
        let mut out = Object::default();
        out.put("major", json!(device.Major));
        out.put("minor", json!(device.Minor));
        out.number("weight", device.Weight);
        out.number("leafWeight", device.LeafWeight);
        Value::from(out)
    };
    if !limits.WeightDevice.is_empty() {
        out.put("weightDevice", limits.WeightDevice.iter().map(weight).collect());
    }
    let throttle = |device: &oci::LinuxThrottleDevice| json!({"major": device.Major, "minor": device.Minor, "rate": device.Rate});
    for (key, devices) in [
        ("throttleReadBpsDevice", &limits.ThrottleReadBpsDevice),
        ("throttleWriteBpsDevice", &limits.ThrottleWriteBpsDevice),
        ("throttleReadIOPSDevice", &limits.ThrottleReadIOPSDevice),
        ("throttleWriteIOPSDevice", &limits.ThrottleWriteIOPSDevice),
    ] {
        if !devices.is_empty() {
            out.put(key, devices.iter().map(throttle).collect());
        }
    }
    out.into()
}
