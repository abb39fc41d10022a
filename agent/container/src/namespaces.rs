//! The namespaces that a new process joins or makes once it is there. Its pid and user
//! namespaces began with it, unless it joins them.

use std::fs::File;
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use crate::error::{During, Error};
use crate::os::Os;
use crate::spec::given;

/// The kernel's flag of a namespace.
pub(crate) fn flag(kind: LinuxNamespaceType) -> CloneFlags {
    match kind {
        LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
        LinuxNamespaceType::User => CloneFlags::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
        LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
        LinuxNamespaceType::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
    }
}

/// Its file below /proc/PID/ns.
pub(crate) fn file(kind: LinuxNamespaceType) -> &'static str {
    let wanted = flag(kind).bits();
    ALL.iter().find(|(flag, _)| *flag == wanted).map_or("", |(_, file)| *file)
}

/// Which namespaces a container's first process begins in, before it is in its own user
/// namespace: in there it has no right to join the pod's.
pub(crate) fn are_joined_before(linux: &Linux) -> impl Fn(LinuxNamespaceType) -> bool {
    let maps =
        linux.namespaces().iter().flatten().any(|one| {
            one.typ() == LinuxNamespaceType::User && given(one.path().as_deref()).is_none()
        });
    move |kind| {
        let early = [
            LinuxNamespaceType::Ipc,
            LinuxNamespaceType::Uts,
            LinuxNamespaceType::Network,
            LinuxNamespaceType::Cgroup,
        ];
        maps && early.contains(&kind)
    }
}

/// All flags that a joined process can have, and its file below /proc/PID/ns.
pub(crate) const ALL: [(i32, &str); 8] = [
    (libc::CLONE_NEWUSER, "user"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWUTS, "uts"),
    (libc::CLONE_NEWNET, "net"),
    (libc::CLONE_NEWPID, "pid"),
    (libc::CLONE_NEWNS, "mnt"),
    (libc::CLONE_NEWCGROUP, "cgroup"),
    (libc::CLONE_NEWTIME, "time"),
];

/// Joins and makes the namespaces of a new container.
pub(crate) fn enter(os: &dyn Os, linux: &Linux) -> Result<(), Error> {
    let all = || linux.namespaces().iter().flatten();
    // Opened before the first one is joined: then some paths may be out of reach.
    let mut joined = Vec::new();
    let joined_before = are_joined_before(linux);
    for one in all() {
        if let Some(path) = given(one.path().as_deref())
            && one.typ() != LinuxNamespaceType::Pid
            && !joined_before(one.typ())
        {
            let what = format!("the {} namespace {}", one.typ(), path.display());
            let file = File::open(path).during(|| format!("can't open {what}"))?;
            joined.push((one.typ(), file, what));
        }
    }
    // The user namespace comes first, since its rights are needed for its others.
    joined.sort_by_key(|(kind, _, _)| *kind != LinuxNamespaceType::User);
    for (kind, file, what) in &joined {
        setns(file, flag(*kind)).during(|| format!("can't join {what}"))?;
        if *kind == LinuxNamespaceType::User {
            become_root(os)?;
        }
    }
    for one in all().filter(|one| given(one.path().as_deref()).is_none()) {
        match one.typ() {
            LinuxNamespaceType::Pid | LinuxNamespaceType::User => {}
            kind => {
                unshare(flag(kind)).during(|| format!("can't make a {kind} namespace"))?;
                match kind {
                    LinuxNamespaceType::Network => crate::network::loopback_up()
                        .during(|| "can't bring the loopback interface up")?,
                    LinuxNamespaceType::Time => move_clocks(os, linux)?,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Becomes user 0 of a user namespace that was joined.
pub(crate) fn become_root(os: &dyn Os) -> Result<(), Error> {
    os.groups(&[]).during(|| "can't drop groups in the user namespace")?;
    os.group(0).during(|| "can't become group 0 of the user namespace")?;
    os.user(0).during(|| "can't become user 0 of the user namespace")
}

/// Writes the clocks' offsets, which is possible before the first process is in the
/// namespace, and then moves this one there.
fn move_clocks(os: &dyn Os, linux: &Linux) -> Result<(), Error> {
    let mut offsets: Vec<_> = linux.time_offsets().iter().flatten().collect();
    offsets.sort_by_key(|(clock, _)| clock.as_str());
    for (clock, offset) in offsets {
        let (seconds, nanos) =
            (offset.secs().unwrap_or_default(), offset.nanosecs().unwrap_or_default());
        os.write(Path::new("/proc/self/timens_offsets"), &format!("{clock} {seconds} {nanos}\n"))
            .during(|| format!("can't move the clock {clock} by {seconds} s"))?;
    }
    let file = File::open("/proc/self/ns/time_for_children")
        .during(|| "can't open the new time namespace")?;
    setns(file, CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))
        .during(|| "can't enter the new time namespace")
}

/// The namespaces of a process that are not this one's own, as flags of setns(2).
pub(crate) fn differing(pid: i32) -> Result<i32, Error> {
    let mut flags = 0;
    for (flag, file) in ALL {
        let read = |whose: &str| {
            let path = format!("/proc/{whose}/ns/{file}");
            std::fs::read_link(&path).during(|| format!("can't read {path}"))
        };
        // A kernel may have no such namespace.
        let Ok(own) = read("self") else { continue };
        if read(&pid.to_string())? != own {
            flags |= flag;
        }
    }
    Ok(flags)
}
