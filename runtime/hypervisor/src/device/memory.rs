//! The guest's RAM.

/// The least memory a Linux guest starts in, in MiB.
pub const LEAST_MIB: u64 = 64;
/// The most memory given to one guest, in MiB (4 TiB).
pub const MOST_MIB: u64 = 4 * 1024 * 1024;

/// RAM as a caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct MemoryConfig {
    /// Size in MiB.
    pub mib: u64,
}

/// RAM of an acceptable size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    mib: u64,
}

/// Why a memory size is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Outside the supported range.
    #[error("{0} MiB of memory is outside the supported range of 64 MiB to 4 TiB")]
    OutOfRange(u64),
}

impl MemoryConfig {
    /// Checks the size.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn validate(self) -> Result<Memory, MemoryError> {
        if (LEAST_MIB..=MOST_MIB).contains(&self.mib) {
            Ok(Memory { mib: self.mib })
        } else {
            Err(MemoryError::OutOfRange(self.mib))
        }
    }
}

impl Memory {
    /// Size in MiB.
    #[must_use]
    pub fn mib(self) -> u64 {
        self.mib
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_closed() {
        let ok = |mib| MemoryConfig { mib }.validate().is_ok();
        assert!(ok(LEAST_MIB) && ok(512) && ok(MOST_MIB));
        assert!(!ok(LEAST_MIB - 1) && !ok(MOST_MIB + 1) && !ok(0) && !ok(u64::MAX));
    }
}
