//! The few BPF instructions that device programs are made of, and how the kernel reads
//! them: eight bytes each, see "BPF instruction set" in the kernel's documentation.

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Register(pub u8);

/// One instruction. Numbers are of 32 bits; a jump goes over so many instructions that
/// follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Loads what is at an address and so many bytes further.
    Load { to: Register, address: Register, further: i16 },
    /// Sets a register.
    Set { to: Register, value: u32 },
    /// Keeps the bits of a mask.
    And { register: Register, mask: u32 },
    /// Jumps.
    Jump { over: i16 },
    /// Jumps if a register differs from a value.
    IfNot { register: Register, value: u32, over: i16 },
    /// Jumps if a register has a value.
    If { register: Register, value: u32, over: i16 },
    /// Ends with what is in register 0.
    Exit,
}

// Classes of instructions, and what they do within their class.
const LOAD_FROM_MEMORY: u8 = 0x61;
const ARITHMETIC_32: u8 = 0x04;
const JUMP_32: u8 = 0x06;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;
const AND: u8 = 0x50;
const MOVE: u8 = 0xb0;
const IF_NOT_EQUAL: u8 = 0x50;
const IF_EQUAL: u8 = 0x10;

impl Instruction {
    /// Appends the bytes.
    pub(super) fn encode(self, bytes: &mut Vec<u8>) {
        let none = Register(0);
        let (code, to, from, offset, value) = match self {
            Self::Load { to, address, further } => (LOAD_FROM_MEMORY, to, address, further, 0),
            Self::Set { to, value } => (ARITHMETIC_32 | MOVE, to, none, 0, value),
            Self::And { register, mask } => (ARITHMETIC_32 | AND, register, none, 0, mask),
            Self::Jump { over } => (JUMP, none, none, over, 0),
            Self::IfNot { register, value, over } => {
                (JUMP_32 | IF_NOT_EQUAL, register, none, over, value)
            }
            Self::If { register, value, over } => (JUMP_32 | IF_EQUAL, register, none, over, value),
            Self::Exit => (EXIT, none, none, 0, 0),
        };
        let registers =
            if cfg!(target_endian = "little") { to.0 | from.0 << 4 } else { to.0 << 4 | from.0 };
        bytes.extend([code, registers]);
        bytes.extend(offset.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
    }
}
