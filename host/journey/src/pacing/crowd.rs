//! How many calls at the same time, and how much of short quotas, where the partner gives no figures: more as long as
//! all goes well, half as soon as it does not.
use super::Policy;
use caravan_model::Millis;

/// The smallest share of a quota that is left to it.
const LEAST_SHARE: f64 = 1.0 / 64.0;
/// By which share of a quota it grows again for each whole quota that was taken.
const REGROWTH: f64 = 0.05;

/// The bound of calls at the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    bound: f64,
    /// Until the first trouble it grows with every call, then with every round of calls.
    is_eager: bool,
    cut_at: Option<Millis>,
}

impl Crowd {
    pub fn new(policy: &Policy) -> Crowd {
        Crowd { bound: f64::from(policy.calls_at_first.max(1)), is_eager: true, cut_at: None }
    }

    /// How many calls may be under way.
    pub fn bound(&self) -> u64 {
        self.bound as u64
    }

    /// A call ended well while `under_way` others were; a bound that is not half reached does not grow.
    pub fn went_well(&mut self, under_way: u64, policy: &Policy) {
        if (under_way + 1) * 2 < self.bound() {
            return;
        }
        let step = if self.is_eager { 1.0 } else { 1.0 / self.bound };
        self.bound = (self.bound + step).min(f64::from(policy.calls_at_most.max(1)));
    }

    /// A call that began at `began` ended in trouble. Calls of one round count once.
    pub fn cut(&mut self, began: Millis, now: Millis) {
        if is_of_a_new_round(self.cut_at, began) {
            self.bound = (self.bound / 2.0).max(1.0);
            (self.is_eager, self.cut_at) = (false, Some(now));
        }
    }
}

/// Which share of the quotas below an hour has proven to be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    share: f64,
    cut_at: Option<Millis>,
}

impl Default for Share {
    fn default() -> Self {
        Share { share: 1.0, cut_at: None }
    }
}

impl Share {
    pub fn get(&self) -> f64 {
        self.share
    }

    /// A call of a window that takes `amount` calls was taken.
    pub fn grow(&mut self, amount: u64) {
        self.share = (self.share + REGROWTH / amount.max(1) as f64).min(1.0);
    }

    /// A call that began at `began` was refused.
    pub fn cut(&mut self, began: Millis, now: Millis) {
        if is_of_a_new_round(self.cut_at, began) {
            self.share = (self.share / 2.0).max(LEAST_SHARE);
            self.cut_at = Some(now);
        }
    }
}

/// Calls that were under way at the last cut tell nothing about what came of it.
pub(super) fn is_of_a_new_round(cut_at: Option<Millis>, began: Millis) -> bool {
    cut_at.is_none_or(|cut_at| began >= cut_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_grows_while_all_goes_well_and_halves_once_a_round() {
        let policy = Policy { calls_at_first: 1, calls_at_most: 8, ..Policy::default() };
        let mut crowd = Crowd::new(&policy);
        for _ in 0..20 {
            let under_way = crowd.bound() - 1;
            crowd.went_well(under_way, &policy);
        }
        assert_eq!(crowd.bound(), 8);
        for _ in 0..8 {
            crowd.cut(Millis(5), Millis(10));
        }
        assert_eq!(crowd.bound(), 4, "eight refusals of one round");
        crowd.went_well(3, &policy);
        assert_eq!(crowd.bound(), 4, "now it grows by one a round");
        for _ in 0..4 {
            crowd.went_well(3, &policy);
        }
        assert_eq!(crowd.bound(), 5);
        crowd.went_well(0, &policy);
        assert_eq!(crowd.bound(), 5, "what was not reached does not grow");
    }
}
