//! One window of one quota: what was used of it, in at most 64 buckets.
use super::Charge;
use caravan_model::manifest::{Quota, QuotaUnit};
use caravan_model::{Duration, Millis};
use std::collections::VecDeque;

/// Into how many buckets a window is divided; a few more are alive while it rolls.
const BUCKETS: u64 = 60;
/// How long before a window's end a late call may still be counted by the partner.
const LATE: Duration = Duration(2_000);
/// The shortest span whose use is stored.
const SHORTEST_STORED: Duration = Duration(10_000);
/// How near to the end we go by the partner's own percentage.
const TARGET_PERCENT: u64 = 97;

/// A window.
#[derive(Debug)]
pub(super) struct Window {
    /// What it counts.
    pub unit: QuotaUnit,
    /// Its length.
    pub per: Duration,
    /// The amount that the manifest names.
    pub declared: u64,
    /// When it goes unless it is declared again; none = it stays.
    pub ends: Option<Millis>,
    /// Whether a percentage of it is told, so that its true amount becomes known.
    pub is_told: bool,
    resets_at: Option<Duration>,
    key: String,
    buckets: VecDeque<(Millis, u64)>,
    used: u64,
    last: Option<Millis>,
    told: Option<Told>,
}

/// The amount that the partner's own figures give.
#[derive(Clone, Copy, Debug)]
struct Told {
    amount: u64,
    at: Millis,
    /// Whether a single call above it is safe, to hear again.
    may_probe: bool,
}

impl Window {
    /// An empty window; none for a quota that has no span.
    pub fn new(scope: &super::ScopeKey, quota: &Quota) -> Option<Window> {
        let per = quota.per.filter(|per| per.0 > 0 && quota.unit != QuotaUnit::InFlight)?;
        let unit = match quota.unit {
            QuotaUnit::Calls => "calls",
            QuotaUnit::Rows => "rows",
            QuotaUnit::Bytes | QuotaUnit::InFlight => "bytes",
        };
        let resets_at = quota.resets_at();
        let resets = resets_at.map(|at| format!("@{at}")).unwrap_or_default();
        Some(Window {
            unit: quota.unit,
            per,
            declared: quota.amount,
            ends: None,
            is_told: false,
            resets_at,
            key: format!("{scope}|{unit}/{per}{resets}"),
            buckets: VecDeque::new(),
            used: 0,
            last: None,
            told: None,
        })
    }

    /// Its key in the store.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether its use is stored. What a process used of shorter ones just before it ended is not known afterwards, and is
    /// taken for all of it ([`Window::fill`]): that may cost the next one so long and no more.
    pub fn is_stored(&self) -> bool {
        self.per >= SHORTEST_STORED
    }

    /// What was used of it, as of the last [`Window::forget`].
    pub fn used(&self) -> u64 {
        self.used
    }

    fn width(&self) -> i64 {
        span(Duration(self.per.0.div_ceil(BUCKETS).max(1)))
    }

    /// When the fixed window began that holds `at`.
    fn began(&self, at: Millis, resets_at: Duration) -> i64 {
        let past = (at.0 - span(resets_at)).rem_euclid(span(self.per));
        at.0 - past
    }

    fn bucket(&self, at: Millis) -> Millis {
        let origin = self.resets_at.map_or(0, |resets_at| self.began(at, resets_at));
        Millis(at.0 - (at.0 - origin).rem_euclid(self.width()))
    }

    /// When a bucket's use says nothing any more.
    fn expires(&self, bucket: Millis) -> Millis {
        let late = Duration(LATE.0.min(self.per.0 / 16));
        let whole = match self.resets_at {
            Some(resets_at) => Millis(self.began(bucket, resets_at)),
            None => Millis(bucket.0 + self.width()),
        };
        whole.after(self.per).after(late)
    }

