//! Follow-up: parts that the partner judges later are asked about on a timer, and what it says corrects what was final
//! (design, 11.8).
use crate::holds::target_of;
use crate::settlement::remaining_of;
use crate::shared::Shared;
use caravan_model::port::{Answer, Ask, CallContext};
use caravan_model::{Action, Duration, Millis, ProfileId, Reason, Refusal, Status, StepIx, VersionId, VisitId};
use caravan_store::{
    Claim, Corrected, Correction, FollowUp, Lane, Membership, MembershipChange, MembershipNow, Standing, Store, Undone,
    Unprocessed,
};
use std::collections::HashMap;
use std::sync::Arc;

/// How many parts are asked about in one go.
const AT_ONCE: usize = 32;
/// The first wait before a part is asked about again where the partner names none; it doubles.
const FIRST_WAIT: Duration = Duration::MINUTE;
/// The longest.
const LONGEST_WAIT: Duration = Duration::HOUR;
/// After so long a part that nobody judged stays as it was accepted.
const GIVE_UP: Duration = Duration::DAY.times(30);
/// What is counted then.
const UNANSWERED: &str = "never-judged";
/// A count by this reason says of the rows that a judgement names that they were not processed, and are to be sent again (WIT,
/// `judgement`).
const SEND_AGAIN: &str = "send-again";
/// How long after a part was left pending its people are sent again in that case, by how often they were before.
const AGAIN: [Duration; 5] =
    [Duration(0), Duration::HOUR, Duration::HOUR.times(3), Duration::HOUR.times(9), Duration::DAY];

/// Asks about all parts whose time has come; gives how many were asked about.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<u64> {
    let due = shared.store.follow_ups(shared.now(), AT_ONCE).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let lanes: HashMap<_, Lane> = shared.store.lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
    let mut asked = 0;
    for follow in due {
        if shared.is_stopping() {
            break;
        }
        let Some(lane) = lanes.get(&follow.lane) else { continue };
        let correction = ask(&shared, lane, &follow).await?;
        shared.store.correct(shared.lease, correction).await?;
        asked += 1;
    }
    Ok(asked)
}

async fn ask<S: Store>(shared: &Shared<S>, lane: &Lane, follow: &FollowUp) -> crate::Result<Correction> {
    let later = |now: Millis, again: Millis| Correction {
        part: follow.part,
        visits: Vec::new(),
        membership: Vec::new(),
        undone: Vec::new(),
        unprocessed: None,
        counts: Vec::new(),
        again: Some(again),
        now,
    };
    let now = shared.now();
    let own_wait = FIRST_WAIT.0.saturating_mul(1 << follow.asked.min(20)).min(LONGEST_WAIT.0);
    let own_wait = now.after(Duration(own_wait));
    let Ok(plug) = shared.plug(&follow.connection).await? else { return Ok(later(now, own_wait)) };
    let pass = match shared.pass(lane, &plug, &follow.connection, 0).await {
        Ok(pass) => pass,
        Err(paced) => return Ok(later(now, paced.until)),
    };
    let context = CallContext {
        at: now,
        seed: format!("follow-up-{}-{}", follow.part, follow.asked),
        deadline: shared.options.call_deadline,
        record_bodies: false,
    };
    let mut target = target_of(lane, &plug);
    target.settings.clone_from(&follow.settings);
    let outcome = plug.connector.call(context, Ask::FollowUp { target, reference: follow.reference.clone() }).await;
    let now = shared.now();
    pass.ended(now, &outcome, 0);
    match outcome.answer {
        Ok(Answer::Judged(refused, counts)) => {
            let mut known = HashMap::new();
            for profile in refused_people(follow, &refused) {
                let before = ProfileId(profile.0 - 1);
                let page = shared.store.members(follow.lane, before, 1).await?;
                known.extend(page.into_iter().filter(|(found, _)| *found == profile));
            }
            Ok(correction(follow, lane.made_by_us, &refused, counts, &known, now))
        }
        Ok(Answer::Later(ms)) if now.since(follow.since) < GIVE_UP => {
            Ok(later(now, now.after(Duration(ms.max(1_000)))))
        }
        Ok(_) | Err(_) if now.since(follow.since) >= GIVE_UP => {
            let rows = follow.rows.rows.saturating_sub(follow.struck.len() as u32);
            Ok(Correction { counts: vec![(UNANSWERED.to_owned(), rows)], again: None, ..later(now, now) })
        }
        Ok(_) | Err(_) => Ok(later(now, own_wait)),
    }
}

