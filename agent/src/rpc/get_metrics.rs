//! `GetMetrics`: counters of agent and guest in the Prometheus text format.

mod counts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use kata_agent_api::agent::{GetMetricsRequest, Metrics};

use super::Fault;
use crate::procfs;
use crate::report::read;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, _: GetMetricsRequest) -> Result<Metrics, Fault> {
    let (proc, cgroup) = (Path::new("/proc"), agent.options.cgroup_root.as_path());
    let mut metrics = collect(proc, agent.count_scrape());
    metrics.counts(proc, cgroup);
    let Text(metrics) = metrics;
    Ok(Metrics { metrics, ..Default::default() })
}

/// All metrics from the files in `proc`. What a guest kernel does not have is left
/// out, and takes nothing else with it.
fn collect(proc: &Path, scrapes: u64) -> Text {
    let mut text = Text::default();
    text.of_agent(scrapes, &read(proc.join("self/status")), &read(proc.join("self/stat")));
    text.of_guest(&Guest {
        loadavg: &read(proc.join("loadavg")),
        meminfo: &read(proc.join("meminfo")),
        stat: &read(proc.join("stat")),
        vmstat: &read(proc.join("vmstat")),
        net_dev: &read(proc.join("net/dev")),
    });
    text
}

struct Guest<'a> {
    loadavg: &'a str,
    meminfo: &'a str,
    stat: &'a str,
    vmstat: &'a str,
    net_dev: &'a str,
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// One metric: its head, then a line for each set of labels.
    fn metric<V: std::fmt::Display>(
        &mut self,
        kind: &str,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn of_agent(&mut self, scrapes: u64, status: &str, stat: &str) {
        // No sample is better than one that says 0 of what is not known.
        let one = |value: Option<u64>| value.map(|value| (String::new(), value));
        let figure = |name| {
            procfs::figures(status).find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        self.metric(
            "counter",
            "kata_agent_scrape_count",
            "Times the metrics were read.",
            one(Some(scrapes)),
        );
        self.metric("gauge", "kata_agent_threads", "Threads of the agent.", one(figure("Threads")));
        self.metric(
            "counter",
            "kata_agent_total_time",
            "Clock ticks of processor time used by the agent.",
            one(ticks(stat)),
        );
        self.metric(
            "gauge",
            "kata_agent_total_vm",
            "Bytes of address space of the agent.",
            one(figure("VmSize")),
        );
        self.metric(
            "gauge",
            "kata_agent_total_rss",
            "Bytes of memory held by the agent.",
            one(figure("VmRSS")),
        );
        let items = procfs::figures(status)
            .filter(|(name, _)| name.starts_with("Vm") || name.ends_with("ctxt_switches"))
            .map(|(name, value)| (label("item", name), value));
        self.metric("gauge", "kata_agent_proc_status", "Figures of the agent's process.", items);
    }

    fn of_guest(&mut self, guest: &Guest<'_>) {
        let mut words = guest.loadavg.split_whitespace();
        let loads: Vec<(String, &str)> = ["load1", "load5", "load15"]
            .iter()
            .filter_map(|item| Some((label("item", item), words.next()?)))
            .filter(|(_, value)| value.parse::<f64>().is_ok())
            .collect();
        self.metric("gauge", "kata_guest_load", "Load average.", loads);
        let tasks = words.next().and_then(|both| both.split_once('/'));
        let tasks = tasks.into_iter().flat_map(|(running, all)| [("cur", running), ("max", all)]);
        let tasks =
            tasks.filter_map(|(item, n)| Some((label("item", item), n.parse::<u64>().ok()?)));
        self.metric("gauge", "kata_guest_tasks", "Runnable and all tasks.", tasks);
        let items = procfs::figures(guest.meminfo).map(|(name, value)| {
            // Prometheus' own naming, so that `Active(anon)` can be asked for.
            (label("item", &name.replace('(', "_").replace(')', "").to_lowercase()), value)
        });
        self.metric("gauge", "kata_guest_meminfo", "Memory in bytes.", items);
        self.metric(
            "counter",
            "kata_guest_cpu_time",
            "Clock ticks of processor time.",
            cpu_times(guest.stat),
        );
        let items = guest.vmstat.lines().filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((label("item", name), value.parse::<u64>().ok()?))
        });
        self.metric("gauge", "kata_guest_vm_stat", "Virtual memory counters.", items);
        self.metric(
            "counter",
            "kata_guest_netdev_stat",
            "Network link counters.",
            links(guest.net_dev),
        );
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

/// User and system time: fields 14 and 15, counted behind the name in parentheses,
/// which may itself hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace().skip(11);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    user.checked_add(system)
}

fn cpu_times(stat: &str) -> Vec<(String, u64)> {
    const ITEMS: [&str; 10] = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];
    let mut samples = Vec::new();
    for line in stat.lines().filter(|line| line.starts_with("cpu")) {
        let mut words = line.split_whitespace();
        let cpu = match words.next() {
            Some("cpu") => "total",
            Some(name) => name.trim_start_matches("cpu"),
            None => continue,
        };
        for (item, value) in ITEMS.iter().zip(words) {
            if let Ok(value) = value.parse() {
                samples.push((format!("{{cpu=\"{cpu}\",item=\"{item}\"}}"), value));
            }
        }
    }
    samples
}