    /// Drops what is over.
    pub fn forget(&mut self, now: Millis) {
        while let Some((bucket, amount)) = self.buckets.front().copied() {
            if self.expires(bucket) > now {
                break;
            }
            self.used -= amount;
            self.buckets.pop_front();
        }
        self.told = self.told.filter(|told| now < told.at.after(self.per));
    }

    /// How much may be used: what the partner told, else what the manifest says; of windows below an hour the share
    /// that has proven to be taken. A hundredth of a fixed window is left for clocks that differ.
    fn amount(&self, share: f64) -> u64 {
        let whole = self.told.map_or(self.declared, |told| told.amount);
        let whole = if self.resets_at.is_some() { whole - whole / 100 } else { whole };
        let shared = if self.per < Duration::HOUR { (whole as f64 * share) as u64 } else { whole };
        shared.max(1)
    }

    /// The shortest span between two charges: half of an even pace, so that a short window's use is spread without
    /// losing what was left unused.
    fn gap(&self, share: f64) -> Duration {
        match self.unit {
            QuotaUnit::Calls if self.per < Duration::MINUTE => Duration(self.per.0 / self.amount(share) / 2),
            _ => Duration(0),
        }
    }

    /// When `want` more fits, with `reserved` for others before it; not later than `now` where it does. More than the
    /// whole quota goes alone. `quiet`: no call of the scope is under way.
    pub fn opens(
        &self,
        now: Millis,
        want: u64,
        reserved: u64,
        share: f64,
        quiet: bool,
        look_again: Duration,
    ) -> Millis {
        if want == 0 {
            return now;
        }
        let amount = self.amount(share);
        let fits = |used: u64| used == 0 || used.saturating_add(want) <= amount;
        let mut left = self.used.saturating_add(reserved);
        if fits(left) {
            let gap = self.gap(share);
            if reserved > 0 && gap.0 > 0 {
                // One at a time, and it is another's turn.
                return now.after(gap);
            }
            return self.last.map_or(now, |last| last.after(gap));
        }
        if let Some(told) = self.told.filter(|told| told.may_probe)
            && quiet
            && reserved == 0
            && now >= told.at.after(Duration(self.per.0 / 12))
        {
            return now;
        }
        for (bucket, used) in &self.buckets {
            left -= used;
            if fits(left) {
                return self.expires(*bucket).max(now.after(Duration(1)));
            }
        }
        now.after(look_again)
    }

    /// Takes a charge; what is to be stored of it.
    pub fn charge(&mut self, now: Millis, amount: u64) -> Option<Charge> {
        if amount == 0 {
            return None;
        }
        let bucket = self.bucket(now);
        self.add(bucket, amount);
        self.last = Some(now);
        if let Some(told) = self.told.as_mut().filter(|told| self.used > told.amount) {
            told.may_probe = false;
        }
        let keep_until = self.expires(bucket);
        self.is_stored().then(|| Charge { key: self.key.clone(), bucket, amount, keep_until })
    }

    /// Takes a charge back.
    pub fn uncharge(&mut self, at: Millis, amount: u64) {
        let bucket = self.bucket(at);
        if let Some((_, used)) = self.buckets.iter_mut().find(|(known, _)| *known == bucket) {
            let back = amount.min(*used);
            *used -= back;
            self.used -= back;
        }
    }

    fn add(&mut self, bucket: Millis, amount: u64) {
        let at = self.buckets.partition_point(|(known, _)| *known < bucket);
        match self.buckets.get_mut(at) {
            Some((known, used)) if *known == bucket => *used += amount,
            _ => self.buckets.insert(at, (bucket, amount)),
        }
        self.used += amount;
    }

    /// Takes back what an earlier process used. More than the manifest allows can only have been used because the
    /// partner told of more: one call asks how things stand.
    pub fn restore(&mut self, now: Millis, buckets: impl IntoIterator<Item = (Millis, u64)>) {
        for (bucket, amount) in buckets {
            self.add(bucket, amount);
        }
        self.forget(now);
        if self.is_told && self.used > self.declared {
            let at = now.before(Duration(self.per.0 / 12));
            self.told = Some(Told { amount: self.used, at, may_probe: true });
        }
    }

