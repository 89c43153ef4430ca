//! What a sealing sends: which operation of a person wins, and what membership makes of the winner (design, 11.4,
//! 11.5, 11.15, 11.17).
mod coalesce;

pub use coalesce::{Coalesced, Op, Role, Standing, Wish, coalesce};

use caravan_model::status::reason;
use caravan_model::{Action, Consent, Duration, Effect, Profile, Reason, Status};

/// What membership knows of a person in an audience (11.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MembershipState {
    /// No row, and others may have put them there.
    #[default]
    Unknown,
    /// A member, as far as the partner acknowledged.
    In,
    /// No member: removed, or no row in an audience that we made.
    Out,
    /// A call may have landed, or someone with the same identifier was removed.
    Maybe,
}

/// What a decision stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What membership knows.
    pub membership: MembershipState,
    /// Whether membership holds identifier sets that may stand at the partner.
    pub recorded: bool,
    /// Whether today's identifiers are those that membership holds.
    pub same_identifiers: bool,
    /// How long ago the partner acknowledged the membership last.
    pub age: Duration,
    /// From which age on a repeat is sent again ([`caravan_model::Manifest::renewal_age`]); `None` = never. An operation
    /// that is to be sent although nothing has changed (a renewal, a refill) has the age 0 here.
    pub renewal: Option<Duration>,
    /// Why today's profile yields no usable identifier, where it yields none (`no-identifier`, `tracking-off`, `erased`).
    pub unusable: Option<Reason>,
}

/// Which identifiers a removal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Removal {
    /// No removal.
    Nothing,
    /// All sets that membership recorded, as they were sent.
    Recorded,
    /// Those of today's profile: membership knows none.
    Today,
}

/// What is done with a winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Rows go into the slice; removals are sent before adds.
    Send {
        /// What is removed.
        remove: Removal,
        /// Whether today's identifiers are added.
        add: bool,
    },
    /// `unchanged`: membership already holds it; no call. The step's claim is noted all the same (11.17).
    Unchanged,
    /// `skipped`, for a reason of the person's.
    Skipped(Reason),
}

/// Decides on a winner (11.5).
pub fn decide(action: Action, facts: &Facts) -> Decision {
    match action {
        Action::Add => decide_add(facts),
        Action::Remove => decide_remove(facts),
    }
}

fn decide_add(facts: &Facts) -> Decision {
    if let Some(why) = &facts.unusable {
        return Decision::Skipped(why.clone());
    }
    let add_after = |remove| Decision::Send { remove, add: true };
    match facts.membership {
        MembershipState::Unknown | MembershipState::Out => add_after(Removal::Nothing),
        MembershipState::In | MembershipState::Maybe if !facts.same_identifiers && facts.recorded => {
            add_after(Removal::Recorded)
        }
        MembershipState::In if facts.same_identifiers && facts.renewal.is_none_or(|renewal| facts.age < renewal) => {
            Decision::Unchanged
        }
        MembershipState::In | MembershipState::Maybe => add_after(Removal::Nothing),
    }
}

fn decide_remove(facts: &Facts) -> Decision {
    let send = |remove| Decision::Send { remove, add: false };
    match (facts.membership, facts.recorded, &facts.unusable) {
        (MembershipState::Out, _, _) => Decision::Unchanged,
        (_, true, _) => send(Removal::Recorded),
        (_, false, None) => send(Removal::Today),
        (_, false, Some(why)) => Decision::Skipped(why.clone()),
    }
}

/// Whether an add for this purpose is allowed; `demanded` = the policy or the step asks that it is granted, so that
/// *unknown* blocks too (11.15). Removes need no consent.
///
/// # Errors
/// The reason that the visit is skipped with.
pub fn consent_verdict(profile: &Profile, purpose: &str, demanded: bool) -> Result<(), Reason> {
    if profile.do_not_sell_or_share == Some(true) {
        return Err(Reason::new(reason::DO_NOT_SELL, "asked not to be sold or shared"));
    }
    match profile.consent(purpose) {
        Consent::Granted => Ok(()),
        Consent::Denied => Err(Reason::new(reason::CONSENT_DENIED, format!("consent for {purpose} was denied"))),
        Consent::Unknown if demanded => Err(Reason::new(
            reason::CONSENT_UNKNOWN,
            format!("consent for {purpose} is not known, and the policy or the step asks for it"),
        )),
        Consent::Unknown => Ok(()),
    }
}

/// Whether a person's device ids are withheld; `demanded` = the policy asks that tracking is granted, so that *unknown*
/// withholds them too (11.15).
pub fn tracking_denied(profile: &Profile, demanded: bool) -> bool {
    profile.ad_tracking_enabled.map_or(demanded, |enabled| !enabled)
}

/// What has changed about a row between two attempts of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Consent was withdrawn.
    ConsentWithdrawn,
    /// Consent that is not known is asked for now.
    ConsentUnknown,
    /// The profile was erased.
    Erased,
    /// The entry has ended, or the canvas was stopped.
    Exited,
}

/// A row taken out of a part between two attempts (11.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The visit's status from now on.
    pub status: Status,
    /// And its reason.
    pub reason: Reason,
    /// Whether a removal must follow, because an earlier attempt may have landed.
    pub removal_follows: bool,
}

/// Whether a row must be struck before the next attempt: withdrawn consent and erasure always (adds only; a removal is
/// what they want), an exit only while nothing may have landed (11.6). `None` = the row stays.
pub fn strike_between_attempts(action: Action, change: Change, landed: Effect) -> Option<Struck> {
    let may_have_landed = landed == Effect::MayHaveLanded;
    let struck = |status, code: &str, words: &str| {
        Some(Struck {
            status,
            reason: Reason::new(code, words),
            removal_follows: may_have_landed && action == Action::Add,
        })
    };
    match (change, action) {
        (Change::ConsentWithdrawn | Change::ConsentUnknown | Change::Erased, Action::Remove) => None,
        (Change::ConsentWithdrawn, Action::Add) => {
            struck(Status::Skipped, reason::CONSENT_DENIED, "consent was withdrawn before this was acknowledged")
        }
        (Change::ConsentUnknown, Action::Add) => struck(
            Status::Skipped,
            reason::CONSENT_UNKNOWN,
            "consent is not known, and was asked for before this was acknowledged",
        ),
        (Change::Erased, Action::Add) => {
            struck(Status::Skipped, reason::ERASED, "the profile was erased before this was acknowledged")
        }
        (Change::Exited, _) if may_have_landed => None,
        (Change::Exited, _) => struck(Status::Exited, reason::EXITED, "the entry ended before this was sent"),
    }
}
