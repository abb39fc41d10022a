//! One rule a failure class. Each looks for words that the kernel, the agent
//! or the hypervisor prints in that case only, and names what to look at.

use hypervisor::VmEvent;

use super::{Diagnosis, Evidence, FailureClass, stage_reached};
use crate::timeline::Stage;

/// How the agent begins the block it prints when it can't go on as process 1.
const AGENT_DEATH: &str = ": the guest agent ";
/// How it begins the one line it prints when it can't go on as a service.
const SERVICE_DEATH: &str = "kata-agent: ";
/// How it names an extension that it refuses.
const EXTENSION: &str = " the extension ";
/// What systemd says when it can't go on; it stays as a process that does nothing.
const SYSTEMD_FREEZE: &str = "systemd[1]: Freezing execution";
/// How a kernel panic begins.
const PANIC: &str = "Kernel panic - not syncing";

/// Whether nothing more is to be expected of a guest after this line.
pub(super) fn is_last_word(line: &str) -> bool {
    line.contains(PANIC) || line.contains(SYSTEMD_FREEZE)
}

fn diagnosis(
    class: FailureClass,
    explanation: &str,
    evidence: Option<&str>,
    suspect: Option<&str>,
) -> Diagnosis {
    Diagnosis {
        class,
        explanation: explanation.to_owned(),
        evidence: evidence.map(|line| line.trim().to_owned()),
        suspect: suspect.map(str::to_owned),
    }
}

impl<'a> Evidence<'a> {
    /// The first line that holds any of `texts`.
    fn line(&self, texts: &[&str]) -> Option<&'a str> {
        self.console
            .iter()
            .map(String::as_str)
            .find(|line| texts.iter().any(|text| line.contains(text)))
    }

    /// The value of a parameter on the kernel's own copy of its command line.
    fn param(&self, name: &str) -> Option<&'a str> {
        let command_line = self.line(&["Kernel command line: ", "Command line: "])?;
        command_line
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

pub(super) fn hypervisor_failed(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let exit = evidence.exit?;
    let by_guest = [VmEvent::GuestShutdown, VmEvent::GuestReset, VmEvent::GuestPanicked];
    if exit.process.success() && evidence.events.iter().any(|event| by_guest.contains(event)) {
        return None;
    }
    let last = exit.stderr.last().map(String::as_str);
    let explanation = format!("the hypervisor ended by itself ({})", exit.process);
    Some(diagnosis(FailureClass::HypervisorFailed, &explanation, last, None))
}

pub(super) fn kernel_silent(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if stage_reached(evidence.console) != Stage::Firmware {
        return None;
    }
    Some(diagnosis(
        FailureClass::KernelSilent,
        "the kernel wrote nothing to the serial console",
        evidence.console.iter().rev().map(String::as_str).find(|line| !line.trim().is_empty()),
        Some(
            "the kernel image itself, console=ttyS0 on its command line, CONFIG_SERIAL_8250_CONSOLE, \
             CONFIG_PRINTK",
        ),
    ))
}

pub(super) fn out_of_memory(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.line(&[
        "Out of memory and no killable processes",
        "System is deadlocked on memory",
        "Out of memory: Killed process",
        // The number of threads that a kernel allows follows from its memory: with too
        // little, its own first ones find no room, and it panics before it counts.
        "Failed to create a rescuer kthread",
        "Initramfs unpacking failed: write error",
        "initramfs unpacking failed: write error",
        "can't allocate initrd",
        "initrd too large",
    ])?;
    Some(diagnosis(
        FailureClass::OutOfMemory,
        "the guest ran out of memory",
        Some(line),
        Some("the guest's memory size, or what makes the initrd large"),
    ))
}

pub(super) fn no_vsock_said_by_agent(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.line(&[
        "can't listen on vsock:",
        "Address family not supported by protocol",
        "EAFNOSUPPORT",
    ])?;
    Some(diagnosis(
        FailureClass::NoVsock,
        "the agent can't listen, because the guest's kernel has no vsock",
        Some(line),
        Some("CONFIG_VSOCKETS, CONFIG_VIRTIO_VSOCKETS (built in, or their modules loaded)"),
    ))
}