/// The places of people all of whose rows are refused, with the first refusal of each.
fn refused_places<'a>(follow: &FollowUp, refused: &'a [Refusal]) -> Vec<(usize, &'a Refusal)> {
    let (places, sent) = remaining_of(&follow.rows, &follow.struck);
    let by_row: HashMap<u32, &Refusal> = refused.iter().map(|refusal| (refusal.row, refusal)).collect();
    let person = |at: usize| {
        let rows = sent.rows_of(at);
        let first = by_row.get(&rows.start)?;
        rows.clone().all(|row| by_row.contains_key(&row)).then_some((places[at] as usize, *first))
    };
    (0..sent.people()).filter_map(person).collect()
}

fn refused_people(follow: &FollowUp, refused: &[Refusal]) -> Vec<ProfileId> {
    let places = refused_places(follow, refused);
    places.iter().filter_map(|(place, _)| follow.riders.get(*place)).map(|rider| rider.profile).collect()
}

/// What a judgement changes: who was named is `rejected` after all, or is sent again where nothing of them was processed, and
/// does not stand there, or still does.
fn correction(
    follow: &FollowUp,
    made_by_us: bool,
    refused: &[Refusal],
    counts: Vec<(String, u32)>,
    known: &HashMap<ProfileId, Membership>,
    now: Millis,
) -> Correction {
    let (again, mut counts): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(reason, _)| reason == SEND_AGAIN);
    let unprocessed = (!again.is_empty()).then(|| Unprocessed { action: follow.rows.action, waits: AGAIN.to_vec() });
    if let Some(first) = refused.first().filter(|_| unprocessed.is_some()) {
        // Nobody stays rejected by it: the batch shows what happened.
        counts.push((first.code.clone(), refused.len().try_into().unwrap_or(u32::MAX)));
    }
    let (mut visits, mut membership, mut undone) = (Vec::new(), Vec::new(), Vec::new());
    for (place, refusal) in refused_places(follow, refused) {
        let Some(rider) = follow.riders.get(place) else { continue };
        let why = Reason::new(format!("partner:{}", refusal.code), refusal.message.clone());
        for operation in rider.operations.iter().filter(|operation| operation.1.entry.0 != 0) {
            visits.push(Corrected {
                visit: operation.1,
                step: (operation.2, operation.3),
                from: Status::Synced,
                to: Status::Rejected,
                reason: why.clone(),
            });
        }
        let others = rider.operations.iter().filter(|operation| operation.1.entry.0 == 0);
        let others = others.map(|operation| Some((operation.0, (operation.2, operation.3))));
        let along = rider.operations.is_empty().then_some(None);
        undone.extend(others.chain(along).map(|operation| Undone {
            profile: rider.profile,
            operation,
            reason: why.clone(),
        }));
        // The end of a claim is asked for again: the claim stands until then.
        let ends = |operation: &&(i64, VisitId, VersionId, StepIx, bool)| {
            operation.1.entry.0 == 0 && operation.0 >= 0 && follow.rows.action == Action::Remove
        };
        let claim = unprocessed.as_ref().and_then(|_| rider.operations.iter().find(ends));
        let claim = claim.map(|operation| Claim::from((operation.2, operation.3)));
        let mut recorded = known.get(&rider.profile).map(|known| known.recorded.clone()).unwrap_or_default();
        let standing = match follow.rows.action {
            Action::Add => {
                recorded.retain(|set| *set != rider.recorded);
                match recorded.is_empty() {
                    true if made_by_us => Standing::Out,
                    true => Standing::Unknown,
                    false => Standing::Maybe,
                }
            }
            Action::Remove => {
                if !recorded.contains(&rider.recorded) {
                    recorded.push(rider.recorded.clone());
                }
                Standing::Maybe
            }
        };
        membership.push(MembershipChange {
            profile: rider.profile,
            now: Some(MembershipNow { standing, recorded, fingerprint: rider.fingerprint, at: follow.since }),
            ended: follow.since,
            claim,
            ..MembershipChange::default()
        });
    }
    Correction { part: follow.part, visits, membership, undone, unprocessed, counts, again: None, now }
}
