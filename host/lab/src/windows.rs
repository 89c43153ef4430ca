//! Calls counted in windows that begin with their first call.

use std::time::{Duration, Instant};

/// A count for each window of a quota.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    list: Vec<(Instant, u64)>,
}

impl Windows {
    /// Counts a call against windows of these lengths and amounts. False where one is full; nothing is counted then.
    pub(crate) fn take(&mut self, now: Instant, limits: &[(Duration, u64)]) -> bool {
        self.list.resize(limits.len(), (now, 0));
        for (window, (length, _)) in self.list.iter_mut().zip(limits) {
            if now.saturating_duration_since(window.0) >= *length {
                *window = (now, 0);
            }
        }
        let free = self.list.iter().zip(limits).all(|(window, (_, amount))| window.1 < *amount);
        if free {
            self.list.iter_mut().for_each(|window| window.1 += 1);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_free_where_all_windows_have_room_and_a_refused_one_is_not_counted() {
        let limits = [(Duration::from_secs(1), 2), (Duration::from_secs(60), 3)];
        let (mut windows, start) = (Windows::default(), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let taken = [0, 1, 2, 1_000, 1_001, 61_000].map(|time| windows.take(at(time), &limits));
        assert_eq!(taken, [true, true, false, true, false, true]);
    }
}
