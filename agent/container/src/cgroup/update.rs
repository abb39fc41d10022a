//! New limits for a cgroup that may be in use: in an order in which no limit is tighter
//! for a moment than it was before and will be, and not below what is used already if
//! the spec asks for that.

use oci_spec::runtime::{LinuxMemory, LinuxResources};

use super::{Cgroup, Write, plan, read};
use crate::error::Error;

impl Cgroup {
    /// Sets all limits that `resources` names, devices apart.
    pub(crate) fn limit(&self, resources: &LinuxResources) -> Result<(), Error> {
        let mut writes = plan(resources)?;
        if let Some(memory) = resources.memory() {
            self.must_have_room(memory)?;
            self.order_memory(&mut writes);
        }
        self.apply(&writes)
    }

    /// The kernel would make room by force.
    fn must_have_room(&self, memory: &LinuxMemory) -> Result<(), Error> {
        if memory.check_before_update() != Some(true) {
            return Ok(());
        }
        // Where nothing is counted, there is nothing to compare with.
        let Some(usage) = self.number("memory.current") else { return Ok(()) };
        for (limit, what) in
            [(memory.limit(), "a limit of memory"), (memory.swap(), "a limit of memory and swap")]
        {
            let limit =
                limit.and_then(|limit| u64::try_from(limit).ok()).filter(|&limit| limit > 0);
            if let Some(limit) = limit.filter(|&limit| limit <= usage) {
                return Err(Error::InUse { what, limit, usage });
            }
        }
        Ok(())
    }

    /// What is to grow grows first. If swap shrank before memory may grow, or memory
    /// before swap may grow, processes could be killed that would fit both before and
    /// after.
    fn order_memory(&self, writes: &mut [Write]) {
        let at = |file: &str| writes.iter().position(|one| one.file == file);
        let (Some(swap), Some(memory)) = (at("memory.swap.max"), at("memory.max")) else { return };
        let new = writes.get(swap).and_then(|one| number(&one.value));
        let grows = new > self.number("memory.swap.max");
        if grows != (swap < memory) {
            writes.swap(swap, memory);
        }
    }

    fn number(&self, file: &str) -> Option<u64> {
        number(read(self.folder(), file).ok()?.trim())
    }
}