pub(super) fn no_init(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let class = FailureClass::NoInit;
    if let Some(line) = evidence
        .line(&["Initramfs unpacking failed", "invalid magic at start of compressed archive"])
        && evidence.initrd
    {
        return Some(diagnosis(
            class,
            "the kernel can't unpack the initrd",
            Some(line),
            Some(
                "the archive's compression (CONFIG_RD_GZIP, CONFIG_RD_XZ, CONFIG_RD_ZSTD), or a cut file",
            ),
        ));
    }
    let refused = evidence.line(&["Requested init ", "Failed to execute /"]);
    let missing = evidence.line(&["No working init found"]);
    if let Some(line) = refused.or(missing) {
        let suspect = if line.contains("error -8") {
            "the architecture of the init program, CONFIG_BINFMT_ELF, CONFIG_BINFMT_SCRIPT"
        } else if line.contains("error -13") {
            "the mode of the init program: it must be executable"
        } else if evidence.initrd {
            "/init in the initrd, or its program interpreter"
        } else {
            "the package that brings /sbin/init (systemd-sysv), or init= on the command line"
        };
        return Some(diagnosis(
            class,
            "there is no program that can run as init",
            Some(line),
            Some(suspect),
        ));
    }
    if !evidence.initrd {
        return None;
    }
    // With an initrd the kernel looks for a root device only because it found
    // no init in the archive.
    let line = evidence.line(&["check access for rdinit=", "VFS: Unable to mount root fs"])?;
    Some(diagnosis(
        class,
        "the initrd has no program at the path of init",
        Some(line),
        Some("/init in the initrd (a program, executable), rdinit=, CONFIG_BLK_DEV_INITRD"),
    ))
}

pub(super) fn wrong_filesystem(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let class = FailureClass::WrongFilesystem;
    // The kernel's words are about an extension then, and the agent has better ones.
    if evidence.line(&[EXTENSION]).is_some() {
        return None;
    }
    let fstype = evidence.param("rootfstype").unwrap_or("its type");
    if let Some(line) = evidence.line(&[
        "DAX unsupported by block device",
        "dax option not supported",
        "DAX enabled without",
    ]) {
        return Some(diagnosis(
            class,
            "the root's device can't be mounted with DAX",
            Some(line),
            Some(
                "CONFIG_FS_DAX, CONFIG_ZONE_DEVICE, CONFIG_NVDIMM_DAX, or the alignment in the image's header",
            ),
        ));
    }
    if let Some(line) = evidence.line(&["unable to mount compressed EROFS"]) {
        return Some(diagnosis(
            class,
            "the image's erofs is compressed, which this kernel can't read",
            Some(line),
            Some("CONFIG_EROFS_FS_ZIP, or an image built with --compression none"),
        ));
    }
    if let Some(line) = evidence.line(&[
        "an't find ext4 filesystem",
        "cannot find valid erofs superblock",
        "bad magic number",
        "No filesystem could mount root",
    ]) {
        return Some(diagnosis(
            class,
            &format!("the root device holds no {fstype} file system"),
            Some(line),
            Some("rootfstype= against the image's real type, or a damaged image"),
        ));
    }
    // A device with a number was found, so what is missing is the type; unless
    // nothing answers to that number (ENXIO), as with a partition that is not there.
    let line = evidence
        .line(&["Cannot open root device"])
        .filter(|line| !line.contains("unknown-block(0,0)") && !line.ends_with("error -6"))?;
    Some(diagnosis(
        class,
        &format!("the kernel does not know the file system {fstype}"),
        Some(line),
        Some(&format!("{} or the root's type", filesystem_option(fstype))),
    ))
}

fn filesystem_option(fstype: &str) -> &'static str {
    match fstype {
        "ext4" => "CONFIG_EXT4_FS",
        "erofs" => "CONFIG_EROFS_FS",
        "xfs" => "CONFIG_XFS_FS",
        _ => "the CONFIG option of that file system",
    }
}

