//! What to boot, and how that becomes a machine and a kernel command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_suite::bench::Plan;
use hypervisor::accelerator::{Accelerator, AcceleratorChoice};
use hypervisor::device::{
    CpusConfig, InitrdConfig, KernelConfig, MachineConfig, MemoryConfig, NvdimmConfig,
    SerialConsoleConfig, VirtioBlkConfig, VsockConfig, VsockTransport,
};
use hypervisor::tools::ToolPaths;

use crate::checks::{Expectations, Init};

/// The least context id a guest may have. With the daemon each guest has its
/// own vsock, so it may be the same for all.
const FIRST_GUEST_CID: u32 = 3;

/// How the guest reaches the file that holds its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootDriver {
    /// Mapped as an NVDIMM and mounted with DAX.
    NvdimmDax,
    /// Read as a virtio-blk disk.
    VirtioBlk,
}

/// Where the guest's root comes from.
#[derive(Debug, Clone)]
pub enum Rootfs {
    /// An initrd with the agent as /init.
    Initrd(PathBuf),
    /// A partitioned image.
    Image {
        /// The image file.
        path: PathBuf,
        /// How the guest reaches it.
        driver: RootDriver,
        /// Its file system, such as `ext4` or `erofs`.
        fstype: String,
    },
}

impl Rootfs {
    /// Whether the root is an initrd.
    #[must_use]
    pub fn is_initrd(&self) -> bool {
        matches!(self, Self::Initrd(_))
    }
}

/// An image that brings the guest more files, as a disk of its own.
#[derive(Debug, Clone)]
pub struct Extension {
    /// Its name, from which the disk's serial number follows.
    pub name: String,
    /// The image file.
    pub path: PathBuf,
    /// Digests and how to use them; none where it is not to be checked.
    pub verity_params: Option<String>,
}

/// What the agent's RPCs are tried with, once the guest has booted.
#[derive(Debug, Clone)]
pub struct Suite {
    /// A statically linked busybox, of the host.
    pub busybox: PathBuf,
    /// A partitioned image with Debian's files in ext4, for containers.
    pub debian: Option<PathBuf>,
    /// Only cases whose names contain this.
    pub only: Option<String>,
}

/// How the agent is measured, once the guest has booted.
#[derive(Debug, Clone)]
pub struct Bench {
    /// A statically linked busybox, of the host.
    pub busybox: PathBuf,
    /// How much is done.
    pub plan: Plan,
}

/// Everything a boot needs.
#[derive(Debug, Clone)]
pub struct BootRequest {
    /// bzImage or vmlinux.
    pub kernel: PathBuf,
    /// The guest's root.
    pub rootfs: Rootfs,
    /// What runs the guest's instructions.
    pub accelerator: AcceleratorChoice,
    /// Count instructions, so that guest time is the same in every run.
    pub icount: bool,
    /// RAM in MiB.
    pub memory_mib: u64,
    /// Processors.
    pub cpus: u32,
    /// What device-mapper makes the root of, where the image is checked by
    /// dm-verity: the value of `dm-mod.create`; see [`Self::measure`].
    pub verity: Option<String>,
    /// Extensions of the guest, in the order of their disks; see [`Self::extend`].
    pub extensions: Vec<Extension>,
    /// Calls every RPC of the agent before the guest powers off.
    pub suite: Option<Suite>,
    /// Measures the agent before the guest powers off.
    pub bench: Option<Bench>,
    /// Parameters put behind our own, so that they win.
    pub extra_kernel_params: Vec<String>,
    /// How long the whole boot and all checks may take.
    pub timeout: Duration,
    /// What the guest must turn out to be.
    pub expect: Expectations,
    /// Where the host's programs are.
    pub tools: ToolPaths,
    /// An existing folder that receives `console.log`.
    pub work_dir: PathBuf,
}

impl BootRequest {
    /// A request with the usual settings: accelerator chosen by itself, 512
    /// MiB, one processor, two minutes, and an initrd expected to run the
    /// agent as PID 1, an image to run systemd.
    #[must_use]
    pub fn new(kernel: impl Into<PathBuf>, rootfs: Rootfs, work_dir: impl Into<PathBuf>) -> Self {
        let (init, dax) = match &rootfs {
            Rootfs::Initrd(_) => (Init::Agent, false),
            Rootfs::Image { driver, .. } => (Init::Systemd, *driver == RootDriver::NvdimmDax),
        };
        let read_only = matches!(rootfs, Rootfs::Image { .. });
        let expect = Expectations { init, dax, read_only, ..Expectations::default() };
        Self {
            kernel: kernel.into(),
            rootfs,
            accelerator: AcceleratorChoice::Auto,
            icount: false,
            memory_mib: 512,
            cpus: 1,
            verity: None,
            extensions: Vec::new(),
            suite: None,
            bench: None,
            extra_kernel_params: Vec::new(),
            timeout: Duration::from_secs(120),
            expect,
            tools: ToolPaths::default(),
            work_dir: work_dir.into(),
        }
    }

