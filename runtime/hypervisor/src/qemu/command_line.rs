//! A machine as QEMU's arguments. A pure function, so that every device's
//! spelling is pinned by a test.
//!
//! It starts nothing and reads no file.

use std::ffi::OsString;
use std::path::Path;

use crate::accelerator::Accelerator;
use crate::device::{Machine, VsockTransport};

/// The wall clock of an instruction-counted guest at power-on. Any fixed date
/// makes the run repeatable; this one is not before any program's build date
/// by decades, which systemd and TLS would mind.
const ICOUNT_EPOCH: &str = "2026-01-01T00:00:00";

/// The sockets QEMU makes or uses.
#[derive(Debug, Clone, Copy)]
pub struct Sockets<'a> {
    /// The control socket QEMU listens on.
    pub qmp: &'a Path,
    /// The socket the vsock daemon listens on.
    pub vhost_user: &'a Path,
}

/// The arguments, without the program's name.
#[must_use]
pub fn arguments(machine: &Machine, sockets: Sockets<'_>) -> Vec<OsString> {
    let mut args = Arguments::default();
    args.flag("-no-user-config").flag("-nodefaults").flag("-no-reboot");
    args.option("-display", "none");
    chipset(&mut args, machine);
    accelerator(&mut args, machine.accelerator);
    args.option("-smp", machine.cpus.count().to_string());
    memory(&mut args, machine);
    kernel(&mut args, machine);
    args.option("-chardev", "stdio,id=console,signal=off");
    args.option("-serial", "chardev:console");
    args.joined("-chardev", &["socket,id=qmp,server=on,wait=off,path="], sockets.qmp);
    args.option("-mon", "chardev=qmp,mode=control");
    if let Some(nvdimm) = &machine.nvdimm {
        let size = format!(
            "memory-backend-file,id=nv0,share=off,readonly=on,size={},mem-path=",
            nvdimm.size()
        );
        args.joined("-object", &[&size], nvdimm.path());
        args.option("-device", "nvdimm,id=nvdimm0,memdev=nv0,unarmed=on");
    }
    for (index, disk) in machine.disks.iter().enumerate() {
        let read_only = if disk.read_only() { "on" } else { "off" };
        let drive = format!("if=none,id=disk{index},format=raw,read-only={read_only},file=");
        args.joined("-drive", &[&drive], disk.path());
        let mut device = format!("virtio-blk-pci,drive=disk{index},disable-legacy=on");
        if let Some(serial) = disk.serial() {
            device.push_str(&format!(",serial={serial}"));
        }
        args.option("-device", device);
    }
    vsock(&mut args, machine, sockets);
    args.done
}

fn chipset(args: &mut Arguments, machine: &Machine) {
    let mut value = String::from("q35,usb=off,vmport=off");
    if machine.nvdimm.is_some() {
        value.push_str(",nvdimm=on");
    }
    if shares_memory(machine) {
        value.push_str(",memory-backend=ram");
    }
    args.option("-machine", value);
}

fn accelerator(args: &mut Arguments, accelerator: Accelerator) {
    match accelerator {
        Accelerator::Kvm => {
            args.option("-accel", "kvm").option("-cpu", "host");
        }
        Accelerator::Tcg { icount } => {
            args.option("-accel", "tcg").option("-cpu", "max");
            if icount {
                args.option("-icount", "shift=0,sleep=off");
                // What else would differ from run to run: random numbers
                // given to the guest, and the date it starts at.
                args.option("-seed", "1");
                args.option("-rtc", format!("base={ICOUNT_EPOCH},clock=vm"));
            }
        }
    }
}

/// A vhost-user back end reads the guest's memory, which must therefore be a
/// file that two processes can map.
fn shares_memory(machine: &Machine) -> bool {
    machine.vsock.is_some_and(|vsock| vsock.transport() == VsockTransport::VhostUser)
}

fn memory(args: &mut Arguments, machine: &Machine) {
    let mib = machine.memory.mib();
    match &machine.nvdimm {
        None => args.option("-m", format!("{mib}M")),
        Some(nvdimm) => {
            // The address space must hold RAM and the NVDIMM, whose place
            // QEMU aligns to 1 GiB.
            let image_mib = nvdimm.size().div_ceil(1024 * 1024);
            args.option("-m", format!("{mib}M,slots=2,maxmem={}M", mib + image_mib + 1024))
        }
    };
    if shares_memory(machine) {
        args.option("-object", format!("memory-backend-memfd,id=ram,size={mib}M,share=on"));
    }
}

fn kernel(args: &mut Arguments, machine: &Machine) {
    args.path("-kernel", machine.kernel.path());
    if let Some(initrd) = &machine.initrd {
        args.path("-initrd", initrd.path());
    }
    args.option("-append", machine.kernel.command_line());
}

fn vsock(args: &mut Arguments, machine: &Machine, sockets: Sockets<'_>) {
    let Some(vsock) = machine.vsock else { return };
    match vsock.transport() {
        VsockTransport::VhostKernel => {
            let cid = vsock.guest_cid();
            args.option("-device", format!("vhost-vsock-pci,guest-cid={cid},disable-legacy=on"));
        }
        VsockTransport::VhostUser => {
            // The daemon, not QEMU, tells the guest its context id.
            args.joined("-chardev", &["socket,id=vsock,path="], sockets.vhost_user);
            args.option("-device", "vhost-user-vsock-pci,chardev=vsock");
        }
    }
}

