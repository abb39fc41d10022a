//! Instruction sets whose calls this machine's kernel takes, and their call numbers.

use oci_spec::runtime::Arch as SpecArch;

/// One way into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arch {
    X86_64,
    /// Calls of x86_64 with short pointers; marked by a bit of the number.
    X32,
    X86,
    Aarch64,
    Arm,
}

/// The bit that marks calls of x32.
pub(super) const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// This machine's own.
    const NATIVE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    fn of(spec: SpecArch) -> Option<Self> {
        match spec {
            SpecArch::ScmpArchNative => Some(Self::NATIVE),
            SpecArch::ScmpArchX86_64 => Some(Self::X86_64),
            SpecArch::ScmpArchX32 => Some(Self::X32),
            SpecArch::ScmpArchX86 => Some(Self::X86),
            SpecArch::ScmpArchAarch64 => Some(Self::Aarch64),
            SpecArch::ScmpArchArm => Some(Self::Arm),
            _ => None,
        }
    }

    /// Whether this machine's kernel can take such calls at all.
    fn is_possible(self) -> bool {
        match Self::NATIVE {
            Self::Aarch64 => matches!(self, Self::Aarch64 | Self::Arm),
            _ => matches!(self, Self::X86_64 | Self::X32 | Self::X86),
        }
    }

    /// The native one and those of a spec's list that can occur here, each once. Calls
    /// of any other end the caller.
    pub(super) fn all(listed: &[SpecArch]) -> Vec<Self> {
        let listed = listed.iter().filter_map(|&one| Self::of(one)).filter(|one| one.is_possible());
        let mut all: Vec<Self> = listed.chain([Self::NATIVE]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The kernel's word for it (linux/audit.h).
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// The number of a call, if it has one here.
    pub(super) fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Self::X86_64 => name.parse::<syscalls::x86_64::Sysno>().ok()?.id(),
            Self::X86 => name.parse::<syscalls::x86::Sysno>().ok()?.id(),
            Self::Aarch64 => name.parse::<syscalls::aarch64::Sysno>().ok()?.id(),
            Self::Arm => name.parse::<syscalls::arm::Sysno>().ok()?.id(),
            Self::X32 => return x32(name),
        };
        u32::try_from(number).ok()
    }

    /// Where the older multiplexer of socket or System V calls is the way that programs
    /// take: its name, and the first argument that means `name`.
    pub(super) fn multiplexed(self, name: &str) -> Option<(u32, u64)> {
        if self != Self::X86 {
            return None;
        }
        let place = |all: &[&str]| all.iter().position(|one| *one == name);
        if let Some(at) = place(&SOCKET_CALLS) {
            return Some((102, u64::try_from(at).ok()? + 1));
        }
        IPC_CALLS.iter().find(|(one, _)| *one == name).map(|(_, number)| (117, *number))
    }
}

/// Calls of socketcall(2), the first is its number 1.
const SOCKET_CALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// Calls of ipc(2).
const IPC_CALLS: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// Calls that x32 has under numbers of its own, from 512 on.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

fn x32(name: &str) -> Option<u32> {
    let own = X32_OWN.iter().position(|one| *one == name).and_then(|at| u32::try_from(at).ok());
    let number = match own {
        Some(at) => 512 + at,
        None => u32::try_from(name.parse::<syscalls::x86_64::Sysno>().ok()?.id()).ok()?,
    };
    Some(number | X32_BIT)
}
