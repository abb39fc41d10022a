//! Processor time and processors.

use oci_spec::runtime::LinuxCpu;

use super::Write;
use crate::spec::Invalid;

const AT: &str = "linux.resources.cpu";
/// Orders for the controllers cpu and cpuset.
pub(super) fn plan(cpu: &LinuxCpu, writes: &mut Vec<Write>) -> Result<(), Invalid> {
    if let Some(idle) = cpu.idle() {
        let idle = idle.to_string();
        // Without the file nothing is idle.
        writes.push(Write { optional: idle == "0", ..Write::new("cpu.idle", idle) });
    }
    // What is idle has no weight.
    if let Some(shares) = cpu.shares().filter(|&shares| shares != 0 && cpu.idle() != Some(1)) {
        writes.push(Write::new("cpu.weight", weight(shares).to_string()));
    }
    if cpu.burst().is_some() {
        // The kernel takes no burst above the quota, and no quota below the burst. Without
        // a burst every quota is right.
        writes.push(Write::optional("cpu.max.burst", "0"));
    }
    let (quota, period) = (cpu.quota().unwrap_or(0), cpu.period().unwrap_or(0));
    let most = if quota > 0 { quota.to_string() } else { "max".to_owned() };
    match (quota, period) {
        (0, 0) => {}
        // What is not named stays.
        (_, 0) => writes.push(Write::new("cpu.max", most)),
        (0, period) => writes.push(Write::keeping("cpu.max", period.to_string())),
        (_, period) => writes.push(Write::new("cpu.max", format!("{most} {period}"))),
    }
    if let Some(burst) = cpu.burst().filter(|&burst| burst != 0) {
        writes.push(Write::new("cpu.max.burst", burst.to_string()));
    }
    for (value, file, name) in
        [(cpu.cpus(), "cpuset.cpus", "cpus"), (cpu.mems(), "cpuset.mems", "mems")]
    {
        if let Some(list) = value.as_deref().filter(|list| !list.is_empty()) {
            let allowed = |byte: u8| byte.is_ascii_digit() || b",-: \n".contains(&byte);
            if !list.bytes().all(allowed) || list.len() > 4096 {
                return Err(Invalid::new(format!("{AT}.{name}"), format!("{list:?} is no list")));
            }
            writes.push(Write::new(file, list));
        }
    }
    if cpu.realtime_runtime().is_some_and(|runtime| runtime != 0) {
        log::warn!("{AT}.realtimeRuntime has no counterpart in this hierarchy");
    }
    Ok(())
}

/// Shares, 2 to 262144 with 1024 as their middle, are weights of 1 to 10000, by the
/// straight line that runc draws.
fn weight(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + ((shares - 2) * 9999) / 262_142
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn shares_become_weights() {
        for (shares, expected) in
            [(0, 1), (2, 1), (1024, 39), (2048, 79), (262_144, 10_000), (u64::MAX, 10_000)]
        {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }
}