fn links(net_dev: &str) -> Vec<(String, u64)> {
    const ITEMS: [(usize, &str); 8] = [
        (0, "recv_bytes"),
        (1, "recv_packets"),
        (2, "recv_errs"),
        (3, "recv_drop"),
        (8, "sent_bytes"),
        (9, "sent_packets"),
        (10, "sent_errs"),
        (11, "sent_drop"),
    ];
    let mut by_link = BTreeMap::new();
    for line in net_dev.lines() {
        let Some((name, counters)) = line.split_once(':') else { continue };
        let counters: Vec<u64> =
            counters.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        by_link.insert(name.trim().to_owned(), counters);
    }
    let mut samples = Vec::new();
    for (name, counters) in by_link {
        for (index, item) in ITEMS {
            if let Some(value) = counters.get(index) {
                let interface = label("interface", &name);
                let interface = interface.trim_end_matches('}');
                samples.push((format!("{interface},item=\"{item}\"}}"), *value));
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_figures_become_samples() {
        let mut text = Text::default();
        text.of_guest(&Guest {
            loadavg: "0.10 0.20 0.30 2/99 1234\n",
            meminfo: "MemTotal: 4 kB\nActive(anon): 1 kB\n",
            stat: "cpu  1 2 3\ncpu0 4 5\nintr 7\n",
            vmstat: "pgfault 8\nodd\n",
            net_dev: "Inter-| Receive\n eth0: 1 2 3 4 0 0 0 0 9 10 11 12 0 0 0 0\n",
        });
        for line in [
            "kata_guest_load{item=\"load15\"} 0.30",
            "kata_guest_tasks{item=\"max\"} 99",
            "kata_guest_meminfo{item=\"memtotal\"} 4096",
            "kata_guest_meminfo{item=\"active_anon\"} 1024",
            "kata_guest_cpu_time{cpu=\"total\",item=\"system\"} 3",
            "kata_guest_cpu_time{cpu=\"0\",item=\"nice\"} 5",
            "kata_guest_vm_stat{item=\"pgfault\"} 8",
            "kata_guest_netdev_stat{interface=\"eth0\",item=\"sent_bytes\"} 9",
        ] {
            assert!(text.0.lines().any(|found| found == line), "{line} in {}", text.0);
        }
    }

    #[test]
    fn a_file_that_is_missing_or_odd_takes_only_its_own_samples_away() {
        let files = [
            ("self/status", "Threads: 5\n", "kata_agent_threads "),
            ("self/stat", "1 (a) S 0 1 1 0 -1 4 5 6 7 8 30 12 0 0", "kata_agent_total_time "),
            ("loadavg", "0.10 0.20 0.30 2/99 1234\n", "kata_guest_load{"),
            ("meminfo", "MemTotal: 4 kB\n", "kata_guest_meminfo{"),
            ("stat", "cpu  1 2 3\n", "kata_guest_cpu_time{"),
            ("vmstat", "pgfault 8\n", "kata_guest_vm_stat{"),
            ("net/dev", "eth0: 1 2\n", "kata_guest_netdev_stat{"),
        ];
        let broken: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"\xff ) 1:x\n"), Some(b"9:(/ \n")];
        for (missing, _, _) in files {
            for content in broken {
                let proc = tempfile::tempdir().unwrap();
                for (name, text, _) in files {
                    let file = proc.path().join(name);
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    match content {
                        Some(content) if name == missing => std::fs::write(file, content).unwrap(),
                        None if name == missing => {}
                        _ => std::fs::write(file, text).unwrap(),
                    }
                }
                let text = collect(proc.path(), 4).0;
                assert!(text.lines().any(|line| line == "kata_agent_scrape_count 4"), "{text}");
                for (name, _, begin) in files {
                    let found = text.lines().any(|line| line.starts_with(begin));
                    assert_eq!(found, name != missing, "{begin} without {missing}: {text}");
                }
            }
        }
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("net")).unwrap();
        let odd = b"eth\xff: 1 2\n  lo: 3 4\n";
        std::fs::write(proc.path().join("net/dev"), odd).unwrap();
        let text = collect(proc.path(), 1).0;
        assert!(text.contains("kata_guest_netdev_stat{interface=\"lo\",item=\"recv_bytes\"} 3"));
    }

    #[test]
    fn agent_figures_become_samples() {
        let mut text = Text::default();
        let stat = "1 (a ) b) S 0 1 1 0 -1 4 5 6 7 8 30 12 0 0";
        text.of_agent(3, "Name: x\nVmRSS:  2 kB\nThreads: 5\n", stat);
        for line in [
            "kata_agent_scrape_count 3",
            "kata_agent_threads 5",
            "kata_agent_total_rss 2048",
            "kata_agent_total_time 42",
        ] {
            assert!(text.0.lines().any(|found| found == line), "{line} in {}", text.0);
        }
    }
}
