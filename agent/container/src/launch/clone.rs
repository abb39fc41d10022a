//! Makes the new process: clone3 with the namespaces that must begin with it, then
//! this same program again, which has one thread and may do as it likes.
//!
//! Between the two the child shares a copy of a process with several threads, so it
//! calls nothing but the kernel: no allocation, no lock of the C library.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sched::{CloneFlags, setns};

use crate::protocol::{RAW_FAILURE, SOCKET, TARGET};

/// Where descriptors wait so that none is overwritten by another's final number.
const ASIDE: RawFd = 10;

/// What the new process begins with.
pub(super) struct Beginning<'a> {
    /// Flags of clone3: namespaces that begin with the process.
    pub namespaces: i32,
    /// Whether the child waits for its users to be mapped, and then becomes user 0.
    pub waits_for_maps: bool,
    /// The cgroup in which it begins.
    pub cgroup: BorrowedFd<'a>,
    /// Its end of the socket.
    pub socket: BorrowedFd<'a>,
    /// Standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The first process of the container that it joins.
    pub target: Option<BorrowedFd<'a>>,
    /// The argument by which this program knows what it is.
    pub argument: &'a str,
}

/// A new process.
#[derive(Debug)]
pub(super) struct Made {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// `struct clone_args`, up to its cgroup.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// All that the child needs, made before it is there.
struct Prepared {
    wanted: [(OwnedFd, RawFd); 4],
    target: Option<OwnedFd>,
    socket: RawFd,
    waits_for_maps: bool,
    program: CString,
    arguments: [CString; 2],
}

fn aside(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let raw = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(ASIDE))?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Makes the process. The caller owns the collection of children for as long.
pub(super) fn make(beginning: &Beginning<'_>) -> io::Result<Made> {
    let [input, output, error] = beginning.stdio;
    let socket = aside(beginning.socket)?;
    let text = |text: &str| CString::new(text).map_err(io::Error::other);
    let prepared = Prepared {
        socket: socket.as_raw_fd(),
        wanted: [(aside(input)?, 0), (aside(output)?, 1), (aside(error)?, 2), (socket, SOCKET)],
        target: beginning.target.map(aside).transpose()?,
        waits_for_maps: beginning.waits_for_maps,
        program: text("/proc/self/exe")?,
        arguments: [text("kata-agent")?, text(beginning.argument)?],
    };
    let [name, argument] = &prepared.arguments;
    let arguments = [name.as_ptr(), argument.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    let mut pidfd: RawFd = -1;
    let namespaces = u64::try_from(beginning.namespaces).map_err(io::Error::other)?;
    let into = u64::try_from(beginning.cgroup.as_raw_fd()).map_err(io::Error::other)?;
    let call = CloneArgs {
        flags: namespaces | CLONE_INTO_CGROUP | libc::CLONE_PIDFD.unsigned_abs() as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        cgroup: into,
        ..CloneArgs::default()
    };
    // All signals wait: a handler of this program must not run in the child.
    let blocked = block_all()?;
    // SAFETY: without a stack and shared memory this is fork(2); the child calls the
    // kernel only, until it executes another program or ends.
    let answer = unsafe {
        libc::syscall(libc::SYS_clone3, std::ptr::from_ref(&call), size_of::<CloneArgs>())
    };
    if answer == 0 {
        // SAFETY: this is the child; the pointers lead to what was made above.
        unsafe { child(&prepared, arguments.as_ptr(), environment.as_ptr()) }
    }
    let answer = Errno::result(answer);
    restore(&blocked);
    let pid = i32::try_from(answer?).map_err(io::Error::other)?;
    // SAFETY: the kernel has put the new descriptor here.
    Ok(Made { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

fn block_all() -> io::Result<libc::sigset_t> {
    // SAFETY: both sets are filled by the calls before they are read.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        let done = libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        if done != 0 {
            return Err(io::Error::from_raw_os_error(done));
        }
        Ok(before)
    }
}

fn restore(before: &libc::sigset_t) {
    // SAFETY: the set was filled by the kernel.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

/// The kernel's `struct sigaction`, which all zero means the default; longer here than on
/// any machine.
#[repr(C, align(8))]
#[derive(Default)]
struct KernelAction([u64; 4]);

/// Steps of the child, as its failure names them.
const STEPS: [&str; 6] = [
    "put its descriptors in place",
    "keep other descriptors out of the program",
    "wait for its users to be mapped",
    "become user 0 of its user namespace",
    "set its signals to their defaults",
    "execute this program again",
];

/// What a raw failure means.
pub(super) fn failed_step(step: u8) -> &'static str {
    STEPS.get(usize::from(step)).copied().unwrap_or("begin")
}

/// # Safety
///
/// Only for the child of a fork; `arguments` and `environment` are null-terminated
/// arrays of C strings.
unsafe fn child(
    prepared: &Prepared,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> ! {
    // SAFETY: as the caller promises.
    let Err((step, errno)) = unsafe { become_stage(prepared, arguments, environment) };
    let mut frame = [0_u8; 9];
    let (length, rest) = frame.split_at_mut(4);
    length.copy_from_slice(&RAW_FAILURE.to_le_bytes());
    if let [at, number @ ..] = rest {
        *at = step;
        number.copy_from_slice(&errno.to_le_bytes());
    }
    // SAFETY: the frame outlives the call; then the process ends.
    unsafe {
        libc::write(prepared.socket, frame.as_ptr().cast(), frame.len());
        libc::_exit(255)
    }
}

/// The error is the step and the errno.
unsafe fn become_stage(
    prepared: &Prepared,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> Result<std::convert::Infallible, (u8, i32)> {
    let check = |step: u8, answer: libc::c_long| {
        if answer < 0 { Err((step, Errno::last_raw())) } else { Ok(answer) }
    };
    // SAFETY: each call takes numbers, or pointers to what outlives it.
    unsafe {
        for (from, to) in &prepared.wanted {
            check(0, libc::dup2(from.as_raw_fd(), *to).into())?;
        }
        if let Some(target) = &prepared.target {
            check(0, libc::dup2(target.as_raw_fd(), TARGET).into())?;
        }
        let first = if prepared.target.is_some() { TARGET + 1 } else { SOCKET + 1 };
        // CLOSE_RANGE_CLOEXEC: some of them are still needed here.
        check(1, libc::syscall(libc::SYS_close_range, first, u32::MAX, 4))?;
        if prepared.waits_for_maps {
            let mut byte = 0_u8;
            let read = libc::read(SOCKET, (&raw mut byte).cast(), 1);
            if read != 1 {
                return Err((2, libc::EPIPE));
            }
            check(3, libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()))?;
            check(3, libc::syscall(libc::SYS_setresgid, 0, 0, 0))?;
            check(3, libc::syscall(libc::SYS_setresuid, 0, 0, 0))?;
        }
        // What is ignored would stay so. The kernel itself is asked, as the C library
        // keeps two signals for itself; SIGKILL and SIGSTOP refuse.
        let default = KernelAction::default();
        for signal in 1..=64 {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                std::ptr::from_ref(&default),
                std::ptr::null_mut::<KernelAction>(),
                size_of::<u64>(),
            );
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(
            4,
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()).into(),
        )?;
        check(5, libc::execve(prepared.program.as_ptr(), arguments, environment).into())?;
    }
    Err((5, libc::ENOEXEC))
}

/// A namespace to begin in: its kind, its name below /proc/PID/ns, and its file or a
/// process that is in it.
pub(super) type Within<'a> = (CloneFlags, &'static str, BorrowedFd<'a>);

/// The namespaces in which this thread's children begin, changed for a while.
pub(super) struct ChildrenIn {
    /// Those to return to, the last one first.
    own: Vec<(CloneFlags, std::fs::File)>,
}

impl ChildrenIn {
    /// Children of this thread begin there from now on.
    pub(super) fn new(there: &[Within<'_>]) -> io::Result<Self> {
        let mut inside = Self { own: Vec::new() };
        for (kind, name, target) in there {
            let own = std::fs::File::open(format!("/proc/thread-self/ns/{name}"))?;
            setns(target, *kind)?;
            inside.own.push((*kind, own));
        }
        Ok(inside)
    }
}

impl Drop for ChildrenIn {
    fn drop(&mut self) {
        while let Some((kind, own)) = self.own.pop() {
            if let Err(errno) = setns(&own, kind) {
                log::error!("can't return to the own namespace {kind:?}: {errno}");
            }
        }
    }
}