fn number(text: &str) -> Option<u64> {
    if text == "max" { Some(u64::MAX) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cgroup::tests::fake;

    use super::*;

    fn resources(json: &str) -> LinuxResources {
        serde_json::from_str(json).expect("they are resources")
    }

    /// The files in the order in which they would be written.
    fn order(current: &[(&str, &str)], json: &str) -> Vec<String> {
        let (_folder, cgroup) = fake(current);
        let mut writes = plan(&resources(json)).expect("they can be");
        cgroup.order_memory(&mut writes);
        writes.into_iter().map(|one| format!("{} <- {}", one.file, one.value)).collect()
    }

    #[test]
    fn what_grows_grows_first() {
        let now = [("memory.max", "1000\n"), ("memory.swap.max", "500\n")];
        let unlimited = [("memory.max", "max\n"), ("memory.swap.max", "max\n")];
        let swap_first = |swap: u64, memory: u64| {
            [format!("memory.swap.max <- {swap}"), format!("memory.max <- {memory}")]
        };
        let memory_first = |swap: u64, memory: u64| {
            let [swap, memory] = swap_first(swap, memory);
            [memory, swap]
        };
        let memory =
            |limit: u64, swap: u64| format!(r#"{{"memory":{{"limit":{limit},"swap":{swap}}}}}"#);
        assert_eq!(order(&now, &memory(800, 1600)), swap_first(800, 800), "swap instead");
        assert_eq!(order(&now, &memory(2000, 4000)), swap_first(2000, 2000), "both grow");
        assert_eq!(order(&now, &memory(2000, 2100)), memory_first(100, 2000), "memory instead");
        assert_eq!(order(&now, &memory(100, 200)), memory_first(100, 100), "both shrink");
        assert_eq!(order(&now, &memory(2000, 2500)), memory_first(500, 2000), "swap stays");
        assert_eq!(order(&unlimited, &memory(100, 200)), memory_first(100, 100));
        let unlimit = r#"{"memory":{"limit":-1,"swap":-1}}"#;
        assert_eq!(order(&now, unlimit), ["memory.swap.max <- max", "memory.max <- max"]);
        // One of them alone, and others around them, stay where they are.
        let others = r#"{"memory":{"limit":5,"swap":6,"reservation":4},"pids":{"limit":7}}"#;
        let expected =
            ["memory.max <- 5", "memory.swap.max <- 1", "memory.low <- 4", "pids.max <- 7"];
        assert_eq!(order(&now, others), expected);
        assert_eq!(order(&now, r#"{"memory":{"limit":5}}"#), ["memory.max <- 5"]);
    }

    #[test]
    fn limits_below_the_usage_are_refused_when_that_is_asked_for() {
        let files =
            [("memory.current", "1000\n"), ("memory.max", "max\n"), ("memory.swap.max", "0\n")];
        let (folder, cgroup) = fake(&files);
        let limit = |json: &str| cgroup.limit(&resources(json)).map_err(|error| error.to_string());
        let refused = |json: &str| limit(json).expect_err("it is refused");
        assert_eq!(
            refused(r#"{"memory":{"limit":1000,"checkBeforeUpdate":true}}"#),
            "a limit of memory of 1000 bytes can't be set: 1000 bytes are in use"
        );
        assert_eq!(
            refused(r#"{"memory":{"limit":-1,"swap":999,"checkBeforeUpdate":true}}"#),
            "the spec's linux.resources.memory.swap: is limited, but memory is not"
        );
        let max = || fs::read_to_string(folder.path().join("memory.max")).expect("it is there");
        assert_eq!(max(), "max\n", "nothing was written");
        limit(r#"{"memory":{"limit":1001,"swap":1001,"checkBeforeUpdate":true}}"#)
            .expect("it has room");
        limit(r#"{"memory":{"limit":-1,"swap":-1,"checkBeforeUpdate":true}}"#).expect("no limit");
        // The kernel makes room, or kills.
        limit(r#"{"memory":{"limit":10,"checkBeforeUpdate":false}}"#).expect("not asked for");
        limit(r#"{"memory":{"limit":10}}"#).expect("not asked for");
        assert!(max().starts_with("10"));
    }

    #[test]
    fn a_period_alone_keeps_the_quota() {
        let (folder, cgroup) = fake(&[("cpu.max", "20000 100000\n")]);
        let max = |json: &str| {
            cgroup.limit(&resources(json)).expect("it can be");
            fs::read_to_string(folder.path().join("cpu.max")).expect("it is there")
        };
        // The file does not forget as the kernel does: what was written stands in front.
        assert!(max(r#"{"cpu":{"period":50000}}"#).starts_with("20000 50000"));
    }

    #[test]
    fn cgroups_above_keep_their_processors() {
        let root = tempfile::tempdir().expect("a folder");
        let pod = root.path().join("pod");
        fs::create_dir(&pod).expect("it is made");
        for folder in [root.path(), &pod] {
            for (file, text) in [
                ("cgroup.controllers", "cpuset\n"),
                ("cgroup.subtree_control", ""),
                ("cpuset.cpus", "\n"),
            ] {
                fs::write(folder.join(file), text).expect("it is written");
            }
        }
        let cgroup = Cgroup::make(root.path(), "pod/container".as_ref()).expect("it can be made");
        fs::write(cgroup.folder().join("cpuset.cpus"), "").expect("it is written");
        cgroup.limit(&resources(r#"{"cpu":{"cpus":"0-3"}}"#)).expect("it can be");
        let cpus = |folder| {
            fs::read_to_string(std::path::Path::join(folder, "cpuset.cpus")).expect("it is there")
        };
        assert_eq!(cpus(cgroup.folder()), "0-3");
        // Empty ones have all processors of those above, also one that comes later.
        assert_eq!((cpus(&pod), cpus(root.path())), ("\n".to_owned(), "\n".to_owned()));
    }
}