pub(super) fn tampered(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    // The target also says which implementation of SHA-256 it took.
    let mut lines = evidence.console.iter().map(String::as_str);
    let line = lines
        .find(|line| line.contains("device-mapper: verity: ") && line.contains(" is corrupted"))?;
    if let Some(words) = evidence.line(&[EXTENSION]) {
        let name = words.split_once(EXTENSION).and_then(|(_, rest)| rest.split(' ').next());
        let name = name.unwrap_or_default();
        return Some(diagnosis(
            FailureClass::Tampered,
            &format!(
                "dm-verity found bytes in the extension {name} that are not the measured ones"
            ),
            Some(line),
            Some(&format!(
                "the extension's file, or a root hash of another one \
                 (kata.extension.{name}.verity_params)"
            )),
        ));
    }
    Some(diagnosis(
        FailureClass::Tampered,
        "dm-verity found bytes in the image that are not the measured ones",
        Some(line),
        Some("the image file, or a root hash of another image (kernel_verity_params)"),
    ))
}

pub(super) fn no_root_device(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.line(&[
        "Cannot open root device",
        "Waiting for root device",
        "VFS: Unable to mount root fs",
    ])?;
    let root = evidence.param("root").unwrap_or("");
    let class = FailureClass::NoRootDevice;
    if let Some(name) = root.strip_prefix("/dev/vd") {
        let disk =
            format!("vd{}", name.trim_end_matches(|character: char| character.is_ascii_digit()));
        // The driver names each disk it finds in brackets.
        if evidence.line(&[&format!("[{disk}]")]).is_some() {
            return Some(diagnosis(
                class,
                &format!("the disk {disk} is there, but not the partition {root}"),
                Some(line),
                Some("the image's partition table, CONFIG_MSDOS_PARTITION"),
            ));
        }
        if evidence.line(&["virtio_blk virtio"]).is_none() {
            return Some(diagnosis(
                FailureClass::NoVirtio,
                &format!("the kernel found no virtio disk, so {root} is not there"),
                Some(line),
                Some("CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_BLK, CONFIG_PCI"),
            ));
        }
    }
    let suspect = if root.starts_with("/dev/pmem") {
        "CONFIG_ACPI_NFIT, CONFIG_LIBNVDIMM, CONFIG_BLK_DEV_PMEM, CONFIG_ND_PFN, CONFIG_NVDIMM_PFN, \
         CONFIG_MSDOS_PARTITION, or the image's header"
    } else {
        "root= on the command line, or the driver of that device"
    };
    let explanation = format!("the root device {root:?} is not there");
    Some(diagnosis(class, &explanation, Some(line), Some(suspect)))
}

pub(super) fn init_died(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let class = FailureClass::InitDied;
    if let Some(index) =
        evidence.console.iter().position(|line| line.contains(AGENT_DEATH) && !line.contains('{'))
    {
        let block = &evidence.console[index..evidence.console.len().min(index + 4)];
        let words = block.iter().map(|line| line.trim()).filter(|line| !line.contains("==="));
        return Some(agent_gave_up(&words.collect::<Vec<_>>().join("; ")));
    }
    let mut lines = evidence.console.iter().map(|line| line.trim());
    if let Some(line) = lines.find(|line| line.starts_with(SERVICE_DEATH)) {
        return Some(agent_gave_up(line));
    }
    if evidence.line(&[SYSTEMD_FREEZE]).is_some() {
        let why = evidence.line(&["Failed to isolate default target", "Failed to load default"]);
        return Some(diagnosis(
            class,
            "systemd gave up before it could start the agent",
            why.or(evidence.line(&[SYSTEMD_FREEZE])),
            Some(
                "kata-containers.target and kata-agent.service in the image, systemd.unit= and \
                 systemd.mask= on the command line",
            ),
        ));
    }
    if let Some(line) = evidence.line(&["Attempted to kill init"]) {
        let explanation = match init_status(line) {
            Some(status) => format!("init ended: {status}"),
            None => String::from("init ended"),
        };
        let suspect = "the program run as init: the lines before the panic are its last words";
        return Some(diagnosis(class, &explanation, Some(line), Some(suspect)));
    }
    let off = evidence.exit.is_some() && evidence.events.contains(&VmEvent::GuestShutdown);
    off.then(|| {
        diagnosis(
            class,
            "the guest powered itself off before its agent answered",
            evidence.line(&["Failed to start", "[FAILED]", "reboot: Power down"]),
            Some("the agent's service or init: the last console lines are its last words"),
        )
    })
}

