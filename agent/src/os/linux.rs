//! The real operating system. Every function does one thing and decides nothing.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags};
use nix::sys::reboot::RebootMode;
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use nix::unistd::Pid;

use super::{Mount, Namespace, Os, VolumeGroup, device_mapper, namespace, volume};
use crate::extension::VerityTable;

/// Files that the agent reads whole are small; a bigger one is a mistake.
const LARGEST_FILE: u64 = 1 << 20;

/// Inode number that the kernel gives the first process namespace, always.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// The operating system itself.
#[derive(Debug, Clone, Copy)]
pub struct Linux;

mod ioctls {
    // The numbers are in linux/random.h.
    nix::ioctl_write_ptr!(add_entropy_bits, b'R', 0x01, nix::libc::c_int);
    nix::ioctl_none!(reseed, b'R', 0x07);
    // In the kernel's fs/ext4/ext4.h.
    nix::ioctl_write_ptr!(resize_ext4, b'f', 16, u64);
}

/// Splits options into the kernel's flags and what is left for the filesystem.
pub(super) fn split_options(options: &str) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut rest: Vec<&str> = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "ro" => flags |= MsFlags::MS_RDONLY,
            "relatime" => flags |= MsFlags::MS_RELATIME,
            "noatime" => flags |= MsFlags::MS_NOATIME,
            "strictatime" => flags |= MsFlags::MS_STRICTATIME,
            "sync" => flags |= MsFlags::MS_SYNCHRONOUS,
            "bind" => flags |= MsFlags::MS_BIND,
            "rbind" => flags |= MsFlags::MS_BIND | MsFlags::MS_REC,
            "remount" => flags |= MsFlags::MS_REMOUNT,
            "rw" | "suid" | "dev" | "exec" | "defaults" | "async" => {}
            other => rest.push(other),
        }
    }
    (flags, rest.join(","))
}

impl Os for Linux {
    fn mount(&self, mount: &Mount<'_>) -> io::Result<()> {
        let (flags, data) = split_options(mount.options);
        let fstype = (!mount.fstype.is_empty()).then_some(mount.fstype);
        let data = (!data.is_empty()).then_some(data.as_str());
        Ok(nix::mount::mount(Some(mount.source), mount.target, fstype, flags, data)?)
    }

    fn unmount(&self, target: &Path, lazily: bool) -> io::Result<()> {
        let how = if lazily { MntFlags::MNT_DETACH } else { MntFlags::empty() };
        Ok(nix::mount::umount2(target, how | MntFlags::UMOUNT_NOFOLLOW)?)
    }

    fn make_verity(&self, name: &str, table: &VerityTable) -> io::Result<PathBuf> {
        let (sectors, arguments) = (table.sectors, table.arguments.as_str());
        device_mapper::make(&device_mapper::Device { name, kind: "verity", sectors, arguments })
    }

    fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(mode).create(path)
    }

    fn make_file(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).custom_flags(libc::O_NOFOLLOW);
        options.open(path).map(drop)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::metadata(path)?.is_dir())
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        volume::remove(path)
    }

    fn remove_if_empty(&self, path: &Path) -> io::Result<()> {
        use io::ErrorKind::{DirectoryNotEmpty, NotFound};
        match fs::remove_dir(path) {
            Err(error) if [DirectoryNotEmpty, NotFound].contains(&error.kind()) => Ok(()),
            removed => removed,
        }
    }

    fn give_volume(&self, group: &VolumeGroup) -> io::Result<()> {
        volume::give(group)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    fn set_group(&self, path: &Path, group: u32) -> io::Result<()> {
        std::os::unix::fs::chown(path, None, Some(group))?;
        let mode = fs::metadata(path)?.mode();
        self.set_mode(path, mode & 0o7777 | 0o2070)
    }

    fn link(&self, target: &Path, link: &Path) -> io::Result<()> {
        match std::os::unix::fs::symlink(target, link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text)?;
        Ok(text)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        fs::write(path, content)
    }

    fn take_terminal(&self, terminal: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(terminal)?;
        for standard in 0..=2 {
            // SAFETY: both descriptors are open or get opened by this very call; no
            // Rust object owns the standard ones.
            if unsafe { libc::dup2(file.as_raw_fd(), standard) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // Fails when this is a session leader already, which is as good.
        let _ = nix::unistd::setsid();
        // SAFETY: the descriptor is open; the argument is a plain number.
        if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 1) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn set_hostname(&self, name: &str) -> io::Result<()> {
        Ok(nix::unistd::sethostname(name)?)
    }

    fn make_namespace(&self, kind: Namespace, place: &Path, hostname: &str) -> io::Result<()> {
        namespace::keep(kind, place, hostname)
    }

    fn bring_up_link(&self, name: &str) -> io::Result<()> {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        let fd = socket.as_raw_fd();
        // SAFETY: the descriptor is an open socket and the structure outlives the call.
        if unsafe { libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above filled in the flags member of the union.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        let up = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
        request.ifr_ifru.ifru_flags = flags | up;
        // SAFETY: as for the first call.
        if unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn set_env(&self, name: &str, value: &str) {
        // SAFETY: called while this process has one thread, before any runtime starts.
        unsafe { std::env::set_var(name, value) };
    }

    fn set_clock(&self, seconds: i64, microseconds: i64) -> io::Result<()> {
        let nanoseconds = microseconds
            .checked_mul(1000)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, nanoseconds))?)
    }

    fn reseed_random(&self, data: &[u8]) -> io::Result<()> {
        let bits = data
            .len()
            .checked_mul(8)
            .and_then(|bits| libc::c_int::try_from(bits).ok())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut device = OpenOptions::new().write(true).open("/dev/random")?;
        device.write_all(data)?;
        // SAFETY: the descriptor is open and the number outlives the call.
        unsafe { ioctls::add_entropy_bits(device.as_raw_fd(), &raw const bits) }?;
        // SAFETY: the descriptor is open; the call takes no argument.
        unsafe { ioctls::reseed(device.as_raw_fd()) }?;
        Ok(())
    }

    fn swap_on(&self, path: &Path) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the text ends with a zero and outlives the call.
        Ok(Errno::result(unsafe { libc::swapon(path.as_ptr(), 0) }).map(drop)?)
    }

    fn grow_ext4(&self, path: &Path, blocks: u64) -> io::Result<()> {
        let folder = File::open(path)?;
        // SAFETY: the descriptor is open and the number outlives the call.
        unsafe { ioctls::resize_ext4(folder.as_raw_fd(), &raw const blocks) }?;
        Ok(())
    }

    fn owns_machine(&self) -> bool {
        fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == FIRST_PID_NAMESPACE)
    }

    fn kill_all(&self) {
        // Fails when there is nobody else, which is as good.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    }

    fn sync(&self) {
        nix::unistd::sync();
    }

    fn power_off(&self) -> io::Result<()> {
        match nix::sys::reboot::reboot(RebootMode::RB_POWER_OFF) {
            Ok(never) => match never {},
            Err(errno) => Err(errno.into()),
        }
    }
}
