//! Containers and peers that do what they should not.

use std::time::Duration;

use kata_agent_api::agent::{ReadStreamRequest, WaitProcessRequest};
use serde_json::json;
use tokio::time::timeout;
use ttrpc::Code;
use ttrpc::context::with_duration;

use crate::bench::Footprint;
use crate::container::{Wanted, program};
use crate::guest::Guest;
use crate::trouble::{Trouble, call, equal, holds, refused};

pub(super) async fn nobody_reads(guest: &Guest) -> Result<(), Trouble> {
    // Its output fills the pipe, and that is all: the agent takes none that nobody wants.
    let container = Wanted::program("hostile-yes", &["yes"]).start(guest).await?;
    let before = Footprint::of(guest).await?.resident;
    let piece = container.first().ask_read(false, 10).await;
    equal("what is read", &piece.unwrap_or_default().as_slice(), &b"y\ny\ny\ny\ny\n".as_slice())?;
    let grown = Footprint::of(guest).await?.resident.saturating_sub(before);
    holds(grown < 1 << 20, format!("the agent has grown by {grown} bytes"))?;
    let ended = Wanted::script("hostile-beside", "echo fine").run(guest).await?;
    equal("the one beside it", &ended.out.as_str(), &"fine\n")?;
    container.signal_all(9).await?;
    container.remove().await
}

pub(super) async fn many_small_writes(guest: &Guest) -> Result<(), Trouble> {
    let script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done";
    let ended = Wanted::script("hostile-small", script).run(guest).await?;
    let expected: String = (0..20000).map(|number| format!("{number}\n")).collect();
    holds(ended.out == expected, format!("{} bytes came, and not those", ended.out.len()))
}

pub(super) async fn callers_that_go(guest: &Guest) -> Result<(), Trouble> {
    let container =
        Wanted::script("hostile-gone", "read line; echo $line; exit 8").start(guest).await?;
    let other = guest.another().await?;
    let id = || container.id.clone();
    let read =
        ReadStreamRequest { container_id: id(), exec_id: id(), len: 100, ..Default::default() };
    let wait = WaitProcessRequest { container_id: id(), exec_id: id(), ..Default::default() };
    // Not its output: until the agent has seen that the caller is gone, such a call may
    // still take a piece.
    let both = async {
        let soon = || with_duration(Duration::from_secs(60));
        tokio::join!(other.read_stderr(soon(), &read), other.wait_process(soon(), &wait))
    };
    // Both are under way when the connection goes.
    let gone = timeout(Duration::from_millis(300), both).await;
    holds(gone.is_err(), "they were answered too soon")?;
    drop(other);
    container.first().write(b"still here\n").await?;
    let ended = container.first().ended().await?;
    equal("the end", &(ended.code, ended.out.as_str()), &(8, "still here\n"))?;
    container.remove().await
}

pub(super) async fn specs_that_make_no_sense(guest: &Guest) -> Result<(), Trouble> {
    let base = || Wanted::script("hostile-spec", "true");
    let long = "x".repeat(5000);
    for (wanted, why) in [
        (base().with("/process/args", json!([])), "process.args"),
        (base().with("/process/cwd", json!("relative")), "process.cwd"),
        (base().with("/linux/cgroupsPath", json!("/../../x")), "leaves"),
        (base().with("/linux/maskedPaths", json!(["../x"])), "maskedPaths"),
        (base().with("/root/path", json!(long)), "Root.Path"),
        (base().with("/root/path", json!("/run/../etc")), "Root.Path"),
        (
            base().mounting(json!({"destination": "/x", "type": "bind", "options": ["bind"]})),
            "source",
        ),
        (base().with("/process/oomScoreAdj", json!(5000)), "oomScoreAdj"),
        (
            base().with("/process/rlimits", json!([{"type": "RLIMIT_CORE", "hard": 1, "soft": 2}])),
            "process.rlimits",
        ),
    ] {
        refused(why, wanted.ask(guest).await, Code::INVALID_ARGUMENT, why)?;
    }
    let ended = Wanted::script("hostile-spec", "exit 2").run(guest).await?;
    equal("the next one", &ended.code, &2)
}

pub(super) async fn links_lead_nowhere(guest: &Guest) -> Result<(), Trouble> {
    // The root filesystem has links where the runtime mounts; they stay within it.
    let root = Guest::shared("suite-links/rootfs");
    for (path, target) in [("etc", "/../../../../run"), ("data", "/proc/1/root/run")] {
        guest.link(&root.join(path), target).await?;
    }
    let program = std::fs::read(&guest.setting.busybox)
        .map_err(|error| Trouble::File(guest.setting.busybox.display().to_string(), error))?;
    guest.write(&root.join("bin/busybox"), 0o755, &program).await?;
    let script = "busybox touch /etc/here; busybox ls /run";
    let wanted = Wanted::program("hostile-links", &["/bin/busybox", "sh", "-c", script])
        .with("/root/path", json!(root))
        .mounting(json!({"destination": "/etc", "type": "tmpfs", "source": "tmpfs"}));
    let ended = wanted.run(guest).await?;
    equal("its own folder", &(ended.code, ended.out.as_str()), &(0, "here\n"))?;
    let magic =
        wanted.mounting(json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs"}));
    refused("a link of the kernel's", magic.ask(guest).await, Code::INTERNAL, "/data")
}

pub(super) async fn cycles_leave_nothing(guest: &Guest) -> Result<(), Trouble> {
    // One before, so that what is made once is there.
    Wanted::script("hostile-cycle", "true").run(guest).await?;
    let before = Footprint::of(guest).await?;
    for _ in 0..25 {
        let ended = Wanted::script("hostile-cycle", "exit 1").run(guest).await?;
        equal("the exit code", &ended.code, &1)?;
    }
    equal("what grew", &Footprint::of(guest).await?.grown_since(&before), &Vec::new())
}

pub(super) async fn ends_that_nobody_reads(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::program("hostile-ends", &["sleep", "1000"]).start(guest).await?;
    let before = Footprint::of(guest).await?;
    for number in 0..60 {
        let asked = container.ask_exec(&format!("end-{number}"), program(&["true"])).await;
        let running = asked.map_err(call("ExecProcess"))?;
        equal("the exit code", &running.wait().await?, &0)?;
    }
    let grown = Footprint::of(guest).await?.open_files.saturating_sub(before.open_files);
    // Some are remembered for who reads late, with two outputs each.
    holds(grown <= 40, format!("60 processes have left {grown} open files"))?;
    container.remove().await
}
