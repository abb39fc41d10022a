//! What kind of program a given agent is, by its ELF header: an agent that the
//! guest's kernel could not start should fail the build, not the boot.
//!
//! Reads the file header and the program headers only, within bounds. It must
//! not know where the bytes came from or what is done with them.

use std::fmt;

/// Program header of the dynamic loader's path.
const PT_INTERP: u32 = 3;
/// Kinds of file: a program, and one that may be loaded anywhere (a static PIE,
/// or a shared library).
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

/// An architecture as ELF spells it: our name, the machine's number, whether
/// the largest byte comes first. All are of 64 bits.
const MACHINES: [(&str, u16, bool); 5] = [
    ("x86_64", 62, false),
    ("aarch64", 183, false),
    ("ppc64le", 21, false),
    ("s390x", 22, true),
    ("riscv64", 243, false),
];

/// Why a file can't be the agent of a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentFileError {
    /// Not a program of Linux.
    #[error("it is {0}, not an ELF program")]
    NotElf(Guess),
    /// The header leads outside of the file.
    #[error("it is an ELF file that is damaged or cut off")]
    Damaged,
    /// For other machines than the guest.
    #[error("it is a program for {found}, but the guest is {wanted}")]
    OtherMachine {
        /// What it is for.
        found: String,
        /// Our name of the guest's architecture.
        wanted: String,
    },
    /// An object file, a core dump or the like.
    #[error("it is an ELF {0}, not a program")]
    NotAProgram(&'static str),
    /// Not static.
    #[error(
        "it needs the dynamic loader `{0}`, which the guest need not have; link it statically (-C target-feature=+crt-static)"
    )]
    Dynamic(String),
}

/// What a file that is no ELF seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// Nothing is in it.
    Empty,
    /// It begins with `#!`.
    Script,
    /// It begins with the magic number of an archive or compressor.
    Packed,
    /// Anything else.
    Other,
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Script => "a script",
            Self::Packed => "a packed file",
            Self::Other => "something else",
        })
    }
}

/// Checks that `bytes` are a program that a guest of `architecture` (our name)
/// can run without any library.
///
/// # Errors
/// What it is instead.
pub fn check_agent_file(bytes: &[u8], architecture: &str) -> Result<(), AgentFileError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(AgentFileError::NotElf(guess(bytes)));
    }
    let (wide, big) = match bytes.get(4..6) {
        Some(&[class @ (1 | 2), data @ (1 | 2)]) => (class == 2, data == 2),
        _ => return Err(AgentFileError::Damaged),
    };
    let elf = Elf { bytes, big };
    let machine = elf.u16(18)?;
    let known = MACHINES.iter().find(|(name, ..)| *name == architecture);
    if known.is_none_or(|(_, number, order)| (machine, big, wide) != (*number, *order, true)) {
        let found = elf.machine_name(machine, wide);
        return Err(AgentFileError::OtherMachine { found, wanted: architecture.to_owned() });
    }
    match elf.u16(16)? {
        ET_EXEC | ET_DYN => {}
        1 => return Err(AgentFileError::NotAProgram("object file")),
        4 => return Err(AgentFileError::NotAProgram("core dump")),
        _ => return Err(AgentFileError::NotAProgram("file of an unknown kind")),
    }
    if let Some(loader) = elf.interpreter()? {
        return Err(AgentFileError::Dynamic(loader));
    }
    // Without an entry point it is a library.
    if elf.u64(24)? == 0 {
        return Err(AgentFileError::NotAProgram("shared library"));
    }
    Ok(())
}

fn guess(bytes: &[u8]) -> Guess {
    let packed: [&[u8]; 5] = [b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK", b"!<arch>"];
    match bytes {
        [] => Guess::Empty,
        _ if bytes.starts_with(b"#!") => Guess::Script,
        _ if packed.iter().any(|magic| bytes.starts_with(magic)) => Guess::Packed,
        _ => Guess::Other,
    }
}

/// A file whose numbers are read in its own byte order.
struct Elf<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Elf<'_> {
    fn number<const N: usize>(&self, at: usize) -> Result<[u8; 8], AgentFileError> {
        let end = at.checked_add(N).ok_or(AgentFileError::Damaged)?;
        let field = self.bytes.get(at..end).ok_or(AgentFileError::Damaged)?;
        let mut wide = [0; 8];
        if self.big {
            wide[8 - N..].copy_from_slice(field);
            wide.reverse();
        } else {
            wide[..N].copy_from_slice(field);
        }
        Ok(wide)
    }

    fn u16(&self, at: usize) -> Result<u16, AgentFileError> {
        let [a, b, ..] = self.number::<2>(at)?;
        Ok(u16::from_le_bytes([a, b]))
    }

    fn u32(&self, at: usize) -> Result<u32, AgentFileError> {
        let [a, b, c, d, ..] = self.number::<4>(at)?;
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    fn u64(&self, at: usize) -> Result<u64, AgentFileError> {
        Ok(u64::from_le_bytes(self.number::<8>(at)?))
    }

    fn place(&self, at: usize) -> Result<usize, AgentFileError> {
        usize::try_from(self.u64(at)?).map_err(|_| AgentFileError::Damaged)
    }

    /// The path of the dynamic loader, where the program names one.
    fn interpreter(&self) -> Result<Option<String>, AgentFileError> {
        let (start, size, count) = (self.place(32)?, self.u16(54)?, self.u16(56)?);
        if count > 0 && size < 56 {
            return Err(AgentFileError::Damaged);
        }
        for index in 0..usize::from(count) {
            let at = start.checked_add(index * usize::from(size)).ok_or(AgentFileError::Damaged)?;
            if self.u32(at)? == PT_INTERP {
                let (from, length) = (self.place(at + 8)?, self.place(at + 32)?);
                let end = from.checked_add(length.min(4096)).ok_or(AgentFileError::Damaged)?;
                let path = self.bytes.get(from..end).ok_or(AgentFileError::Damaged)?;
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                return Ok(Some(String::from_utf8_lossy(path).into_owned()));
            }
        }
        Ok(None)
    }

    fn machine_name(&self, machine: u16, wide: bool) -> String {
        let known = MACHINES
            .iter()
            .find(|(_, number, big)| (*number, *big) == (machine, self.big) && wide)
            .map(|(name, ..)| (*name).to_owned());
        let bits = if wide { 64 } else { 32 };
        let order = if self.big { "big" } else { "little" };
        known.unwrap_or_else(|| {
            format!("another machine (ELF number {machine}, {bits} bits, {order} endian)")
        })
    }
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
