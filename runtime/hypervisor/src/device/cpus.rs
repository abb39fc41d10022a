//! The guest's processors.

/// The most processors given to one guest.
pub const MOST: u32 = 240;

/// Processors as a caller asks for them.
#[derive(Debug, Clone, Copy)]
pub struct CpusConfig {
    /// How many the guest starts with.
    pub count: u32,
}

/// An acceptable number of processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus {
    count: u32,
}

/// Why a number of processors is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpusError {
    /// Outside the supported range.
    #[error("{0} processors is outside the supported range of 1 to 240")]
    OutOfRange(u32),
}

impl CpusConfig {
    /// Checks the number.
    ///
    /// # Errors
    /// See [`CpusError`].
    pub fn validate(self) -> Result<Cpus, CpusError> {
        if (1..=MOST).contains(&self.count) {
            Ok(Cpus { count: self.count })
        } else {
            Err(CpusError::OutOfRange(self.count))
        }
    }
}

impl Cpus {
    /// How many the guest starts with.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_one_and_at_most_240() {
        let ok = |count| CpusConfig { count }.validate().is_ok();
        assert!(ok(1) && ok(MOST));
        assert!(!ok(0) && !ok(MOST + 1));
    }
}
