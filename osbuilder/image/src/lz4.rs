//! The legacy lz4 frame, the only one that Linux unpacks at boot.
//!
//! A magic number, then blocks of 8 MiB, each compressed on its own behind its
//! length. It must not know what it compresses.

use std::io::{self, Write};

const MAGIC: u32 = 0x184C_2102;
/// Bytes of every block but the last, before compression.
const BLOCK: usize = 8 << 20;

/// Compresses what is written to it. Nothing is whole before `finish`.
pub(crate) struct Lz4Writer<W: Write> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Lz4Writer<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC.to_le_bytes())?;
        Ok(Self { out, block: Vec::with_capacity(BLOCK) })
    }

    /// Writes the last block.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_block()
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let packed = lz4_flex::block::compress(&self.block);
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&packed)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for Lz4Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.end_block()?;
        }
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// A block that is not full can't be written before the end.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
