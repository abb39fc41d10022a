//! Storages, as containers find them.

use kata_agent_api::agent::{
    GetDiagnosticDataRequest, ResizeVolumeRequest, Storage, UpdateEphemeralMountsRequest,
    VolumeStatsRequest,
};
use serde_json::{Value, json};
use ttrpc::Code;

use crate::container::Wanted;
use crate::guest::Guest;
use crate::trouble::{Trouble, call, contains, equal, holds, refused};

fn storage(driver: &str, source: &str, fstype: &str, options: &[&str], at: &str) -> Storage {
    Storage {
        driver: driver.to_owned(),
        source: source.to_owned(),
        fstype: fstype.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        mount_point: at.to_owned(),
        ..Storage::default()
    }
}

fn bind(source: &str, destination: &str) -> Value {
    json!({"destination": destination, "type": "bind", "source": source,
           "options": ["rbind", "rprivate", "rw"]})
}

pub(super) async fn memory(guest: &Guest) -> Result<(), Trouble> {
    let at = "/run/kata-containers/sandbox/suite-memory";
    let memory = storage("ephemeral", "tmpfs", "tmpfs", &["size=1m", "mode=1777"], at);
    let script = "df -k /data | tail -1 | awk '{print $2}'; echo kept > /data/file; sleep 1000";
    let wanted = Wanted::script("storages-memory", script)
        .storing(memory.clone())
        .mounting(bind(at, "/data"));
    let container = wanted.start(guest).await?;
    contains("its size", &container.first().read_until("\n").await?, "1024")?;
    // Another user of the same one, which outlives the first.
    let other = Wanted::script("storages-other", "cat /data/file; sleep 1000")
        .storing(memory.clone())
        .mounting(bind(at, "/data"));
    let other = other.start(guest).await?;
    other.first().read_until("kept").await?;
    container.remove().await?;
    let request = UpdateEphemeralMountsRequest {
        storages: vec![Storage { options: vec!["size=2m".to_owned()], ..memory.clone() }],
        ..Default::default()
    };
    let answer = guest.rpc.update_ephemeral_mounts(guest.soon(), &request).await;
    answer.map_err(call("UpdateEphemeralMounts"))?;
    let size = other.output("size", "df -k /data | tail -1 | awk '{print $2}'").await?;
    equal("its new size", &size.as_str(), &"2048")?;
    let request = VolumeStatsRequest { volume_guest_path: at.to_owned(), ..Default::default() };
    let answer = guest.rpc.get_volume_stats(guest.soon(), &request).await;
    let usage = answer.map_err(call("GetVolumeStats"))?.usage;
    holds(usage.iter().any(|one| one.total == 2 << 20), format!("the volume: {usage:?}"))?;
    let request =
        ResizeVolumeRequest { volume_guest_path: at.to_owned(), size: 0, ..Default::default() };
    let answer = guest.rpc.resize_volume(guest.soon(), &request).await;
    refused("to grow a tmpfs", answer, Code::FAILED_PRECONDITION, "ext4")?;
    other.remove().await?;
    // Nobody uses it any more, so a new one is empty.
    let wanted = Wanted::script("storages-memory", "ls -A /data | wc -l")
        .storing(memory)
        .mounting(bind(at, "/data"));
    equal("what is left", &wanted.run(guest).await?.out.trim(), &"0")
}

pub(super) async fn folders(guest: &Guest) -> Result<(), Trouble> {
    let at = "/run/kata-containers/sandbox/suite-local";
    let local = storage("local", "local", "local", &["mode=0770", "fsgid=34"], at);
    let wanted = |script: &str| {
        Wanted::script("storages-local", script).storing(local.clone()).mounting(bind(at, "/data"))
    };
    let ended = wanted("stat -c '%a %g' /data; echo kept > /data/file").run(guest).await?;
    equal("the folder", &ended.out.as_str(), &"2770 34\n")?;
    // A container that starts again finds its files.
    let ended = wanted("cat /data/file; rm /data/file").run(guest).await?;
    equal("its file", &ended.out.as_str(), &"kept\n")
}

