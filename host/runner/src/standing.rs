//! What membership is told of operations: whose claim an add makes, and what is known of people of whom nothing was.
use crate::steps::Steps;
use caravan_model::{Action, Millis, StepIx, VersionId, VisitId};
use caravan_store::{Claim, MembershipNow, Standing};

/// The claim that an operation makes once it is acknowledged (design, 11.17): an add's that a visit asked for. Renewals
/// and refills repeat claims that are there.
pub(crate) fn claim_of(
    action: Action,
    (visit, version, step): (VisitId, VersionId, StepIx),
    steps: &Steps,
    now: Millis,
) -> Option<Claim> {
    if action != Action::Add || visit.entry.0 == 0 {
        return None;
    }
    let step = (version, step);
    Some(steps.get(&step).map_or_else(|| Claim::from(step), |facts| facts.claim(step, now)))
}

/// What is known of someone who was never sent to an audience: out of one that we made, else nothing.
pub(crate) fn nowhere(made_by_us: bool) -> MembershipNow {
    let standing = if made_by_us { Standing::Out } else { Standing::Unknown };
    MembershipNow { standing, recorded: Vec::new(), fingerprint: Default::default(), at: Millis(0) }
}
