//! What a container sees of itself, and what it may not do.

use serde_json::json;

use crate::container::{Wanted, capabilities};
use crate::guest::Guest;
use crate::trouble::{Trouble, contains, equal, holds};

/// The namespaces of a process, a line each.
const NAMESPACES: &str = "cd /proc/self/ns; for n in pid ipc uts mnt cgroup net user; do \
                          echo $n $(readlink $n); done";

pub(super) async fn root_and_devices(guest: &Guest) -> Result<(), Trouble> {
    let script = "touch /x 2>&1; cat /proc/keys | wc -c; \
                  echo x > /proc/sys/kernel/hostname; \
                  ls /dev | sort | tr '\\n' ' '; head -c 4 /dev/zero | wc -c; \
                  mknod /dev/disk b 254 0 && head -c 1 /dev/disk";
    let wanted = Wanted::script("isolation-root", script).with("/root/readonly", json!(true));
    let ended = wanted.run(guest).await?;
    contains("the root", &ended.out, "Read-only file system")?;
    contains("the keys", &ended.out, "\n0\n")?;
    contains("/proc/sys", &ended.err, "hostname: Read-only file system")?;
    let devices = "fd full mqueue null ptmx pts random stderr stdin stdout tty urandom zero";
    contains("the devices", &ended.out, devices)?;
    contains("what zero gives", &ended.out, "\u{20}4\n")?;
    contains("a disk of the guest", &ended.err, "Operation not permitted")
}

pub(super) async fn rights(guest: &Guest) -> Result<(), Trouble> {
    let script = "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; id; umask; ulimit -n; \
                  cat /proc/self/oom_score_adj; chmod 700 /tmp; echo $?";
    let wanted = Wanted::script("isolation-rights", script)
        .with("/process/user", json!({"uid": 33, "gid": 34, "additionalGids": [29]}))
        .with("/process/capabilities", capabilities(&["CAP_KILL", "CAP_CHOWN"]))
        .with("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "hard": 200, "soft": 100}]))
        .with("/process/oomScoreAdj", json!(500))
        .with(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
                "syscalls": [{"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO",
                              "errnoRet": 95}],
            }),
        );
    let ended = wanted.run(guest).await?;
    let expected = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
                    CapEff:\t0000000000000000\nCapBnd:\t0000000000000021\n\
                    CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
                    uid=33(web) gid=34(www) groups=29(audio)\n0022\n100\n500\n1\n";
    equal("what it may", &ended.out.as_str(), &expected)?;
    contains("what the filter answers", &ended.err, "not supported")
}

pub(super) async fn namespaces(guest: &Guest) -> Result<(), Trouble> {
    let script = format!("{NAMESPACES}; sleep 1000");
    let one = Wanted::script("isolation-one", &script).start(guest).await?;
    let first = one.first().read_until("user:").await?;
    let two = Wanted::script("isolation-two", &script).start(guest).await?;
    let second = two.first().read_until("user:").await?;
    let inside = one.output("inside", NAMESPACES).await?;
    equal("a further process", &inside.as_str(), &first.trim_end())?;
    let kinds = |text: &str, other: &str| -> Vec<String> {
        let same = text.lines().filter(|line| other.lines().any(|one| one == *line));
        same.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    // What a pod's containers share.
    equal("shared", &kinds(&first, &second).join(" ").as_str(), &"ipc uts net user")?;
    one.remove().await?;
    two.remove().await
}

pub(super) async fn shared_processes(guest: &Guest) -> Result<(), Trouble> {
    let mut wanted = Wanted::script("isolation-pids", "echo $$; exec sleep 1234");
    wanted.shares_pids = true;
    let one = wanted.start(guest).await?;
    let mut wanted = Wanted::script("isolation-pids2", "ps -o args | grep '[s]leep 1234'; exit 4");
    wanted.shares_pids = true;
    let ended = wanted.run(guest).await?;
    equal("what the other sees", &(ended.code, ended.out.as_str()), &(4, "sleep 1234\n"))?;
    // It is the first one of its namespace, and deaf, so that it is killed.
    one.signal_all(15).await?;
    equal("the exit code", &one.first().wait().await?, &137)?;
    one.remove().await
}

pub(super) async fn users_of_its_own(guest: &Guest) -> Result<(), Trouble> {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    let wanted = Wanted::script(
        "isolation-users",
        "id -u; cat /proc/self/uid_map; ls -ln /bin/busybox",
    )
    .with("/linux/uidMappings", map.clone())
    .with("/linux/gidMappings", map)
    .with("/linux/namespaces/-", json!({"type": "user"}))
    .with("/hostname", json!(""))
    // The kernel lets nobody mount the rest who does not own the pod's namespaces.
    .with(
        "/mounts",
        json!([
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        ]),
    );
    let ended = wanted.run(guest).await?;
    let words: Vec<&str> = ended.out.split_ascii_whitespace().take(4).collect();
    equal(&format!("its users, by {ended:?}"), &words, &vec!["0", "0", "100000", "1000"])?;
    holds(ended.out.contains(" 65534 "), format!("the guest's users are seen: {}", ended.out))
}

pub(super) async fn kernel_parameters(guest: &Guest) -> Result<(), Trouble> {
    let wanted = Wanted::script("isolation-sysctl", "cat /proc/sys/kernel/shm_rmid_forced")
        .with("/linux/sysctl", json!({"kernel.shm_rmid_forced": "1"}));
    equal("the parameter", &wanted.run(guest).await?.out.as_str(), &"1\n")?;
    let bad = Wanted::script("isolation-sysctl", "true")
        .with("/linux/sysctl", json!({"kernel.panic": "1"}));
    crate::trouble::refused(
        "a parameter of the whole guest",
        bad.ask(guest).await,
        ttrpc::Code::INVALID_ARGUMENT,
        "kernel.panic",
    )
}
