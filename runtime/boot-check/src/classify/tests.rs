//! The classifier on consoles recorded from real guests that were broken on
//! purpose (the folder `recorded`), and on single lines no broken guest of
//! ours prints.

use expect_test::{Expect, expect};
use hypervisor::ProcessExit;

use super::*;

fn exit(code: i32, event: Option<VmEvent>, stderr: &str) -> VmExit {
    VmExit {
        process: ProcessExit::Code(code),
        events: event.into_iter().collect(),
        stderr: stderr.lines().map(str::to_owned).collect(),
    }
}

fn diagnose(console: &str, initrd: bool, exit: Option<&VmExit>) -> Diagnosis {
    let console: Vec<String> = console.lines().map(str::to_owned).collect();
    let events = exit.map(|exit| exit.events.clone()).unwrap_or_default();
    classify(&Evidence { console: &console, events: &events, exit, initrd })
}

/// Classifies a console that ended in a reset, as a panic does.
#[expect(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]
fn check(console: &str, initrd: bool, expected: Expect) {
    let reset = exit(0, Some(VmEvent::GuestReset), "");
    let found = diagnose(console, initrd, Some(&reset));
    let text = format!(
        "{:?}: {}\nseen: {}\nlook at: {}",
        found.class,
        found.explanation,
        found.evidence.as_deref().unwrap_or("-"),
        found.suspect.as_deref().unwrap_or("-")
    );
    expected.assert_eq(&text);
}

/// The console of a kernel that came as far as init, before `rest`.
fn up(rest: &str) -> String {
    format!(
        "[    0.000000] Linux version 6.12.1\n[    0.600000] NET: Registered PF_VSOCK protocol family\n\
         [    0.700000] Run /init as init process\n{rest}"
    )
}

