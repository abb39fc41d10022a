//! The debug console of real guests: the agent as process 1, and as a service.

use super::running::Guest;
use crate::checkout::debug_variant;
use boot_check::{RootDriver, Rootfs};

/// A guest in its debug variant, started as its manifest asks for.
fn debug(distro: &str) -> Guest {
    let (path, parameters) = debug_variant(distro);
    assert!(parameters.iter().any(|word| word == "agent.debug_console"), "{parameters:?}");
    let rootfs = if path.extension().is_some_and(|ending| ending == "initrd") {
        Rootfs::Initrd(path)
    } else {
        Rootfs::Image { path, driver: RootDriver::NvdimmDax, fstype: "ext4".into() }
    };
    Guest::boot(rootfs, |request| request.extra_kernel_params = parameters)
}

/// A shell with a terminal, whose end is seen on this side, and of which nothing is
/// left in the guest.
#[track_caller]
fn check(guest: &Guest) {
    for _ in 0..2 {
        // The sums tell answers from the echo of what was typed.
        let ran = guest
            .console("tty; echo user-$(id -u)-$((6*7)); stty size; echo pid-$(($$+0))-; exit 3\n");
        let said = &ran.succeeded().stdout;
        assert!(said.contains("/dev/pts/") && said.contains("24 80\r\n"), "{said}");
        assert!(said.contains("user-0-42\r\n"), "{said}");
        // Of the places with that word, the one with a number behind it.
        let pid = said.split("pid-").find_map(|rest| rest.split('-').next()?.parse().ok());
        let pid: u32 = pid.unwrap_or_else(|| panic!("{said}"));
        // Collected, not a zombie, whoever is process 1.
        let look = format!("[ -e /proc/{pid} ] && echo left-$((1+1)) || echo gone-$((1+1))\n");
        let ran = guest.console(&format!("{look}exit\n")).succeeded();
        assert!(ran.stdout.contains("gone-2\r\n"), "{}", ran.stdout);
    }
    let words = guest.words();
    assert!(words.contains("the debug console listens on vsock port 1026"), "{words}");
    guest.ctl(&["Check", "CreateSandbox sandbox_id=a", "DestroySandbox"]).succeeded();
    assert!(guest.ended().is_guest_shutdown(), "{}", guest.words());
}

#[test]
fn of_an_agent_that_is_process_one() {
    check(&debug("alpine"));
}

#[test]
fn of_an_agent_that_is_a_service_of_systemd() {
    check(&debug("debian"));
}

#[test]
fn a_guest_that_was_not_asked_for_one_has_none() {
    let guest = Guest::start();
    let ran = guest.console("echo here\nexit\n");
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("nobody in the guest listens on vsock port 1026"), "{ran:#?}");
    assert!(!guest.words().contains("debug console"), "{}", guest.words());
    guest.ctl(&["Check", "CreateSandbox sandbox_id=a", "DestroySandbox"]).succeeded();
    assert!(guest.ended().is_guest_shutdown(), "{}", guest.words());
}
