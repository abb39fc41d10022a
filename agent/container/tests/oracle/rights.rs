//! Capabilities, "no new privileges", and the labels of security modules.

use serde_json::json;

use crate::case::Case;

const SETS: &str = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status";

const SEVERAL: [&str; 4] = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"];

#[test]
fn the_default_ones() {
    Case::sh(SETS)
        .shows(&["CapPrm:\t0000000020000420\nCapEff:\t0000000020000420\n", "NoNewPrivs:\t1\n"]);
}

#[test]
fn none() {
    Case::sh(SETS)
        .capable(&[])
        .shows(&["CapPrm:\t0000000000000000\n", "CapBnd:\t0000000000000000\n"]);
    Case::sh(SETS).remove("/process/capabilities").shows(&["CapBnd:\t0000000000000000\n"]);
}

#[test]
fn several_in_all_sets() {
    Case::sh(SETS)
        .capable(&SEVERAL)
        .shows(&["CapInh:\t0000000000201021\n", "CapAmb:\t0000000000201021\n"]);
}

#[test]
fn all_of_them() {
    let names = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
        LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER \
        SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE \
        SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP \
        MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF \
        CHECKPOINT_RESTORE";
    // All but CAP_SYS_RESOURCE, which root on a test's host may not have. What is not held
    // makes runc fail, and is left out by us.
    let all: Vec<String> = names.split_whitespace().map(|name| format!("CAP_{name}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Case::sh(SETS).capable(&all).shows(&["CapEff:\t000001fffeffffff\n"]);
    // Each alone, so that none has another's number.
    let each = "for set in $(sed -n 's/^CapBnd:\t//p' /proc/self/status); do echo $set; done";
    for (number, name) in (0..).filter(|number| *number != 24).zip(&all) {
        let ours = Case::sh(each).capable(&[name]).run(crate::runtimes::Which::Ours);
        assert_eq!(ours.output, format!("{:016x}\n", 1_u64 << number), "{name}");
    }
}

#[test]
fn another_user_has_what_is_ambient() {
    let case =
        |script: &str| Case::sh(script).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    case(SETS)
        .capable(&SEVERAL)
        .shows(&["CapEff:\t0000000000201021\n", "CapAmb:\t0000000000201021\n"]);
    case(SETS)
        .capable(&SEVERAL)
        .set("/process/capabilities/ambient", json!([]))
        .shows(&["CapPrm:\t0000000000000000\n", "CapBnd:\t0000000000201021\n"]);
    case("chown 5:5 /tmp/x || touch /tmp/x && chown 5:5 /tmp/x && stat -c %u /tmp/x")
        .writable()
        .capable(&["CAP_CHOWN"])
        .shows(&["5\n"]);
}

#[test]
fn sets_that_differ() {
    Case::sh(SETS)
        .capable(&SEVERAL)
        .set("/process/capabilities/effective", json!(["CAP_KILL"]))
        .set("/process/capabilities/permitted", json!(["CAP_KILL", "CAP_CHOWN"]))
        .set("/process/capabilities/inheritable", json!(["CAP_KILL", "CAP_CHOWN"]))
        .set("/process/capabilities/ambient", json!(["CAP_CHOWN"]))
        .shows(&["CapBnd:\t0000000000201021\n", "CapAmb:\t0000000000000001\n"]);
    // Root gets the bounding set at exec.
    Case::sh(SETS)
        .set("/process/capabilities", json!({"bounding": SEVERAL}))
        .set("/process/noNewPrivileges", json!(false))
        .shows(&["CapEff:\t0000000000201021\n"]);
    Case::sh(SETS)
        .set(
            "/process/capabilities",
            json!({"bounding": SEVERAL, "permitted": SEVERAL,
            "ambient": SEVERAL}),
        )
        .set("/process/user", json!({"uid": 7, "gid": 7}))
        .shows(&["CapAmb:\t0000000000000000\n"]);
}

#[test]
fn in_a_user_namespace() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    Case::sh(SETS)
        .capable(&SEVERAL)
        .with(|rootfs| crate::bundle::give(rootfs, 100_000))
        .set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .shows(&["CapEff:\t0000000000201021\n"]);
}

#[test]
fn an_unknown_one() {
    // runc warns of it and goes on; the types we read a spec with refuse it, and with
    // them the agent, before anything of a container is made.
    let case = Case::sh("echo ran").capable(&["CAP_KILL", "CAP_FLYING"]);
    let seen = case.run(crate::runtimes::Which::Runc);
    assert_eq!(seen.output, "ran\n", "{seen:?}");
    case.is_refused_by_us("serde failed");
}

#[test]
fn new_privileges_or_none() {
    for (no_new, shown) in [(true, "NoNewPrivs:\t1\n"), (false, "NoNewPrivs:\t0\n")] {
        Case::sh(SETS).set("/process/noNewPrivileges", json!(no_new)).shows(&[shown]);
    }
}

#[test]
fn a_program_with_its_owners_rights() {
    for (no_new, shown) in [(false, "1 packets received"), (true, "are you root?")] {
        Case::sh("/home/ping -c1 -W5 127.0.0.1 | grep packets")
            .with(|rootfs| {
                std::fs::copy("/usr/bin/busybox", rootfs.join("home/ping")).unwrap();
                crate::bundle::chmod(&rootfs.join("home/ping"), 0o4755);
            })
            .set("/process/capabilities", json!({"bounding": ["CAP_NET_RAW", "CAP_SETUID"]}))
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/noNewPrivileges", json!(no_new))
            .shows(&[shown]);
    }
}

#[test]
fn labels_of_absent_modules() {
    // Neither module is at work on a test's host.
    if !std::path::Path::new("/sys/kernel/security/apparmor").exists() {
        let case = Case::sh("echo ran").set("/process/apparmorProfile", json!("strict"));
        case.is_refused("apparmor", "AppArmor profile strict");
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        let case = Case::sh("echo ran").set("/process/selinuxLabel", json!("u:r:t:s0"));
        case.is_refused("selinux", "SELinux label u:r:t:s0");
    }
}

#[test]
fn sets_that_can_not_be_fail_both() {
    let case = |bounding: &[&str], permitted: &[&str], inheritable: &[&str]| {
        Case::sh(SETS).set(
            "/process/capabilities",
            json!({"bounding": bounding, "permitted": permitted, "effective": SEVERAL,
                "inheritable": inheritable}),
        )
    };
    // What is permitted may be more than what can be got again.
    case(&["CAP_KILL"], &SEVERAL, &["CAP_KILL"])
        .shows(&["CapBnd:\t0000000000000020\n", "CapInh:\t0000000000000020\n"]);
    case(&["CAP_KILL"], &SEVERAL, &SEVERAL)
        .is_refused("unable to apply caps", "can't set the capabilities");
    case(&SEVERAL, &["CAP_KILL"], &[])
        .is_refused("unable to apply caps", "can't set the capabilities");
}
