//! Where images go: large sequential writes that leave holes for zeros.
//!
//! A block of zeros is skipped with a seek, so that a sparse file stays small
//! on disk and reads as zeros. It must not know what the bytes mean.

use std::io::{self, Seek, SeekFrom, Write};

/// An output that can be written and seeked; what is not written must read as
/// zeros, which holds for a new file and for a growing buffer in memory.
pub trait Output: Write + Seek {}

impl<T: Write + Seek> Output for T {}

/// Granularity of holes, in bytes.
pub(crate) const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Bytes gathered before they are written. Larger runs go out directly.
const BUFFER: usize = 1 << 20;

/// Writes pieces at rising positions.
pub(crate) struct SparseWriter<'o> {
    out: &'o mut dyn Output,
    /// Where the output stands.
    position: Option<u64>,
    /// Bytes for `buffered_at` onwards.
    buffer: Vec<u8>,
    buffered_at: u64,
}

impl<'o> SparseWriter<'o> {
    pub(crate) fn new(out: &'o mut dyn Output) -> Self {
        Self { out, position: None, buffer: Vec::with_capacity(BUFFER), buffered_at: 0 }
    }

    /// Writes `bytes` at `at`, which is block-aligned relative to the other
    /// pieces. Blocks of zeros become holes.
    pub(crate) fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut run = 0;
        let mut done = 0;
        // Finds runs of blocks that aren't zero.
        for block in bytes.chunks(BLOCK) {
            if block == &ZEROS[..block.len()] {
                self.emit(at + run as u64, &bytes[run..done])?;
                run = done + block.len();
            }
            done += block.len();
        }
        self.emit(at + run as u64, &bytes[run..])
    }

    /// Flushes, and sets the length of the output to `length` bytes from its
    /// start by writing its last byte if nothing reached it.
    pub(crate) fn finish(mut self, length: u64) -> io::Result<()> {
        self.flush()?;
        let end = self.out.seek(SeekFrom::End(0))?;
        if end < length {
            self.out.seek(SeekFrom::Start(length - 1))?;
            self.out.write_all(&[0])?;
        }
        self.out.flush()
    }

    fn emit(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let follows = at == self.buffered_at + self.buffer.len() as u64;
        if !follows || self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
            self.buffered_at = at;
        }
        if bytes.len() >= BUFFER {
            self.put(at, bytes)?;
            self.buffered_at = at + bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.put(self.buffered_at, &buffer)?;
        self.buffered_at += buffer.len() as u64;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.position != Some(at) {
            self.out.seek(SeekFrom::Start(at))?;
        }
        self.out.write_all(bytes)?;
        self.position = Some(at + bytes.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn pieces_holes_and_length() {
        let mut out = Cursor::new(Vec::new());
        let mut writer = SparseWriter::new(&mut out);
        let mut piece = vec![0; 3 * BLOCK];
        piece[BLOCK] = 1;
        writer.write_at(0, &piece).unwrap();
        writer.write_at(4 * BLOCK as u64, &vec![2; 2 << 20]).unwrap();
        writer.write_at((4 * BLOCK + (2 << 20)) as u64, b"end").unwrap();
        let length = 4 * BLOCK + (2 << 20) + 2 * BLOCK;
        writer.finish(length as u64).unwrap();
        let bytes = out.into_inner();
        assert_eq!(bytes.len(), length);
        assert_eq!(bytes[BLOCK], 1);
        assert!(bytes[BLOCK + 1..4 * BLOCK].iter().all(|byte| *byte == 0));
        assert!(bytes[4 * BLOCK..4 * BLOCK + (2 << 20)].iter().all(|byte| *byte == 2));
        assert_eq!(&bytes[4 * BLOCK + (2 << 20)..][..4], b"end\0");
    }
}
