//! Counters only grow; what happened lately is the difference to an older reading.
use caravan_model::{Duration, Millis};
use std::collections::{BTreeMap, VecDeque};

/// How many readings a window keeps.
const READINGS: u64 = 60;

/// Readings of counters over a span: makes the counts of [`super::StepSeen`] out of sums that only grow.
///
/// ```
/// use caravan_model::{Duration, Millis};
/// use caravan_runner::alerts::CountWindow;
/// let mut rejected = CountWindow::new(Duration::MINUTE.times(10));
/// rejected.read(Millis(0), [("sync", 7)]);
/// rejected.read(Millis(5_000), [("sync", 9)]);
/// assert_eq!(rejected.lately().get("sync"), Some(&2));
/// ```
#[derive(Clone, Debug)]
pub struct CountWindow<K> {
    span: Duration,
    began: Option<Millis>,
    older: VecDeque<(Millis, BTreeMap<K, u64>)>,
    newest: BTreeMap<K, u64>,
}

impl<K: Ord + Clone> CountWindow<K> {
    /// An empty window.
    pub fn new(span: Duration) -> CountWindow<K> {
        CountWindow { span, began: None, older: VecDeque::new(), newest: BTreeMap::new() }
    }

    /// Takes a reading of all counters.
    pub fn read(&mut self, now: Millis, sums: impl IntoIterator<Item = (K, u64)>) {
        self.newest = sums.into_iter().collect();
        self.began.get_or_insert(now);
        // The newest reading that is as old as the span is what we compare with.
        while self.older.get(1).is_some_and(|(at, _)| now.since(*at) >= self.span) {
            self.older.pop_front();
        }
        let wanted = Duration(self.span.0 / READINGS);
        if self.older.back().is_none_or(|(at, _)| now.since(*at) >= wanted) {
            self.older.push_back((now, self.newest.clone()));
        }
    }

    /// By how much each counter grew within the span, or since the first reading.
    pub fn lately(&self) -> BTreeMap<K, u64> {
        let base = self.older.front().map(|(_, sums)| sums);
        let before = |key: &K| base.and_then(|sums| sums.get(key)).copied().unwrap_or(0);
        self.newest.iter().map(|(key, sum)| (key.clone(), sum.saturating_sub(before(key)))).collect()
    }

    /// When the first reading was taken.
    pub fn since(&self) -> Option<Millis> {
        self.began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_before_the_span_is_forgotten() {
        let mut window = CountWindow::new(Duration::MINUTE.times(10));
        for tick in 0..=360_u64 {
            let now = Millis(i64::try_from(tick * 5_000).unwrap());
            window.read(now, [("early", tick.min(60)), ("steady", tick), ("none", 3)]);
        }
        let lately = window.lately();
        assert_eq!((lately["early"], lately["none"]), (0, 0));
        // Ten minutes are 120 ticks; the window is exact to one kept reading.
        assert!((120..=122).contains(&lately["steady"]), "{lately:?}");
        assert_eq!(window.since(), Some(Millis(0)));
        assert!(window.older.len() as u64 <= READINGS + 2);
    }
}