    /// Has the kernel check every block of the image, as `dm_create` says. The
    /// root is then a device of device-mapper, and those know no DAX.
    pub fn measure(&mut self, dm_create: impl Into<String>) {
        self.verity = Some(dm_create.into());
        self.expect.dax = false;
    }

    /// Gives the guest an extension, which it then must have mounted.
    pub fn extend(&mut self, extension: Extension) {
        self.expect.extensions.push(extension.name.clone());
        self.extensions.push(extension);
    }

    /// The kernel's parameters, ours first.
    #[must_use]
    pub fn kernel_params(&self) -> Vec<String> {
        // A panic resets at once, and a reset ends the machine.
        let mut params = words("console=ttyS0 printk.time=1 panic=-1 net.ifnames=0");
        if let Rootfs::Image { driver, fstype, .. } = &self.rootfs {
            let (device, dax) = match driver {
                RootDriver::NvdimmDax => ("/dev/pmem0p1", true),
                RootDriver::VirtioBlk => ("/dev/vda1", false),
            };
            let (device, dax) = match &self.verity {
                None => (device, dax),
                Some(dm_create) => {
                    params.push(format!("dm-mod.create=\"{dm_create}\""));
                    ("/dev/dm-0", false)
                }
            };
            params.push(format!("root={device}"));
            let flags = root_flags(fstype, dax);
            if !flags.is_empty() {
                params.push(format!("rootflags={flags}"));
            }
            params.push("ro".to_owned());
            params.push(format!("rootfstype={fstype}"));
            if self.expect.init == Init::Systemd {
                params.extend(words(
                    "systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service \
                     systemd.mask=systemd-networkd.socket",
                ));
            }
        }
        for Extension { name, verity_params, .. } in &self.extensions {
            if let Some(verity) = verity_params {
                params.push(format!("kata.extension.{name}.verity_params={verity}"));
            }
        }
        params.extend(self.extra_kernel_params.iter().cloned());
        params
    }

    fn debian(&self) -> Option<&PathBuf> {
        self.suite.as_ref().and_then(|suite| suite.debian.as_ref())
    }

    /// The node in the guest that Debian's files for containers are on.
    pub(crate) fn debian_node(&self) -> Option<String> {
        let disks = self.machine(Accelerator::Tcg { icount: false }).disks.len();
        // Disks are named in the order of their slots, and this one is the last.
        let letter = u8::try_from(disks).ok()?.checked_add(b'a' - 1)?;
        self.debian().map(|_| format!("/dev/vd{}1", char::from(letter)))
    }

    /// The machine, with the accelerator as decided for this host.
    #[must_use]
    pub fn machine(&self, accelerator: Accelerator) -> MachineConfig {
        let (mut initrd, mut nvdimm, mut disks) = (None, None, Vec::new());
        match &self.rootfs {
            Rootfs::Initrd(path) => initrd = Some(InitrdConfig { path: path.clone() }),
            Rootfs::Image { path, driver: RootDriver::NvdimmDax, .. } => {
                nvdimm = Some(NvdimmConfig { path: path.clone() });
            }
            Rootfs::Image { path, driver: RootDriver::VirtioBlk, .. } => {
                disks.push(VirtioBlkConfig { path: path.clone(), read_only: true, serial: None });
            }
        }
        disks.extend(self.extensions.iter().map(|extension| VirtioBlkConfig {
            path: extension.path.clone(),
            read_only: true,
            serial: Some(format!("extension-{}", extension.name)),
        }));
        disks.extend(self.debian().map(|path| VirtioBlkConfig {
            path: path.clone(),
            read_only: true,
            serial: None,
        }));
        let transport = VsockTransport::of_this_host();
        MachineConfig {
            accelerator,
            kernel: KernelConfig { path: self.kernel.clone(), params: self.kernel_params() },
            initrd,
            memory: MemoryConfig { mib: self.memory_mib },
            cpus: CpusConfig { count: self.cpus },
            nvdimm,
            disks,
            vsock: Some(VsockConfig { guest_cid: guest_cid(transport), transport }),
            console: SerialConsoleConfig { log: console_log(&self.work_dir) },
        }
    }
}

