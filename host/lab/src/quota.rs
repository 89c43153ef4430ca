//! What has been used of the partners' quotas.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::call::Partner;
use crate::settings::{MetaQuota, Rate, TikTokQuota};

/// Use per Meta account, of TikTok's app, and by whom the others count.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    meta: HashMap<String, Rolling>,
    tiktok: AppUse,
    rates: HashMap<(Partner, String, u64), (Instant, u64)>,
}

/// How a rate stands after a call: of its spans, the one with the fewest calls left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateUse {
    /// Whether the call is taken.
    pub(crate) free: bool,
    /// Calls per span.
    pub(crate) limit: u64,
    /// Calls left in it.
    pub(crate) remaining: u64,
    /// Seconds until it starts anew, at least one.
    pub(crate) reset_in: u64,
}

/// How much of an account's hour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HourUse {
    /// Percentage of the limit, as the usage header shows it.
    pub(crate) percent: u64,
    /// Minutes until calls are taken again; 0 while they are taken.
    pub(crate) regain_minutes: u64,
}

impl Usage {
    /// Counts one Meta call of `account`, which owns `audiences` of them. Refused calls are not counted.
    pub(crate) fn meta(&mut self, now: Instant, account: &str, audiences: usize, quota: &MetaQuota) -> HourUse {
        let documented = (190_000 + 40 * audiences as u64).min(700_000);
        let limit = quota.accounts.get(account).copied().or(quota.per_window).unwrap_or(documented);
        let window = Duration::from_secs(quota.window_seconds);
        let rolling = self.meta.entry(account.to_string()).or_default();
        rolling.forget(now, window);
        if rolling.total >= limit {
            let oldest = rolling.buckets.front().map_or(now, |(start, _)| *start);
            let wait = (oldest + window).saturating_duration_since(now);
            return HourUse { percent: 100, regain_minutes: wait.as_secs().div_ceil(60).max(1) };
        }
        rolling.count(now, window);
        HourUse { percent: rolling.total * 100 / limit.max(1), regain_minutes: 0 }
    }

    /// Counts one TikTok call on the day `today`, in days since 1970 UTC; false if the app is over its quota.
    pub(crate) fn tiktok(&mut self, now: Instant, today: u64, quota: &TikTokQuota) -> bool {
        self.tiktok.take(now, today, quota)
    }

    /// Counts one call of `whom` at a partner. A refused call is not counted.
    pub(crate) fn rate(&mut self, now: Instant, partner: Partner, whom: &str, rate: Rate) -> RateUse {
        let spans = [(1, rate.per_second), (60, rate.per_minute), (86_400, rate.per_day)];
        let mut tightest = RateUse { free: true, limit: u64::MAX, remaining: u64::MAX, reset_in: 1 };
        for (seconds, limit) in spans.into_iter().filter_map(|(seconds, limit)| Some((seconds, limit?))) {
            let span = Duration::from_secs(seconds);
            let (start, count) = self.rates.entry((partner, whom.to_string(), seconds)).or_insert((now, 0));
            if now.saturating_duration_since(*start) >= span {
                (*start, *count) = (now, 0);
            }
            let remaining = limit.saturating_sub(*count);
            if remaining < tightest.remaining {
                let left = (*start + span).saturating_duration_since(now).as_secs_f64().ceil() as u64;
                tightest = RateUse { free: remaining > 0, limit, remaining, reset_in: left.max(1) };
            }
        }
        if tightest.free {
            tightest.remaining = tightest.remaining.saturating_sub(1);
            for ((of, who, _), (_, count)) in &mut self.rates {
                *count += u64::from(*of == partner && who == whom);
            }
        }
        tightest
    }

    /// Forgets all use.
    pub(crate) fn clear(&mut self) {
        *self = Usage::default();
    }
}

/// A rolling sum in sixty steps.
#[derive(Debug, Default)]
struct Rolling {
    buckets: VecDeque<(Instant, u64)>,
    total: u64,
}

impl Rolling {
    fn forget(&mut self, now: Instant, window: Duration) {
        while let Some((start, count)) = self.buckets.front().copied() {
            if now.saturating_duration_since(start) < window {
                break;
            }
            self.total -= count;
            self.buckets.pop_front();
        }
    }

    fn count(&mut self, now: Instant, window: Duration) {
        self.total += 1;
        match self.buckets.back_mut() {
            Some((start, count)) if now.saturating_duration_since(*start) < window / 60 => *count += 1,
            _ => self.buckets.push_back((now, 1)),
        }
    }
}

