//! What membership holds for the people of a slice while its parts are worked off, and which operations have had
//! their final word. Built at sealing, or from the store where a dead process left a slice open.
use caravan_model::{Action, Millis, ProfileId};
use caravan_store::{Membership, MembershipNow, OpenPart, PartDraft, Queued, Rider, Standing};
use std::collections::{HashMap, HashSet};

/// The fingerprint of someone of whose newest identifiers not all stand at the partner any more.
pub(crate) const NO_SET: [u8; 16] = [0; 16];

/// The books of one open slice.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Membership of people who had one; changed along with the settlements.
    known: HashMap<ProfileId, MembershipNow>,
    /// Operations that ride on several people's places: how many of these are undecided.
    carried: HashMap<i64, u32>,
    /// Of these, the ones that had their final word.
    finals: HashSet<i64>,
}

impl Ledger {
    /// The books at sealing.
    pub(crate) fn at_sealing(queued: &[Queued]) -> Ledger {
        let mut ledger = Ledger::default();
        for op in queued {
            if let Some(membership) = &op.membership {
                ledger.knows(op.profile, membership);
            }
        }
        ledger
    }

    /// Notes what membership holds.
    pub(crate) fn knows(&mut self, profile: ProfileId, membership: &Membership) {
        let now = MembershipNow {
            standing: membership.standing,
            recorded: membership.recorded.clone(),
            fingerprint: membership.fingerprint,
            at: membership.at,
        };
        self.known.insert(profile, now);
    }

    /// Notes an operation that an earlier part decided.
    pub(crate) fn is_final(&mut self, seq: i64) {
        self.finals.insert(seq);
    }

    /// Counts anew which operations ride on several places.
    pub(crate) fn count(&mut self, parts: &[OpenPart]) {
        self.carried.clear();
        let mut seen: HashSet<i64> = HashSet::new();
        for part in parts {
            for (place, rider) in part.riders.iter().enumerate() {
                if part.struck.contains(&(place as u32)) {
                    continue;
                }
                for (seq, ..) in &rider.operations {
                    if !seen.insert(*seq) {
                        *self.carried.entry(*seq).or_insert(1) += 1;
                    }
                }
            }
        }
    }

    /// Whether a place's word on an operation is its final one; called once per operation and place.
    pub(crate) fn decides(&mut self, seq: i64, taken: bool) -> bool {
        if self.finals.contains(&seq) {
            return false;
        }
        let Some(places) = self.carried.get_mut(&seq) else { return true };
        *places = places.saturating_sub(1);
        let last = *places == 0;
        if taken || last {
            self.finals.insert(seq);
        }
        taken || last
    }

    /// Takes operations that had their final word off the riders of new parts.
    pub(crate) fn release(&self, drafts: &mut [PartDraft]) {
        if self.finals.is_empty() {
            return;
        }
        for rider in drafts.iter_mut().flat_map(|draft| &mut draft.riders) {
            rider.operations.retain(|op| !self.finals.contains(&op.0));
        }
    }

    fn is_kept(&self, rider: &Rider) -> bool {
        self.known.contains_key(&rider.profile) || rider.operations.iter().any(|op| self.carried.contains_key(&op.0))
    }

    /// The partner took these rows.
    pub(crate) fn taken(&mut self, action: Action, rider: &Rider, now: Millis) -> MembershipNow {
        let known = self.known.get(&rider.profile);
        let mut recorded = known.map(|known| known.recorded.clone()).unwrap_or_default();
        let next = match action {
            Action::Add => {
                if !recorded.contains(&rider.recorded) {
                    recorded.push(rider.recorded.clone());
                }
                MembershipNow { standing: Standing::In, recorded, fingerprint: rider.fingerprint, at: now }
            }
            Action::Remove => {
                recorded.retain(|set| *set != rider.recorded);
                let standing = match known.map(|known| known.standing) {
                    _ if recorded.is_empty() => Standing::Out,
                    Some(Standing::In) if rider.operations.is_empty() => Standing::In,
                    _ => Standing::Maybe,
                };
                // What still stands there is not the newest set as a whole: an add of that is no repeat.
                MembershipNow { standing, recorded, fingerprint: NO_SET, at: now }
            }
        };
        self.keep(rider, &next);
        next
    }

    /// The partner may have taken these rows.
    pub(crate) fn may_stand(&mut self, rider: &Rider, now: Millis) -> MembershipNow {
        let known = self.known.get(&rider.profile);
        let mut recorded = known.map(|known| known.recorded.clone()).unwrap_or_default();
        if !recorded.contains(&rider.recorded) {
            recorded.push(rider.recorded.clone());
        }
        let fingerprint = known.map_or(rider.fingerprint, |known| known.fingerprint);
        let at = known.map_or(now, |known| known.at);
        let next = MembershipNow { standing: Standing::Maybe, recorded, fingerprint, at };
        self.keep(rider, &next);
        next
    }

    fn keep(&mut self, rider: &Rider, next: &MembershipNow) {
        if self.is_kept(rider) {
            self.known.insert(rider.profile, next.clone());
        }
    }
}
