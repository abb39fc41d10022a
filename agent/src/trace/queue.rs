//! Spans on their way from those who make them to the thread that sends them: never
//! more than [`LENGTH`], and whoever puts one in never waits. It must not know how
//! they are sent.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::record::Record;

/// How many spans wait for a host that does not take them.
pub(super) const LENGTH: usize = 512;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Record>,
    dropped: u64,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a span in, or counts it as dropped. The first ones stay: they tell how the
    /// guest started.
    pub(super) fn push(&self, record: Record) {
        let mut state = self.state();
        if state.closed || state.waiting.len() >= LENGTH {
            state.dropped += 1;
        } else {
            state.waiting.push_back(record);
            self.changed.notify_all();
        }
    }

    /// The next span, waited for; none once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Record> {
        let state = self.state();
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.changed.wait_while(state, nothing);
        state.unwrap_or_else(PoisonError::into_inner).waiting.pop_front()
    }

    /// Waits for `time`, or until the queue is closed.
    pub(super) fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.state();
        while !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Whether [`Queue::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// How many spans still wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// How many were dropped since this was last asked.
    pub(super) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.state().dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::record::{Kind, Place};
    use super::*;

    fn record(span_id: u64) -> Record {
        Record {
            place: Place { trace_id: 1, span_id, parent: 0, state: Vec::new() },
            kind: Kind::Internal,
            name: "test",
            start: UNIX_EPOCH,
            end: UNIX_EPOCH,
            attributes: Vec::new(),
            outcome: Ok(()),
        }
    }

    #[test]
    fn the_first_ones_stay_and_the_others_are_counted() {
        let queue = Queue::default();
        let all = LENGTH as u64 + 5;
        (1..=all).for_each(|id| queue.push(record(id)));
        assert_eq!((queue.len(), queue.take_dropped()), (LENGTH, 5));
        assert_eq!(queue.take_dropped(), 0, "they are counted once");
        queue.close();
        queue.push(record(all + 1));
        assert_eq!(queue.take_dropped(), 1, "it came too late");
        let left = std::iter::from_fn(|| queue.next()).map(|record| record.place.span_id);
        assert!(left.eq(1..=LENGTH as u64));
    }

    #[test]
    fn whoever_rests_is_woken_by_the_end() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            scope.spawn(|| queue.rest(Duration::MAX / 4));
            scope.spawn(|| assert!(queue.next().is_none()));
            queue.close();
        });
    }
}