#[derive(Debug, Default)]
struct AppUse {
    second: Option<(Instant, u64)>,
    minute: Option<(Instant, u64)>,
    /// The day, which begins at 00:00 UTC, and its calls.
    day: (u64, u64),
    locked_until: Option<Instant>,
}

impl AppUse {
    fn take(&mut self, now: Instant, today: u64, quota: &TikTokQuota) -> bool {
        if self.locked_until.is_some_and(|until| now < until) {
            return false;
        }
        self.locked_until = None;
        if self.day.0 != today {
            self.day = (today, 0);
        }
        if self.day.1 >= quota.per_day || full(&mut self.second, now, 1, quota.per_second) {
            return false;
        }
        if full(&mut self.minute, now, 60, quota.per_minute) {
            // Passing the minute's quota locks the app out for longer than the minute (contract, section 5).
            self.locked_until = Some(now + Duration::from_secs(quota.suspension_seconds));
            self.minute = None;
            return false;
        }
        for window in [&mut self.second, &mut self.minute].into_iter().flatten() {
            window.1 += 1;
        }
        self.day.1 += 1;
        true
    }
}

/// Opens a new window where the old one is over, and says whether the current one is full.
fn full(window: &mut Option<(Instant, u64)>, now: Instant, seconds: u64, limit: u64) -> bool {
    match window {
        Some((start, count)) if now.saturating_duration_since(*start) < Duration::from_secs(seconds) => *count >= limit,
        _ => {
            *window = Some((now, 0));
            limit == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn an_account_regains_access_when_its_window_has_passed() {
        let quota = MetaQuota { per_window: Some(3), ..Settings::default().meta };
        let (mut usage, start) = (Usage::default(), Instant::now());
        for percent in [33, 66, 100] {
            assert_eq!(usage.meta(start, "1", 0, &quota), HourUse { percent, regain_minutes: 0 });
        }
        assert_eq!(usage.meta(start, "1", 0, &quota), HourUse { percent: 100, regain_minutes: 60 });
        assert_eq!(usage.meta(start, "2", 0, &quota).regain_minutes, 0);
        let later = start + Duration::from_secs(3_590);
        assert_eq!(usage.meta(later, "1", 0, &quota).regain_minutes, 1);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(usage.meta(later, "1", 0, &quota), HourUse { percent: 33, regain_minutes: 0 });
    }

    #[test]
    fn an_app_is_slowed_by_the_second_and_locked_out_by_the_minute() {
        let quota = TikTokQuota { per_second: 2, per_minute: 3, per_day: 100, suspension_seconds: 300 };
        let (mut usage, start) = (Usage::default(), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(usage.tiktok(at(0), 0, &quota));
        assert!(usage.tiktok(at(1), 0, &quota));
        assert!(!usage.tiktok(at(2), 0, &quota));
        assert!(usage.tiktok(at(1_100), 0, &quota));
        assert!(!usage.tiktok(at(2_500), 0, &quota));
        assert!(!usage.tiktok(at(200_000), 0, &quota));
        assert!(usage.tiktok(at(302_501), 0, &quota));
    }

    #[test]
    fn a_rate_is_told_by_its_tightest_span_and_refused_calls_do_not_count() {
        let rate = Rate { per_second: Some(2), per_minute: Some(3), per_day: None };
        let (mut usage, start) = (Usage::default(), Instant::now());
        let mut at = |milliseconds, whom: &str| {
            usage.rate(start + Duration::from_millis(milliseconds), Partner::Pinterest, whom, rate)
        };
        assert_eq!(at(0, "a"), RateUse { free: true, limit: 2, remaining: 1, reset_in: 1 });
        assert_eq!(at(10, "a").remaining, 0);
        assert!(!at(20, "a").free && at(20, "b").free);
        assert_eq!(at(1_500, "a"), RateUse { free: true, limit: 3, remaining: 0, reset_in: 59 });
        assert!(!at(3_000, "a").free);
        assert!(at(60_000, "a").free);
    }

    #[test]
    fn an_apps_day_ends_at_midnight_utc_and_not_a_day_after_its_first_call() {
        let quota = TikTokQuota { per_second: 9, per_minute: 9, per_day: 2, suspension_seconds: 300 };
        let (mut usage, start) = (Usage::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let taken = [(0, 7), (10, 7), (20, 7), (30, 8), (40, 8), (50, 8)];
        let taken = taken.map(|(seconds, day)| usage.tiktok(at(seconds), day, &quota));
        assert_eq!(taken, [true, true, false, true, true, false]);
    }
}