    /// Counts the whole quota as used at `at`: what a process used just before it ended is not known.
    pub fn fill(&mut self, at: Millis) {
        let missing = self.declared.saturating_sub(self.used);
        self.add(self.bucket(at), missing);
    }

    /// The partner names the amount.
    pub fn tell_limit(&mut self, now: Millis, amount: u64) {
        self.told = Some(Told { amount: amount.max(1), at: now, may_probe: false });
    }

    /// The partner says how much of the quota is used, by us and by others; `unseen` calls may not be counted in it.
    /// What we used and what is used give the amount that is ours to use, if others go on as they do.
    pub fn tell_percent(&mut self, now: Millis, percent: u64, unseen: u64) {
        let seen = self.used.saturating_sub(unseen);
        // Whole percents are cut off: less than one more may be used.
        let ours = seen.saturating_mul(TARGET_PERCENT + 1) / (percent + 1);
        let amount = match percent {
            // Below the half a figure is too coarse to slow us down; and twice what was tried is enough to try next.
            0..50 => ours.min(seen.saturating_mul(2)).max(self.declared),
            _ => ours,
        };
        let step = (percent / self.used.max(1)).max(1);
        let may_probe = percent + 2 * step < 100;
        self.told = Some(Told { amount: amount.max(1), at: now, may_probe });
    }
}

pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.0).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacing::Scopes;
    use caravan_model::manifest::QuotaScope;

    fn window(amount: u64, per: Duration, resets: Option<&str>) -> Window {
        let scopes = Scopes::of("p", "l", "a", "b");
        let resets = resets.map(str::to_owned);
        let quota = Quota {
            scope: QuotaScope::App,
            unit: QuotaUnit::Calls,
            amount,
            amount_setting: None,
            credential: None,
            per: Some(per),
            resets,
        };
        Window::new(scopes.key(QuotaScope::App), &quota).unwrap()
    }

    fn opens(window: &Window, now: Millis) -> Millis {
        window.opens(now, 1, 0, 1.0, true, Duration(20))
    }

    #[test]
    fn a_full_window_opens_when_its_oldest_use_has_left_it() {
        let mut minute = window(2, Duration::MINUTE, None);
        assert!(minute.charge(Millis(0), 1).is_some());
        assert!(minute.charge(Millis(30_000), 1).is_some());
        let open = opens(&minute, Millis(30_000));
        assert!((60_001..=63_000).contains(&open.0), "{open:?}");
        minute.forget(open);
        assert_eq!((minute.used(), opens(&minute, open)), (1, Millis(30_000)));
    }

    #[test]
    fn a_fixed_window_opens_shortly_after_its_reset() {
        let mut day = window(1, Duration::DAY, Some("06:00Z"));
        let charge = day.charge(Millis(0), 1).unwrap();
        let reset = span(Duration::HOUR.times(6));
        assert_eq!(charge.keep_until, Millis(reset + 2_000));
        assert_eq!(opens(&day, Millis(5)), Millis(reset + 2_000));
    }

    #[test]
    fn what_is_larger_than_the_quota_goes_alone() {
        let mut minute = window(2, Duration::MINUTE, None);
        assert_eq!(minute.opens(Millis(5), 9, 0, 1.0, true, Duration(20)), Millis(5));
        assert!(minute.charge(Millis(5), 1).is_some());
        assert!(minute.opens(Millis(5), 9, 0, 1.0, true, Duration(20)) > Millis(60_000));
    }

    #[test]
    fn at_most_64_buckets_are_kept() {
        let mut hour = window(1_000_000, Duration::HOUR, None);
        for second in 0..3 * 3_600 {
            hour.forget(Millis(second * 1_000));
            assert!(hour.charge(Millis(second * 1_000), 1).is_some());
            assert!(hour.buckets.len() <= 64, "{}", hour.buckets.len());
        }
    }
}
