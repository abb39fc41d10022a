//! The real operating system.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;

use super::{Capabilities, Os};

/// Calls the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linux;

/// The header of capset(2): the version with 64 bits, of this process.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One half of the sets of capset(2).
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

fn prctl(option: i32, second: libc::c_ulong, third: libc::c_ulong) -> io::Result<i32> {
    let none: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers only.
    let answer = unsafe { libc::prctl(option, second, third, none, none) };
    Ok(Errno::result(answer)?)
}

/// System calls that the C library would do for all threads, or not at all. There is
/// one thread.
fn call(number: libc::c_long, first: u32, second: u32, third: u32) -> io::Result<()> {
    // SAFETY: the calls used here take numbers only.
    Errno::result(unsafe { libc::syscall(number, first, second, third) })?;
    Ok(())
}

fn low(set: u64) -> u32 {
    u32::try_from(set & 0xffff_ffff).unwrap_or_default()
}

impl Os for Linux {
    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        // At once: each write is one order to the kernel.
        OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
    }

    fn host_name(&self, name: &str) -> io::Result<()> {
        Ok(nix::unistd::sethostname(name)?)
    }

    fn domain_name(&self, name: &str) -> io::Result<()> {
        // SAFETY: the length is the text's own.
        let done = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
        Errno::result(done)?;
        Ok(())
    }

    fn umask(&self, mask: u32) {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
    }

    fn personality(&self, domain: u32) -> io::Result<()> {
        // SAFETY: it takes a number only.
        Errno::result(unsafe { libc::personality(domain.into()) })?;
        Ok(())
    }

    fn session_keyring(&self, name: &str, rights: u32) -> io::Result<()> {
        let name = CString::new(name).map_err(io::Error::other)?;
        let (join, set_rights, describe): (libc::c_ulong, libc::c_ulong, libc::c_ulong) = (1, 5, 6);
        let mut text = [0_u8; 512];
        // SAFETY: the name ends with a NUL and outlives the call; the text is written no
        // further than its length.
        unsafe {
            let ring = Errno::result(libc::syscall(libc::SYS_keyctl, join, name.as_ptr()))?;
            let room = text.len();
            let place = text.as_mut_ptr();
            Errno::result(libc::syscall(libc::SYS_keyctl, describe, ring, place, room))?;
            // Type, user, group, rights and name.
            let described = String::from_utf8_lossy(&text);
            let present = described.split(';').nth(3);
            let present = present.and_then(|field| u32::from_str_radix(field, 16).ok());
            let present = present.ok_or(io::ErrorKind::InvalidData)?;
            let wanted = present | rights;
            Errno::result(libc::syscall(libc::SYS_keyctl, set_rights, ring, wanted))?;
        }
        Ok(())
    }

    fn shut(&self) -> io::Result<()> {
        prctl(libc::PR_SET_DUMPABLE, 0, 0).map(drop)
    }

    fn no_new_privileges(&self) -> io::Result<()> {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
    }

    fn seccomp(&self, program: &[libc::sock_filter], flags: u32) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(io::Error::other)?,
            filter: program.as_ptr().cast_mut(),
        };
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        // SAFETY: the program has the length that is said; the kernel only reads it.
        let done =
            unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, std::ptr::from_ref(&program)) };
        match Errno::result(done)? {
            0 => Ok(()),
            thread => Err(io::Error::other(format!("the thread {thread} can't be filtered"))),
        }
    }

    fn is_bounded(&self, capability: u8) -> io::Result<bool> {
        prctl(libc::PR_CAPBSET_READ, capability.into(), 0).map(|answer| answer == 1)
    }

    fn drop_bounding(&self, capability: u8) -> io::Result<()> {
        prctl(libc::PR_CAPBSET_DROP, capability.into(), 0).map(drop)
    }

    fn keep_capabilities(&self, keep: bool) -> io::Result<()> {
        prctl(libc::PR_SET_KEEPCAPS, keep.into(), 0).map(drop)
    }

    fn permitted(&self) -> io::Result<u64> {
        let mut header = Header { version: VERSION_3, pid: 0 };
        let mut halves = [Half::default(); 2];
        // SAFETY: the version says that there are two halves; both outlive the call.
        let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
        Errno::result(done)?;
        let [lower, upper] = halves;
        Ok(u64::from(lower.permitted) | u64::from(upper.permitted) << 32)
    }

    fn set_capabilities(&self, sets: Capabilities) -> io::Result<()> {
        let mut header = Header { version: VERSION_3, pid: 0 };
        let half = |shift: u32| Half {
            effective: low(sets.effective >> shift),
            permitted: low(sets.permitted >> shift),
            inheritable: low(sets.inheritable >> shift),
        };
        let halves = [half(0), half(32)];
        // SAFETY: the version says that there are two halves; both outlive the call.
        let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
        Errno::result(done)?;
        Ok(())
    }

    fn clear_ambient(&self) -> io::Result<()> {
        let all = libc::PR_CAP_AMBIENT_CLEAR_ALL;
        prctl(libc::PR_CAP_AMBIENT, libc::c_ulong::try_from(all).unwrap_or_default(), 0).map(drop)
    }

    fn raise_ambient(&self, capability: u8) -> io::Result<()> {
        let raise = libc::c_ulong::try_from(libc::PR_CAP_AMBIENT_RAISE).unwrap_or_default();
        prctl(libc::PR_CAP_AMBIENT, raise, capability.into()).map(drop)
    }

    fn groups(&self, groups: &[u32]) -> io::Result<()> {
        // SAFETY: the length is the slice's own.
        let done = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        Errno::result(done)?;
        Ok(())
    }

    fn group(&self, group: u32) -> io::Result<()> {
        call(libc::SYS_setresgid, group, group, group)
    }

    fn user(&self, user: u32) -> io::Result<()> {
        call(libc::SYS_setresuid, user, user, user)
    }

    fn change_directory(&self, to: &Path) -> io::Result<()> {
        Ok(nix::unistd::chdir(to)?)
    }
}
