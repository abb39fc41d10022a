//! Which packages of Debian a package of another distro stands for. It knows
//! names, and what of a package its files alone do not say.

/// What a package of another distro is made of here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Names under which distros have it.
    names: &'static [&'static str],
    /// Debian's packages, all of which go into it.
    debian: &'static [&'static str],
    /// Links that Debian has elsewhere.
    pub(super) links: &'static [(&'static str, &'static str)],
    /// What it offers besides what its files say.
    pub(super) provides: &'static [&'static str],
    /// What it needs besides what its files say.
    pub(super) requires: &'static [&'static str],
}

const fn known(names: &'static [&'static str], debian: &'static [&'static str]) -> Known {
    Known { names, debian, links: &[], provides: &[], requires: &[] }
}

const KNOWN: &[Known] = &[
    known(
        &["filesystem", "centos-stream-release", "fedora-release", "azurelinux-release"],
        &["base-files"],
    ),
    Known {
        links: &[("usr/bin/sh", "bash")],
        provides: &["/bin/sh", "/bin/bash"],
        requires: &["filesystem"],
        ..known(&["bash"], &["bash"])
    },
    // What rpmbuild finds in every program, and glibc's own spec promises.
    Known { provides: &["rtld(GNU_HASH)"], ..known(&["libc6"], &["libc6"]) },
    known(&["coreutils", "coreutils-single"], &["coreutils"]),
    known(&["util-linux", "util-linux-core", "util-linux-bin"], &["mount", "util-linux"]),
    known(&["kmod", "kmod-bin"], &["kmod"]),
    known(&["iptables", "iptables-nft", "iptables-bin"], &["iptables"]),
    Known {
        // Whichever kernel module tool there is has to come with it.
        requires: &["filesystem", "(kmod or kmod-bin)"],
        ..known(&["systemd"], &["systemd", "systemd-sysv"])
    },
    Known {
        requires: &["(systemd if kmod)"],
        ..known(
            &["dbus"],
            &[
                "dbus",
                "dbus-bin",
                "dbus-daemon",
                "dbus-session-bus-common",
                "dbus-system-bus-common",
            ],
        )
    },
    known(&["dbus-broker"], &["dbus-broker", "dbus-session-bus-common", "dbus-system-bus-common"]),
    Known { requires: &["tzdata"], ..known(&["chrony"], &["chrony"]) },
    known(&["libudev0-shim"], &["libudev1"]),
    known(&["procps-ng"], &["procps"]),
    known(&["iproute", "iproute2"], &["iproute2"]),
];

/// What is known of a package, if more than its name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.names.contains(&name))
}

/// Debian's packages for a package of another distro.
pub(super) fn debian_names(name: &str) -> Vec<String> {
    match find(name) {
        Some(known) => known.debian.iter().map(|&name| name.to_owned()).collect(),
        None => vec![name.to_owned()],
    }
}
