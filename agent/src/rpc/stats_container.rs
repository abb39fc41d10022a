//! `StatsContainer`: what a container has used, and what has gone over the links of its
//! pod.

use std::sync::Arc;

use guest_container::{IoEntry, MemoryCounter, Stats};
use kata_agent_api::agent::{
    BlkioStats, BlkioStatsEntry, CgroupStats, CpuStats, CpuUsage, HugetlbStats, MemoryData,
    MemoryStats, PidsStats, StatsContainerRequest, StatsContainerResponse, ThrottlingData,
};
use protobuf::MessageField;

use super::container::find;
use super::{Fault, in_background};
use crate::network::link_counts;
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: StatsContainerRequest,
) -> Result<StatsContainerResponse, Fault> {
    let record = find(agent, &request.container_id)?;
    let meant = Arc::clone(&record);
    let work = move || (meant.container.stats(), link_counts());
    let (stats, counts) = in_background("read what the container has used", work).await?;
    Ok(StatsContainerResponse {
        cgroup_stats: MessageField::some(to_wire(stats?)),
        network_stats: counts?,
        ..Default::default()
    })
}

fn to_wire(stats: Stats) -> CgroupStats {
    let Stats { cpu, memory, pids, io, hugetlb } = stats;
    let usage = CpuUsage {
        total_usage: cpu.total,
        usage_in_kernelmode: cpu.kernel,
        usage_in_usermode: cpu.user,
        ..Default::default()
    };
    let throttling = ThrottlingData {
        periods: cpu.throttling.periods,
        throttled_periods: cpu.throttling.throttled_periods,
        throttled_time: cpu.throttling.throttled_time,
        ..Default::default()
    };
    let counter = |counter: MemoryCounter| {
        MessageField::some(MemoryData {
            usage: counter.usage,
            max_usage: counter.max_usage,
            failcnt: counter.failures,
            limit: counter.limit,
            ..Default::default()
        })
    };
    let entries = |entries: Vec<IoEntry>| {
        let entry = |entry: IoEntry| BlkioStatsEntry {
            major: entry.major,
            minor: entry.minor,
            op: entry.kind.to_owned(),
            value: entry.value,
            ..Default::default()
        };
        entries.into_iter().map(entry).collect()
    };
    CgroupStats {
        cpu_stats: MessageField::some(CpuStats {
            cpu_usage: MessageField::some(usage),
            throttling_data: MessageField::some(throttling),
            ..Default::default()
        }),
        memory_stats: MessageField::some(MemoryStats {
            cache: memory.cache,
            usage: counter(memory.usage),
            swap_usage: counter(memory.swap_usage),
            kernel_usage: counter(memory.kernel_usage),
            use_hierarchy: memory.use_hierarchy,
            stats: memory.details.into_iter().collect(),
            ..Default::default()
        }),
        pids_stats: MessageField::some(PidsStats {
            current: pids.current,
            limit: pids.limit,
            ..Default::default()
        }),
        blkio_stats: MessageField::some(BlkioStats {
            io_service_bytes_recursive: entries(io.bytes),
            io_serviced_recursive: entries(io.requests),
            ..Default::default()
        }),
        hugetlb_stats: hugetlb
            .into_iter()
            .map(|(size, stats)| {
                let stats = HugetlbStats {
                    usage: stats.usage,
                    max_usage: stats.max_usage,
                    failcnt: stats.failures,
                    ..Default::default()
                };
                (size, stats)
            })
            .collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_goes_to_its_field() {
        let mut stats = Stats::default();
        stats.cpu.total = 3;
        stats.cpu.kernel = 1;
        stats.cpu.throttling.throttled_time = 5;
        stats.memory.cache = 7;
        stats.memory.swap_usage.limit = 9;
        stats.memory.details.insert("anon".into(), 11);
        stats.pids.current = 13;
        stats.io.bytes.push(IoEntry { major: 8, minor: 16, kind: "Read", value: 15 });
        stats.hugetlb.entry("2MB".into()).or_default().failures = 17;
        let wire = to_wire(stats);
        let cpu = &wire.cpu_stats.cpu_usage;
        assert_eq!((cpu.total_usage, cpu.usage_in_kernelmode), (3, 1));
        assert_eq!(wire.cpu_stats.throttling_data.throttled_time, 5);
        let memory = &wire.memory_stats;
        assert_eq!((memory.cache, memory.swap_usage.limit, memory.stats["anon"]), (7, 9, 11));
        assert_eq!(wire.pids_stats.current, 13);
        let read = &wire.blkio_stats.io_service_bytes_recursive[0];
        assert_eq!((read.major, read.minor, read.op.as_str(), read.value), (8, 16, "Read", 15));
        assert_eq!(wire.hugetlb_stats["2MB"].failcnt, 17);
    }
}