pub(super) async fn files_that_change(guest: &Guest) -> Result<(), Trouble> {
    let source = Guest::shared("suite-config");
    guest.write(&source.join("key"), 0o644, b"one").await?;
    let at = "/run/kata-containers/shared/containers/suite-watched";
    let watched = storage("watchable-bind", &source.display().to_string(), "bind", &["ro"], at);
    let script = "cat /config/key; until grep -q two /config/key; do sleep 0.1; done; echo seen";
    let wanted = Wanted::script("storages-watched", script).storing(watched).mounting(json!({
        "destination": "/config", "type": "bind", "source": at, "options": ["rbind", "ro"],
    }));
    let container = wanted.start(guest).await?;
    container.first().read_until("one").await?;
    guest.write(&source.join("key"), 0o644, b"two").await?;
    container.first().read_until("seen").await?;
    equal("the exit code", &container.first().wait().await?, &0)?;
    container.remove().await
}

pub(super) async fn debian_on_a_disk(guest: &Guest) -> Result<(), Trouble> {
    let Some(disk) = guest.setting.debian.clone() else { return Ok(()) };
    let lower = "/run/kata-containers/sandbox/suite-debian";
    let root = "/run/kata-containers/storages-debian/rootfs";
    let layers = format!("lowerdir={lower}");
    let overlay = storage(
        "overlayfs",
        "overlay",
        "overlay",
        &[layers.as_str(), "io.katacontainers.fs-opt.overlay-rw"],
        root,
    );
    let script = "set -e; . /etc/os-release; echo $ID; touch /new; ls /new; \
                  ls --version | head -1; echo message > /message; exit 3";
    let wanted = Wanted::program("storages-debian", &["/bin/sh", "-c", script])
        .with("/root/path", json!(root))
        .with(
            "/annotations",
            json!({
                "io.kubernetes.container.terminationMessagePath": "/message"
            }),
        )
        .storing(storage("blk", &disk, "ext4", &["ro"], lower))
        .storing(overlay);
    let container = wanted.start(guest).await?;
    let ended = container.first().ended().await?;
    equal(&format!("the exit code of {ended:?}"), &ended.code, &3)?;
    contains("what it says", &ended.out, "debian\n/new\nls (GNU coreutils)")?;
    let request = GetDiagnosticDataRequest {
        log_type: "termination_log".to_owned(),
        container_id: container.id.clone(),
        ..Default::default()
    };
    let answer = guest.rpc.get_diagnostic_data(guest.soon(), &request).await;
    let said = answer.map_err(call("GetDiagnosticData"))?.data;
    equal("its last words", &said.as_str(), &"message\n")?;
    container.remove().await
}

pub(super) async fn what_can_not_be_leaves_nothing(guest: &Guest) -> Result<(), Trouble> {
    let at = "/run/kata-containers/sandbox/suite-half";
    let good = storage("ephemeral", "tmpfs", "tmpfs", &[], at);
    let bad = storage("blk", "1f/1f", "ext4", &[], "/run/kata-containers/sandbox/suite-none");
    let wanted = Wanted::script("storages-half", "true").storing(good).storing(bad);
    refused("a disk that is not there", wanted.ask(guest).await, Code::NOT_FOUND, "1f")?;
    let escaping = Wanted::script("storages-half", "true").storing(storage(
        "local",
        "local",
        "local",
        &[],
        "/run/kata-containers/sandbox/../../../etc",
    ));
    refused("a path that leaves", escaping.ask(guest).await, Code::INVALID_ARGUMENT, "plain")?;
    let seen =
        Wanted::script("storages-half", "grep -c suite-half /proc/1/mountinfo").run(guest).await?;
    equal("what is left of the first", &seen.out.as_str(), &"0\n")
}
