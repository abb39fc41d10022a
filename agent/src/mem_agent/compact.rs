//! Makes free memory whole again when it has been split up since the last time, so
//! that a host can take large pieces back.

use std::time::{Duration, Instant};

use super::{Compact, Places, pressure};
use crate::os::Os;

pub(super) struct Compactor {
    places: Places,
    /// Split pages after the last compaction; at first those of the first look.
    before: Option<u64>,
    /// Looks since the last compaction.
    looks: u64,
    /// The longest that a compaction took.
    longest: Duration,
}

impl Compactor {
    pub(super) fn new(places: Places) -> Self {
        Self { places, before: None, looks: 0, longest: Duration::ZERO }
    }

    /// One look, and a compaction if it is worth while.
    pub(super) fn run(&mut self, os: &dyn Os, settings: &Compact) {
        let limit = Duration::from_secs(u64::try_from(settings.sec_max).unwrap_or(0));
        if self.longest > limit {
            return;
        }
        let now = pressure::read(os, &self.places.proc.join("pressure/memory"));
        let busy = now.is_none_or(|now| {
            now.sixty > f32::from(settings.period_psi_limit)
                || now.ten > f32::from(settings.psi_limit)
        });
        if busy {
            return;
        }
        let split = self.split(os, settings.order);
        let before = *self.before.get_or_insert(split);
        let forced = self.looks >= settings.force_times;
        if split.saturating_sub(before) <= settings.threshold && !forced {
            self.looks = self.looks.saturating_add(1);
            return;
        }
        let start = Instant::now();
        if let Err(error) = os.write(&self.places.proc.join("sys/vm/compact_memory"), b"1") {
            log::debug!("can't compact memory: {error}");
        }
        self.longest = self.longest.max(start.elapsed());
        if self.longest > limit {
            log::warn!("compacting memory took {} s and is left off", self.longest.as_secs());
        }
        self.looks = 0;
        self.before = Some(self.split(os, settings.order));
    }

    /// Free pages in pieces smaller than `order`.
    fn split(&self, os: &dyn Os, order: u8) -> u64 {
        let text = os.read(&self.places.proc.join("buddyinfo")).unwrap_or_default();
        // "Node 0, zone   Normal   216   55 ...": how many pieces of each order.
        let pieces = text
            .lines()
            .flat_map(|line| line.split_whitespace().skip(4).take(order.into()).enumerate());
        pieces
            .filter_map(|(order, number)| {
                number.parse::<u64>().ok()?.checked_shl(order.try_into().ok()?)
            })
            .fold(0, u64::saturating_add)
    }
}