#[test]
fn pmem_missing() {
    check(
        include_str!("recorded/pmem-missing.txt"),
        false,
        expect![[r#"
        NoRootDevice: the root device "/dev/pmem0p1" is not there
        seen: [    0.682594] VFS: Cannot open root device "/dev/pmem0p1" or unknown-block(0,0): error -19
        look at: CONFIG_ACPI_NFIT, CONFIG_LIBNVDIMM, CONFIG_BLK_DEV_PMEM, CONFIG_ND_PFN, CONFIG_NVDIMM_PFN, CONFIG_MSDOS_PARTITION, or the image's header"#]],
    );
}

#[test]
fn filesystem_unknown() {
    check(
        include_str!("recorded/filesystem-unknown.txt"),
        false,
        expect![[r#"
        WrongFilesystem: the kernel does not know the file system btrfs
        seen: [    0.809946] VFS: Cannot open root device "/dev/vda" or unknown-block(254,0): error -19
        look at: the CONFIG option of that file system or the root's type"#]],
    );
}

#[test]
fn disk_is_blank_ext4() {
    check(
        include_str!("recorded/disk-is-blank-ext4.txt"),
        false,
        expect![[r#"
        WrongFilesystem: the root device holds no ext4 file system
        seen: [    0.718089] No filesystem could mount root, tried:
        look at: rootfstype= against the image's real type, or a damaged image"#]],
    );
}

#[test]
fn disk_is_blank_erofs() {
    check(
        include_str!("recorded/disk-is-blank-erofs.txt"),
        false,
        expect![[r#"
        WrongFilesystem: the root device holds no erofs file system
        seen: [    0.760293] erofs: (device vda): erofs_read_superblock: cannot find valid erofs superblock
        look at: rootfstype= against the image's real type, or a damaged image"#]],
    );
}

#[test]
fn erofs_that_the_kernel_can_not_unpack() {
    check(
        "[    0.000000] Kernel command line: root=/dev/vda1 ro rootfstype=erofs\n\
         [    0.760293] erofs: (device vda1): z_erofs_parse_cfgs: compression disabled, unable to mount compressed EROFS\n\
         [    0.760312] VFS: Cannot open root device \"/dev/vda1\" or unknown-block(254,1): error -95\n",
        false,
        expect![[r#"
        WrongFilesystem: the image's erofs is compressed, which this kernel can't read
        seen: [    0.760293] erofs: (device vda1): z_erofs_parse_cfgs: compression disabled, unable to mount compressed EROFS
        look at: CONFIG_EROFS_FS_ZIP, or an image built with --compression none"#]],
    );
}

#[test]
fn initrd_without_init() {
    check(
        include_str!("recorded/initrd-without-init.txt"),
        true,
        expect![[r#"
        NoInit: the initrd has no program at the path of init
        seen: [    0.643083] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
        look at: /init in the initrd (a program, executable), rdinit=, CONFIG_BLK_DEV_INITRD"#]],
    );
}

#[test]
fn initrd_cut() {
    check(
        include_str!("recorded/initrd-cut.txt"),
        true,
        expect![[r#"
        NoInit: the kernel can't unpack the initrd
        seen: [    0.574304] Initramfs unpacking failed: read error
        look at: the archive's compression (CONFIG_RD_GZIP, CONFIG_RD_XZ, CONFIG_RD_ZSTD), or a cut file"#]],
    );
}

#[test]
fn no_working_init() {
    check(
        include_str!("recorded/no-working-init.txt"),
        false,
        expect![[r#"
        NoInit: there is no program that can run as init
        seen: [    0.823293] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel. See Linux Documentation/admin-guide/init.rst for guidance.
        look at: the package that brings /sbin/init (systemd-sysv), or init= on the command line"#]],
    );
}

#[test]
fn requested_init_missing() {
    check(
        include_str!("recorded/requested-init-missing.txt"),
        false,
        expect![[r#"
        NoInit: there is no program that can run as init
        seen: [    0.821657] Kernel panic - not syncing: Requested init /bin/agent failed (error -2).
        look at: the package that brings /sbin/init (systemd-sysv), or init= on the command line"#]],
    );
}

#[test]
fn init_exits_3() {
    check(
        include_str!("recorded/init-exits-3.txt"),
        true,
        expect![[r#"
        InitDied: init ended: exit code 3
        seen: [    0.797566] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300
        look at: the program run as init: the lines before the panic are its last words"#]],
    );
}

#[test]
fn out_of_memory() {
    check(
        include_str!("recorded/out-of-memory.txt"),
        true,
        expect![[r#"
        OutOfMemory: the guest ran out of memory
        seen: [    2.202351] Out of memory and no killable processes...
        look at: the guest's memory size, or what makes the initrd large"#]],
    );
}

#[test]
fn a_kernel_without_room_for_its_own_threads() {
    check(
        "[    0.477345] Memory: 1884K/22288K available (8192K kernel code, 867K rwdata)\n\
         [    0.488866] workqueue: Failed to create a rescuer kthread for wq \"inet_frag_wq\": -11\n\
         [    0.489645] Kernel panic - not syncing: Could not create inet frag workq\n",
        true,
        expect![[r#"
        OutOfMemory: the guest ran out of memory
        seen: [    0.488866] workqueue: Failed to create a rescuer kthread for wq "inet_frag_wq": -11
        look at: the guest's memory size, or what makes the initrd large"#]],
    );
}

#[test]
fn a_partition_that_is_not_there() {
    check(
        "[    0.000000] Command line: console=ttyS0 root=/dev/vda7 rootfstype=ext4\n\
         [    0.900000] virtio_blk virtio1: [vda] 131072 512-byte logical blocks\n\
         [    1.149671] VFS: Cannot open root device \"/dev/vda7\" or unknown-block(254,7): error -6\n",
        false,
        expect![[r#"
        NoRootDevice: the disk vda is there, but not the partition /dev/vda7
        seen: [    1.149671] VFS: Cannot open root device "/dev/vda7" or unknown-block(254,7): error -6
        look at: the image's partition table, CONFIG_MSDOS_PARTITION"#]],
    );
}

#[test]
fn a_kernel_without_virtio_finds_no_disk() {
    let recorded = include_str!("recorded/pmem-missing.txt").replace("/dev/pmem0p1", "/dev/vda1");
    check(
        &recorded,
        false,
        expect![[r#"
        NoVirtio: the kernel found no virtio disk, so /dev/vda1 is not there
        seen: [    0.682594] VFS: Cannot open root device "/dev/vda1" or unknown-block(0,0): error -19
        look at: CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_BLK, CONFIG_PCI"#]],
    );
}

#[test]
fn init_killed_by_a_signal() {
    let line = "[    0.9] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b";
    check(
        &up(line),
        true,
        expect![[r#"
        InitDied: init ended: killed by signal 11
        seen: [    0.9] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
        look at: the program run as init: the lines before the panic are its last words"#]],
    );
}

#[test]
fn an_agent_without_vsock_says_so() {
    let block = "========\nkata-agent 0.1.0: the guest agent can't run\n  can't listen on \
                 vsock://-1:1024; is vsock built into the guest kernel?\n========\n";
    check(
        &up(block),
        true,
        expect![[r#"
        NoVsock: the agent can't listen, because the guest's kernel has no vsock
        seen: can't listen on vsock://-1:1024; is vsock built into the guest kernel?
        look at: CONFIG_VSOCKETS, CONFIG_VIRTIO_VSOCKETS (built in, or their modules loaded)"#]],
    );
}

#[test]
fn an_agent_that_panics_is_quoted() {
    let block = "========\nkata-agent 0.1.0: the guest agent has a bug and stops\n  at src/a.rs:7\n  \
                 no luck\n========\n";
    check(
        &up(block),
        true,
        expect![[r#"
        InitDied: the agent gave up and said why
        seen: kata-agent 0.1.0: the guest agent has a bug and stops; at src/a.rs:7; no luck
        look at: the agent itself: the place in its source is in its words"#]],
    );
}

#[test]
fn an_agent_that_gives_up_as_a_service_is_quoted() {
    let line = "kata-agent: can't listen on bogus://x: ttrpc err: no such scheme";
    check(
        &up(&format!("{{\"msg\":\"the guest agent can't run: bogus\"}}\n{line}\n")),
        false,
        expect![[r#"
        InitDied: the agent gave up and said why
        seen: kata-agent: can't listen on bogus://x: ttrpc err: no such scheme
        look at: agent.server_addr= on the kernel command line or in the agent's configuration file"#]],
    );
}

#[test]
fn what_the_agent_could_not_do_names_the_suspect() {
    let suspect = |reason: &str| {
        let block = format!("kata-agent 0.1.0: the guest agent can't run\n  {reason}\n=====\n");
        let off = exit(0, Some(VmEvent::GuestShutdown), "");
        let found = diagnose(&up(&block), true, Some(&off));
        assert_eq!(found.class, FailureClass::InitDied);
        found.suspect.unwrap()
    };
    assert_eq!(suspect("can't mount proc on /proc; is the filesystem…"), "CONFIG_PROC_FS");
    assert_eq!(suspect("can't mount tmpfs on /run; is the filesystem…"), "CONFIG_TMPFS");
    assert!(suspect("can't read the configuration file /a").contains("agent.config_file="));
    assert!(suspect("something new").contains("its own words"));
}

#[test]
fn a_systemd_that_freezes_does_not_wait_for_the_deadline() {
    let frozen = "[    1.9] systemd[1]: Freezing execution.";
    assert!(is_last_word(frozen) && !is_last_word("[    1.9] systemd[1]: Started"));
    let why = "[    1.8] systemd[1]: Failed to isolate default target: Unit kata-agent.service is masked.";
    let found = diagnose(&up(&format!("{why}\n{frozen}\n")), false, None);
    assert_eq!(found.class, FailureClass::InitDied);
    assert_eq!(found.evidence.as_deref(), Some(why));
    assert!(found.suspect.unwrap().contains("kata-agent.service"));
    let alone = diagnose(&up(frozen), false, None);
    assert_eq!(alone.evidence.as_deref(), Some(frozen));
}

#[test]
fn another_panic_keeps_its_reason() {
    let line = "[    0.9] Kernel panic - not syncing: stack-protector: Kernel stack is corrupted";
    check(
        &up(line),
        true,
        expect![[r#"
        GuestPanic: the guest's kernel panicked: stack-protector: Kernel stack is corrupted
        seen: [    0.9] Kernel panic - not syncing: stack-protector: Kernel stack is corrupted
        look at: -"#]],
    );
}

#[test]
fn a_kernel_without_vsock_up_to_the_deadline() {
    let console = up("[    0.8] other words\n").replace("PF_VSOCK", "PF_PACKET");
    assert_eq!(diagnose(&console, true, None).class, FailureClass::NoVsock);
}

#[test]
fn an_agent_that_listens_where_nothing_arrives() {
    let listens =
        |address: &str| format!("{{\"msg\":\"ttRPC server started\",\"address\":\"{address}\"}}");
    let found = diagnose(&up(&listens("vsock://-1:1024")), true, None);
    assert_eq!(found.class, FailureClass::NoVirtio);
    let elsewhere = diagnose(&up(&listens("vsock://-1:9999")), true, None);
    assert_eq!(elsewhere.class, FailureClass::AgentSilent);
    assert!(elsewhere.evidence.unwrap().contains("9999"));
}

#[test]
fn silence_is_told_apart_by_the_stage_reached() {
    assert_eq!(diagnose("", true, None).class, FailureClass::KernelSilent);
    assert_eq!(
        diagnose("SeaBIOS\nBooting from ROM..", true, None).class,
        FailureClass::KernelSilent
    );
    let slow = diagnose("[    0.000000] Linux version 6.12", true, None);
    assert_eq!(slow.class, FailureClass::AgentSilent);
    assert!(
        slow.explanation.contains("before starting init")
            || slow.explanation.contains("starting init")
    );
    assert_eq!(diagnose(&up(""), true, None).class, FailureClass::AgentSilent);
}

#[test]
fn the_hypervisors_own_end_comes_first() {
    let killed = exit(1, None, "warning\nqemu: could not load kernel");
    let found = diagnose(&up(""), true, Some(&killed));
    assert_eq!(found.class, FailureClass::HypervisorFailed);
    assert_eq!(found.evidence.as_deref(), Some("qemu: could not load kernel"));
    let stopped = exit(0, Some(VmEvent::HostStopped), "");
    assert_eq!(diagnose(&up(""), true, Some(&stopped)).class, FailureClass::HypervisorFailed);
    let off = exit(0, Some(VmEvent::GuestShutdown), "");
    let found = diagnose(&up("[    2.0] reboot: Power down"), true, Some(&off));
    assert_eq!(found.class, FailureClass::InitDied);
}

#[test]
fn names_of_classes_are_those_in_json() {
    let mismatch = FailureClass::VersionMismatch { expected: "1".into(), found: "2".into() };
    let classes = [
        FailureClass::HypervisorFailed,
        FailureClass::KernelSilent,
        FailureClass::OutOfMemory,
        FailureClass::NoRootDevice,
        FailureClass::WrongFilesystem,
        FailureClass::NoInit,
        FailureClass::InitDied,
        FailureClass::NoVirtio,
        FailureClass::NoVsock,
        FailureClass::AgentSilent,
        FailureClass::GuestPanic,
        mismatch,
        FailureClass::ClockWrong { skew_ms: 1 },
        FailureClass::ChecksFailed { names: Vec::new() },
    ];
    for class in classes {
        let json = serde_json::to_value(&class).unwrap();
        assert_eq!(json["kind"], class.name());
    }
}

/// What a guest says that refuses an extension.
fn refused(reason: &str) -> String {
    let rule = "=".repeat(72);
    up(&format!("{rule}\nkata-agent 0.1.0: the guest agent can't run\n  {reason}\n{rule}\n"))
}

#[test]
fn an_extension_that_is_refused() {
    check(
        &refused("the extension gpu on vdb: it has a partition of digests, but"),
        true,
        expect![[r#"
            InitDied: the agent gave up and said why
            seen: kata-agent 0.1.0: the guest agent can't run; the extension gpu on vdb: it has a partition of digests, but
            look at: the extension's file and its manifest (boot --extension), kata.extension.NAME.verity_params on the kernel command line"#]],
    );
    // The kernel's own words about it are not about the root.
    check(
        &format!(
            "[    0.800000] erofs: (device vdb1): cannot find valid erofs superblock\n{}",
            refused("the extension gpu can't be mounted from /dev/vdb1; is it")
        ),
        true,
        expect![[r#"
            InitDied: the agent gave up and said why
            seen: kata-agent 0.1.0: the guest agent can't run; the extension gpu can't be mounted from /dev/vdb1; is it
            look at: the extension's file and its manifest (boot --extension), kata.extension.NAME.verity_params on the kernel command line"#]],
    );
}

#[test]
fn an_extension_with_a_changed_byte() {
    check(
        &up(&format!(
            "[    0.800000] device-mapper: verity: 254:1: data block 0 is corrupted\n{}",
            refused("the extension gpu can't be mounted from /dev/dm-0; is it what was measured")
        )),
        true,
        expect![[r#"
            Tampered: dm-verity found bytes in the extension gpu that are not the measured ones
            seen: [    0.800000] device-mapper: verity: 254:1: data block 0 is corrupted
            look at: the extension's file, or a root hash of another one (kata.extension.gpu.verity_params)"#]],
    );
}