#[derive(Default)]
struct Arguments {
    done: Vec<OsString>,
}

impl Arguments {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.done.push(name.into());
        self
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.flag(name).done.push(value.into());
        self
    }

    /// An option whose whole value is a path: QEMU reads it as it is.
    fn path(&mut self, name: &str, path: &Path) -> &mut Self {
        self.option(name, path)
    }

    /// An option of `key=value` pairs that ends in a path. A comma ends a
    /// value there, unless doubled.
    fn joined(&mut self, name: &str, before: &[&str], path: &Path) -> &mut Self {
        let mut value: OsString = before.concat().into();
        value.push(doubled_commas(path));
        self.option(name, value)
    }
}

fn doubled_commas(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::device::machine::tests::machine_in;
    use crate::device::{InitrdConfig, MachineConfig, NvdimmConfig, VirtioBlkConfig};

    /// Compares the command line, one option a line, with the folder of the
    /// files written as DIR.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]
    fn check(change: impl FnOnce(&mut MachineConfig, &Path), expected: Expect) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = machine_in(dir.path());
        change(&mut config, dir.path());
        let machine = config.validate().unwrap();
        let sockets = Sockets { qmp: Path::new("/run/qmp"), vhost_user: Path::new("/run/vhost") };
        let text = arguments(&machine, sockets)
            .iter()
            .map(|arg| arg.to_str().unwrap().replace(dir.path().to_str().unwrap(), "DIR"))
            .fold(String::new(), |text, arg| {
                let separator = if arg.starts_with('-') { "\n" } else { " " };
                text + separator + &arg
            });
        expected.assert_eq(text.trim_start());
    }

    fn image(dir: &Path, name: &str, size: u64) -> std::path::PathBuf {
        let path = dir.join(name);
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        path
    }

    #[test]
    fn an_initrd_under_tcg_with_the_vsock_daemon() {
        check(
            |config, dir| config.initrd = Some(InitrdConfig { path: image(dir, "initrd", 9) }),
            expect![[r#"
                -no-user-config
                -nodefaults
                -no-reboot
                -display none
                -machine q35,usb=off,vmport=off,memory-backend=ram
                -accel tcg
                -cpu max
                -smp 1
                -m 512M
                -object memory-backend-memfd,id=ram,size=512M,share=on
                -kernel DIR/vmlinuz
                -initrd DIR/initrd
                -append console=ttyS0 panic=-1
                -chardev stdio,id=console,signal=off
                -serial chardev:console
                -chardev socket,id=qmp,server=on,wait=off,path=/run/qmp
                -mon chardev=qmp,mode=control
                -chardev socket,id=vsock,path=/run/vhost
                -device vhost-user-vsock-pci,chardev=vsock"#]],
        );
    }

    #[test]
    fn an_nvdimm_image_with_instruction_counting() {
        check(
            |config, dir| {
                config.accelerator = Accelerator::Tcg { icount: true };
                config.nvdimm = Some(NvdimmConfig { path: image(dir, "guest.img", 64 << 20) });
            },
            expect![[r#"
                -no-user-config
                -nodefaults
                -no-reboot
                -display none
                -machine q35,usb=off,vmport=off,nvdimm=on,memory-backend=ram
                -accel tcg
                -cpu max
                -icount shift=0,sleep=off
                -seed 1
                -rtc base=2026-01-01T00:00:00,clock=vm
                -smp 1
                -m 512M,slots=2,maxmem=1600M
                -object memory-backend-memfd,id=ram,size=512M,share=on
                -kernel DIR/vmlinuz
                -append console=ttyS0 panic=-1
                -chardev stdio,id=console,signal=off
                -serial chardev:console
                -chardev socket,id=qmp,server=on,wait=off,path=/run/qmp
                -mon chardev=qmp,mode=control
                -object memory-backend-file,id=nv0,share=off,readonly=on,size=67108864,mem-path=DIR/guest.img
                -device nvdimm,id=nvdimm0,memdev=nv0,unarmed=on
                -chardev socket,id=vsock,path=/run/vhost
                -device vhost-user-vsock-pci,chardev=vsock"#]],
        );
    }

    #[test]
    fn a_disk_under_kvm_with_the_kernels_vsock() {
        check(
            |config, dir| {
                config.accelerator = Accelerator::Kvm;
                config.cpus.count = 4;
                config.memory.mib = 2048;
                let path = image(dir, "a,b.img", 1 << 20);
                let serial = Some("extension-tools".into());
                config.disks = vec![VirtioBlkConfig { path, read_only: true, serial }];
                if let Some(vsock) = config.vsock.as_mut() {
                    vsock.guest_cid = 42;
                    vsock.transport = VsockTransport::VhostKernel;
                }
            },
            expect![[r#"
                -no-user-config
                -nodefaults
                -no-reboot
                -display none
                -machine q35,usb=off,vmport=off
                -accel kvm
                -cpu host
                -smp 4
                -m 2048M
                -kernel DIR/vmlinuz
                -append console=ttyS0 panic=-1
                -chardev stdio,id=console,signal=off
                -serial chardev:console
                -chardev socket,id=qmp,server=on,wait=off,path=/run/qmp
                -mon chardev=qmp,mode=control
                -drive if=none,id=disk0,format=raw,read-only=on,file=DIR/a,,b.img
                -device virtio-blk-pci,drive=disk0,disable-legacy=on,serial=extension-tools
                -device vhost-vsock-pci,guest-cid=42,disable-legacy=on"#]],
        );
    }
}
