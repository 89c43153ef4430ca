//! People taken out of a part between two attempts (design, 11.6).
use crate::assembly::excerpt;
use crate::ledger::NO_SET;
use crate::steps::Steps;
use caravan_journey::sealing::{Change, Struck, consent_verdict, strike_between_attempts};
use caravan_model::status::reason;
use caravan_model::{Action, Effect, Part};
use caravan_store::{Membership, OpenPart, PartDraft, Queued, Rider, Standing};
use std::collections::HashMap;

/// Who of a part must go before its next attempt: the place among those who are sent, and what becomes of them.
pub(crate) fn strikes_of(
    part: &OpenPart,
    places: &[u32],
    changed: &[Queued],
    steps: &Steps,
    landed: Effect,
) -> Vec<(usize, Struck)> {
    if changed.is_empty() {
        return Vec::new();
    }
    let by_seq: HashMap<i64, &Queued> = changed.iter().map(|op| (op.seq, op)).collect();
    let change_of = |seq: i64| {
        let op = by_seq.get(&seq)?;
        let Some(person) = &op.person else { return Some(Change::Erased) };
        let adds = part.part.action == Action::Add;
        let step = steps.get(&op.step).filter(|_| adds);
        let asked = step.map(|step| consent_verdict(person, &step.purpose, step.demands.consent));
        match asked {
            Some(Err(why)) if why.code == reason::CONSENT_UNKNOWN => Some(Change::ConsentUnknown),
            Some(Err(_)) => Some(Change::ConsentWithdrawn),
            _ => (op.exited && !is_between_sets(op)).then_some(Change::Exited),
        }
    };
    let mut strikes = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let Some(rider) = part.riders.get(*place as usize) else { continue };
        if rider.operations.is_empty() {
            continue;
        }
        // Rows that several operations share stay while one of them is still wanted.
        let changes: Option<Vec<Change>> = rider.operations.iter().map(|op| change_of(op.0)).collect();
        let Some(changes) = changes else { continue };
        let graver = changes.iter().find(|change| **change != Change::Exited).or(changes.first());
        strikes.extend(
            graver
                .and_then(|change| strike_between_attempts(part.part.action, *change, landed))
                .map(|struck| (at, struck)),
        );
    }
    strikes
}

/// Whether an earlier part took a member's old identifiers away for the sake of this add: others asked for the member
/// as well, so the new ones must follow, whoever leaves meanwhile.
fn is_between_sets(op: &Queued) -> bool {
    let known = op.membership.as_deref();
    let is_whole = |known: &Membership| known.standing == Standing::In && known.fingerprint != NO_SET;
    op.action == Action::Add && known.is_some_and(|known| !known.claims.is_empty() && !is_whole(known))
}

/// Where a call with people who must go may have landed: their removal, and what is still to be added.
pub(crate) fn removal_and_rest(
    part: &OpenPart,
    places: &[u32],
    sent: &Part,
    struck: &[bool],
    follow: &[bool],
) -> Vec<PartDraft> {
    let riders: Vec<Rider> = places.iter().filter_map(|place| part.riders.get(*place as usize).cloned()).collect();
    let rows_of = |wanted: &dyn Fn(usize) -> bool| {
        let mut rows = vec![false; sent.rows as usize];
        for person in (0..sent.people()).filter(|person| wanted(*person)) {
            let range = sent.rows_of(person);
            rows[range.start as usize..range.end as usize].fill(true);
        }
        rows
    };
    let mut drafts = Vec::with_capacity(2);
    let mut removal = excerpt(sent, &riders, &rows_of(&|person| follow[person]), follow);
    removal.part.action = Action::Remove;
    removal.part.flags.clear();
    drafts.push(removal);
    let rest = excerpt(sent, &riders, &rows_of(&|person| !struck[person]), &vec![false; places.len()]);
    if rest.part.rows > 0 {
        drafts.push(rest);
    }
    drafts
}