/// An agent that said why it can't go on.
fn agent_gave_up(words: &str) -> Diagnosis {
    let suspect = if words.contains("extension") {
        "the extension's file and its manifest (boot --extension), \
         kata.extension.NAME.verity_params on the kernel command line"
    } else if words.contains("can't listen on") {
        "agent.server_addr= on the kernel command line or in the agent's configuration file"
    } else if words.contains("configuration file") {
        "agent.config_file= on the kernel command line, and that file in the guest"
    } else if words.contains("can't mount proc") {
        "CONFIG_PROC_FS"
    } else if words.contains("can't mount tmpfs") {
        "CONFIG_TMPFS"
    } else if words.contains("has a bug") {
        "the agent itself: the place in its source is in its words"
    } else {
        "the agent: its own words name the cause"
    };
    let explanation = "the agent gave up and said why";
    diagnosis(FailureClass::InitDied, explanation, Some(words), Some(suspect))
}

/// The wait status in `exitcode=0x00000300`, in words.
fn init_status(line: &str) -> Option<String> {
    let hex = line.split_once("exitcode=0x")?.1.split_whitespace().next()?;
    let status = u32::from_str_radix(hex, 16).ok()?;
    Some(match status & 0x7f {
        0 => format!("exit code {}", status >> 8 & 0xff),
        signal => format!("killed by signal {signal}"),
    })
}

pub(super) fn guest_panic(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.line(&[PANIC, "Internal error: Oops"]);
    let reset = evidence
        .events
        .iter()
        .any(|event| matches!(event, VmEvent::GuestReset | VmEvent::GuestPanicked));
    if line.is_none() && !reset {
        return None;
    }
    let explanation = match line.and_then(|line| line.split_once("not syncing: ")) {
        Some((_, reason)) => format!("the guest's kernel panicked: {}", reason.trim()),
        None => String::from("the guest reset itself"),
    };
    Some(diagnosis(FailureClass::GuestPanic, &explanation, line, None))
}

pub(super) fn no_vsock_in_kernel(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    // Only a kernel that came up whole would have registered it.
    let init = evidence.line(&[" as init process"])?;
    if evidence.line(&["PF_VSOCK", "vsock"]).is_some() {
        return None;
    }
    Some(diagnosis(
        FailureClass::NoVsock,
        "the kernel came up without vsock, so nobody can reach the agent",
        Some(init),
        Some("CONFIG_VSOCKETS, CONFIG_VIRTIO_VSOCKETS (built in, or their modules loaded)"),
    ))
}

pub(super) fn no_vsock_device(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.console.iter().find(|line| crate::timeline::agent_listens(line))?;
    // An agent told to listen elsewhere is silent, not unreachable.
    if !line.contains("vsock://") || !line.contains(":1024") {
        return None;
    }
    Some(diagnosis(
        FailureClass::NoVirtio,
        "the agent listens, but no connection reaches it: the vsock device has no driver",
        Some(line),
        Some("CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_VSOCKETS, CONFIG_PCI"),
    ))
}

pub(super) fn agent_silent(evidence: &Evidence<'_>) -> Diagnosis {
    let stage = stage_reached(evidence.console);
    let failed = evidence.line(&["[FAILED]", "Failed to start", "ttRPC server started"]);
    let last =
        evidence.console.iter().rev().map(String::as_str).find(|line| !line.trim().is_empty());
    let (explanation, suspect) = match stage {
        Stage::Firmware | Stage::Kernel => (
            "the kernel did not come as far as starting init before the deadline",
            "the last console line, or a longer timeout for a slow host",
        ),
        _ => (
            "init runs, but the agent did not answer before the deadline",
            "the agent's unit (systemctl status kata-agent), agent.server_addr, or a longer timeout",
        ),
    };
    diagnosis(FailureClass::AgentSilent, explanation, failed.or(last), Some(suspect))
}