/// With the kernel's transport a context id is unique on the host; our own
/// process id is a number no other boot check uses at the same time.
fn guest_cid(transport: VsockTransport) -> u32 {
    match transport {
        VsockTransport::VhostUser => FIRST_GUEST_CID,
        VsockTransport::VhostKernel => FIRST_GUEST_CID.saturating_add(std::process::id()),
    }
}

/// Where a boot with this working folder keeps the raw console.
#[must_use]
pub fn console_log(work_dir: &Path) -> PathBuf {
    work_dir.join("console.log")
}

/// The mount options of the root: ext4 takes the journal and error ones, erofs
/// knows only dax.
fn root_flags(fstype: &str, dax: bool) -> String {
    let mut flags = Vec::new();
    if dax {
        flags.push("dax");
    }
    if fstype == "ext4" {
        flags.extend(["data=ordered", "errors=remount-ro"]);
    }
    flags.join(",")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]
    fn check(rootfs: Rootfs, extra: &[&str], expected: Expect) {
        let mut request = BootRequest::new("vmlinuz", rootfs, "work");
        request.extra_kernel_params = extra.iter().map(ToString::to_string).collect();
        expected.assert_eq(&request.kernel_params().join("\n"));
    }

    fn image(driver: RootDriver, fstype: &str) -> Rootfs {
        Rootfs::Image { path: "guest.img".into(), driver, fstype: fstype.into() }
    }

    #[test]
    fn parameters_of_an_initrd_with_extra_ones_last() {
        check(
            Rootfs::Initrd("initrd".into()),
            &["agent.log=debug"],
            expect![[r#"
            console=ttyS0
            printk.time=1
            panic=-1
            net.ifnames=0
            agent.log=debug"#]],
        );
    }

    #[test]
    fn parameters_of_an_ext4_image_with_dax() {
        check(
            image(RootDriver::NvdimmDax, "ext4"),
            &[],
            expect![[r#"
            console=ttyS0
            printk.time=1
            panic=-1
            net.ifnames=0
            root=/dev/pmem0p1
            rootflags=dax,data=ordered,errors=remount-ro
            ro
            rootfstype=ext4
            systemd.unit=kata-containers.target
            systemd.mask=systemd-networkd.service
            systemd.mask=systemd-networkd.socket"#]],
        );
    }

    #[test]
    fn parameters_of_an_erofs_disk() {
        check(
            image(RootDriver::VirtioBlk, "erofs"),
            &[],
            expect![[r#"
            console=ttyS0
            printk.time=1
            panic=-1
            net.ifnames=0
            root=/dev/vda1
            ro
            rootfstype=erofs
            systemd.unit=kata-containers.target
            systemd.mask=systemd-networkd.service
            systemd.mask=systemd-networkd.socket"#]],
        );
    }

    #[test]
    fn the_image_is_attached_as_its_driver_says() {
        let machine = |driver| {
            BootRequest::new("vmlinuz", image(driver, "ext4"), "work")
                .machine(Accelerator::Tcg { icount: false })
        };
        let (nvdimm, disk) = (machine(RootDriver::NvdimmDax), machine(RootDriver::VirtioBlk));
        assert!(nvdimm.nvdimm.is_some() && nvdimm.disks.is_empty());
        assert!(disk.nvdimm.is_none() && disk.disks.len() == 1 && disk.disks[0].read_only);
    }

    #[test]
    fn extensions_are_disks_behind_the_root_with_their_names_as_serial_numbers() {
        let mut request = BootRequest::new("vmlinuz", image(RootDriver::VirtioBlk, "ext4"), "work");
        request.extra_kernel_params.push("last".into());
        for (name, verity) in [("tools", Some("root_hash=00")), ("plain", None)] {
            let verity_params = verity.map(str::to_owned);
            request.extend(Extension { name: name.into(), path: "e.img".into(), verity_params });
        }
        let params = request.kernel_params();
        let end = ["kata.extension.tools.verity_params=root_hash=00", "last"];
        assert_eq!(params[params.len() - 2..], end);
        assert_eq!(request.expect.extensions, ["tools", "plain"]);
        let disks = request.machine(Accelerator::Tcg { icount: false }).disks;
        let serials: Vec<_> = disks.iter().map(|disk| disk.serial.as_deref()).collect();
        assert_eq!(serials, [None, Some("extension-tools"), Some("extension-plain")]);
    }
}
