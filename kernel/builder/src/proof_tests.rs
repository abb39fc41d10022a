//! Tests of the proof: every reason for which Kconfig drops a line, as its
//! author will read it.

use std::fs;

use super::*;
use crate::fragment::parse;
use crate::{KconfigError, KernelError};

const KCONFIG: &str = r#"
config EXPERT
	bool "Expert"

config NET
	bool "Network"

config PCI
	bool

config BOARD
	bool "Board"
	select PCI if NET

config VSOCKETS
	tristate "Sockets"
	depends on NET && (PCI || MMIO)
	depends on $(success,true)

config HIDDEN
	bool

config TUNED
	bool "Tuned" if EXPERT
	default y

config CPUS
	int "CPUs"
	range 2 512

config NAME
	string "Name"

choice
	prompt "Packed with"
config GZIP
	bool "gzip"
config XZ
	bool "xz"
endchoice

config OLD
	bool "Old"
	depends on !NET
"#;

/// Proves one line against a configuration and shows the whole message.
fn check(line: &str, config: &str, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Kconfig"), KCONFIG).unwrap();
    let requested = parse("a.conf", format!("# Why.\n{line}\n").as_bytes()).unwrap().requested;
    let kconfig = || Kconfig::read(dir.path(), "x86");
    let message = match prove(&requested, &DotConfig::parse(config), kconfig) {
        Ok(proof) => format!("{} proven", proof.requested),
        Err(KernelError::Lost { lost }) => {
            lost.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(other) => other.to_string(),
    };
    assert_eq!(message, expected);
}

#[test]
fn what_is_as_asked_is_proven_without_reading_kconfig() {
    let text =
        "# Why.\nCONFIG_NET=y\n# CONFIG_PCI is not set\nCONFIG_CPUS=0x10\nCONFIG_NAME=\"a\"\n";
    let requested = parse("a.conf", text.as_bytes()).unwrap().requested;
    let config = DotConfig::parse("CONFIG_NET=y\nCONFIG_CPUS=16\nCONFIG_NAME=\"a\"\nCONFIG_X=y\n");
    let unread = || -> Result<Kconfig, KconfigError> { panic!("read without need") };
    let proof = prove(&requested, &config, unread).unwrap();
    assert_eq!(proof, Proof { requested: 4, built_in: 2 });
}

#[test]
fn a_slip_in_a_name() {
    check(
        "CONFIG_VSOCKET=y",
        "",
        "a.conf:2: CONFIG_VSOCKET=y became n\n    this kernel has no such option; did you mean CONFIG_VSOCKETS?",
    );
    check(
        "CONFIG_SOMETHING_ELSE=y",
        "",
        "a.conf:2: CONFIG_SOMETHING_ELSE=y became n\n    this kernel has no such option",
    );
}

#[test]
fn a_dependency_that_does_not_hold() {
    check(
        "CONFIG_VSOCKETS=y",
        "",
        "a.conf:2: CONFIG_VSOCKETS=y became n\n    \
         Kconfig:17: needs NET\n        NET is n; it can be asked for (Kconfig:5)\n    \
         Kconfig:17: needs PCI || MMIO\n        \
         MMIO is n; this architecture has no such option\n        \
         PCI is n; it is selected by BOARD",
    );
    check(
        "CONFIG_OLD=y",
        "CONFIG_NET=y\n",
        "a.conf:2: CONFIG_OLD=y became n\n    \
         Kconfig:44: needs !NET\n        NET is y; it is asked for or on by default (Kconfig:5)",
    );
}

#[test]
fn an_option_that_only_others_set() {
    check(
        "CONFIG_PCI=y",
        "",
        "a.conf:2: CONFIG_PCI=y became n\n    Kconfig:8: it cannot be set by hand; it is selected by BOARD",
    );
    check(
        "CONFIG_HIDDEN=y",
        "",
        "a.conf:2: CONFIG_HIDDEN=y became n\n    Kconfig:20: it cannot be set by hand; no option selects it",
    );
}

#[test]
fn an_option_that_cannot_be_off() {
    check(
        "# CONFIG_PCI is not set",
        "CONFIG_PCI=y\nCONFIG_NET=y\nCONFIG_BOARD=y\n",
        "a.conf:2: # CONFIG_PCI is not set became y\n    Kconfig:13: CONFIG_BOARD, which is on, selects it",
    );
    check(
        "# CONFIG_TUNED is not set",
        "CONFIG_TUNED=y\n",
        "a.conf:2: # CONFIG_TUNED is not set became y\n    Kconfig:23: it is on by default and cannot be set by hand",
    );
}

#[test]
fn a_value_of_the_wrong_type_or_size() {
    check(
        "CONFIG_NET=1",
        "CONFIG_NET=y\n",
        "a.conf:2: CONFIG_NET=1 became y\n    Kconfig:5: its type is bool, so the value does not fit",
    );
    check(
        "CONFIG_NAME=7",
        "CONFIG_NAME=\"\"\n",
        "a.conf:2: CONFIG_NAME=7 became \"\"\n    Kconfig:31: its type is string, so the value does not fit",
    );
    check(
        "CONFIG_CPUS=1000",
        "CONFIG_CPUS=512\n",
        "a.conf:2: CONFIG_CPUS=1000 became 512\n    Kconfig:27: its range is 2 to 512",
    );
}

#[test]
fn another_member_of_a_choice() {
    check(
        "CONFIG_XZ=y",
        "CONFIG_GZIP=y\n",
        "a.conf:2: CONFIG_XZ=y became n\n    Kconfig:38: of this choice CONFIG_GZIP was taken",
    );
}

#[test]
fn nothing_is_made_up() {
    check(
        "CONFIG_NET=y",
        "",
        "a.conf:2: CONFIG_NET=y became n\n    Kconfig gives no reason that could be found",
    );
}
