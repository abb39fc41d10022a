//! The system call bpf(2), as far as device programs need it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
/// The type of a program, and the place where it is attached.
const OF_CGROUP_DEVICE: u32 = 15;
const AT_CGROUP_DEVICE: u32 = 6;
/// Cgroups above and below have programs of their own, which must allow it as well.
const ALLOW_MULTI: u32 = 1 << 1;
/// In exchange for another program.
const REPLACE: u32 = 1 << 2;

/// The kernel's argument for loading a program, up to its name.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The kernel's argument for attaching a program to a cgroup.
#[repr(C)]
#[derive(Default)]
struct Attach {
    cgroup: u32,
    program: u32,
    place: u32,
    flags: u32,
    replaced: u32,
}

/// # Safety
///
/// What the argument's addresses point to must be as long as the argument says.
unsafe fn bpf<T>(command: libc::c_int, argument: &T) -> io::Result<libc::c_int> {
    let argument: *const T = argument;
    // SAFETY: the argument is of the length that is said; the rest is the caller's word.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, argument, size_of::<T>()) };
    libc::c_int::try_from(Errno::result(answer)?).map_err(io::Error::other)
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    // A descriptor that is open is not negative.
    u32::try_from(descriptor.as_raw_fd()).unwrap_or(u32::MAX)
}

fn address<T>(of: &[T]) -> io::Result<u64> {
    u64::try_from(of.as_ptr().expose_provenance()).map_err(io::Error::other)
}

/// Has the kernel check and translate a program.
pub(super) fn load(program: &[u8]) -> io::Result<OwnedFd> {
    // The program calls nothing of the kernel, so any licence will do.
    let license = c"Apache-2.0";
    let argument = Load {
        kind: OF_CGROUP_DEVICE,
        count: u32::try_from(program.len() / INSTRUCTION).map_err(io::Error::other)?,
        instructions: address(program)?,
        license: address(license.to_bytes_with_nul())?,
        name: *b"container_devs\0\0",
        ..Load::default()
    };
    // SAFETY: no more instructions were counted than there are bytes for, the licence
    // ends with a NUL, and both outlive the call.
    let descriptor = unsafe { bpf(PROG_LOAD, &argument) }?;
    // SAFETY: the kernel has just made this descriptor for us; it closes at execution.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Lets a cgroup obey a program, in exchange for `old` if there is one.
pub(super) fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let argument = Attach {
        cgroup: number(cgroup),
        program: number(program),
        place: AT_CGROUP_DEVICE,
        flags: ALLOW_MULTI | if old.is_some() { REPLACE } else { 0 },
        replaced: old.map(number).unwrap_or_default(),
    };
    // SAFETY: the argument has no addresses.
    unsafe { bpf(PROG_ATTACH, &argument) }.map(drop)
}

/// Frees a cgroup of a program.
pub(super) fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let argument = Attach {
        cgroup: number(cgroup),
        program: number(program),
        place: AT_CGROUP_DEVICE,
        ..Attach::default()
    };
    // SAFETY: the argument has no addresses.
    unsafe { bpf(PROG_DETACH, &argument) }.map(drop)
}
