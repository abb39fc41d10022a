//! When something began, and when it ended: wall clock for those who read spans,
//! and a duration that holds even if the host sets the guest's clock meanwhile.

use std::time::{Instant, SystemTime};

/// When something began.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    wall: SystemTime,
    steady: Instant,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// The wall clock then.
    pub(super) fn wall(self) -> SystemTime {
        self.wall
    }

    /// The wall clock now, had nobody set it since then.
    pub(super) fn since(self) -> SystemTime {
        self.wall.checked_add(self.steady.elapsed()).unwrap_or(self.wall)
    }
}
