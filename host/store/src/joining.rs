//! What audiences hold and queues owe of a profile goes over to the one that it goes on in (design, 11.2, 11.5, 11.17).
//!
//! Operations keep the order in which they were offered. What stands at the partner under either profile's identifiers is
//! one member's from then on: where that is more than the survivor's newest set, a renewal is queued, which removes the
//! old sets and adds today's.
use crate::books::next;
use crate::contract::{Claim, Membership, MembershipNow, Origin, Standing};
use crate::fail::Done;
use crate::ledger::{Ledger, keep_chunks};
use crate::membership;
use crate::owed::offer_into;
use crate::records::{Line, Operation, each_chunk};
use crate::schema::{key, keys_of};
use crate::slices::{self, Sealed};
use crate::writer::Tx;
use crate::{claims, lanes};
use caravan_model::{LaneId, Millis, ProfileId};
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Who waits in queues, and who stands in a call or is owed a removal.
#[derive(Debug)]
pub(crate) struct Busy {
    queued: HashMap<ProfileId, BTreeSet<LaneId>>,
    under_way: HashSet<ProfileId>,
}

impl Busy {
    /// Reads all that waits.
    pub(crate) fn read(db: &Connection) -> Done<Busy> {
        let mut busy = Busy { queued: HashMap::new(), under_way: HashSet::new() };
        for lane in lanes::ids(db)? {
            each_chunk(db, Line::Owed, lane, |_, chunk| {
                busy.under_way.extend(chunk.iter().map(|op| op.profile));
                Ok(true)
            })?;
            each_chunk(db, Line::Usual, lane, |_, chunk| {
                chunk.iter().for_each(|op| {
                    busy.queued.entry(op.profile).or_default().insert(lane);
                });
                Ok(true)
            })?;
        }
        for (slice, _) in slices::open_ids(db)? {
            busy.under_way.extend(Sealed::read(db, slice)?.waiting().map(|op| op.profile));
        }
        Ok(busy)
    }

    /// Whether someone's rows may be at a partner now, or must go there first.
    pub(crate) fn is_under_way(&self, who: ProfileId) -> bool {
        self.under_way.contains(&who)
    }
}

/// Gives all that queues and audiences have of `other` to `survivor`. Neither is under way.
pub(crate) fn join(
    tx: &mut Tx<'_>,
    busy: &mut Busy,
    (survivor, other): (ProfileId, ProfileId),
    now: Millis,
) -> Done<()> {
    let mut ledger = Ledger::new(now, None);
    for from in busy.queued.remove(&other).unwrap_or_default() {
        let to = stripe(tx, from, survivor)?;
        queue(tx, &mut ledger, (from, other), (to, survivor))?;
        busy.queued.entry(survivor).or_default().insert(to);
    }
    let mut offers = Vec::new();
    for (lane, theirs) in membership::of(tx.db, lanes::ids(tx.db)?.into_iter(), other)? {
        let to = stripe(tx, lane, survivor)?;
        let own = membership::of(tx.db, [to].into_iter(), survivor)?.pop().map(|(_, own)| own);
        let is_news = theirs.standing != Standing::Out || !theirs.recorded.is_empty();
        let whole = one_member(own, theirs);
        membership::put(tx.db, to, survivor, &whole)?;
        tx.db
            .prepare_cached("UPDATE OR REPLACE claim_end SET member = ?2 WHERE member = ?1")?
            .execute((key(lane.0, other.0)?, key(to.0, survivor.0)?))?;
        membership::forget(tx.db, lane, other)?;
        if is_news && matches!(whole.standing, Standing::In | Standing::Maybe) {
            offers.extend(claims::again(to, survivor, &whole, Origin::Renewal));
        }
    }
    for offer in &offers {
        busy.queued.entry(survivor).or_default().insert(offer.lane);
    }
    offer_into(tx, &mut ledger, &offers)?;
    ledger.keep(tx)
}

/// The stripe of the same audience that is another person's.
fn stripe(tx: &mut Tx<'_>, lane: LaneId, profile: ProfileId) -> Done<LaneId> {
    let stripe: i64 =
        tx.db.prepare_cached("SELECT stripe FROM lane WHERE id = ?1")?.query_row([lane.0], |row| row.get(0))?;
    tx.books.stripe_of(LaneId(lane.0 - stripe), profile)
}

/// Gives someone's unsealed operations to another; both persons' stand in the order in which they were offered.
fn queue(
    tx: &mut Tx<'_>,
    ledger: &mut Ledger,
    (from, other): (LaneId, ProfileId),
    (to, survivor): (LaneId, ProfileId),
) -> Done<()> {
    let mut theirs = take(tx, from, |op| op.profile == other)?;
    tx.books.lane(from)?.waiting -= theirs.len() as i64;
    let mut both = take(tx, to, |op| op.profile == survivor)?;
    let facts = tx.books.lane(to)?;
    facts.waiting += theirs.len() as i64;
    theirs.iter_mut().for_each(|op| op.profile = survivor);
    both.append(&mut theirs);
    both.sort_by_key(|op| op.offered);
    for op in &mut both {
        op.seq = Line::Usual.seq(next(&mut facts.next_seq));
    }
    keep_chunks(tx.db, Line::Usual, to, &both)?;
    ledger.touch(from);
    ledger.touch(to);
    Ok(())
}

/// Takes operations out of a lane; the rest closes ranks: a lane has no gap before its newest operation.
fn take(tx: &mut Tx<'_>, lane: LaneId, wanted: impl Fn(&Operation) -> bool) -> Done<Vec<Operation>> {
    let (mut taken, mut stay) = (Vec::new(), Vec::new());
    each_chunk(tx.db, Line::Usual, lane, |_, chunk| {
        let (go, keep): (Vec<Operation>, Vec<Operation>) = chunk.into_iter().partition(&wanted);
        taken.extend(go);
        stay.extend(keep);
        Ok(true)
    })?;
    if taken.is_empty() {
        return Ok(taken);
    }
    let (first, last) = keys_of(lane.0)?;
    tx.db.prepare_cached("DELETE FROM operation WHERE key BETWEEN ?1 AND ?2")?.execute((first, last))?;
    let facts = tx.books.lane(lane)?;
    for (seq, op) in (facts.next_seq - stay.len() as i64..).zip(&mut stay) {
        op.seq = seq;
    }
    keep_chunks(tx.db, Line::Usual, lane, &stay)?;
    Ok(taken)
}

/// What is known of both in one audience.
fn one_member(own: Option<Membership>, theirs: Membership) -> Membership {
    let Some(own) = own else { return theirs };
    let is_news = theirs.standing != Standing::Out || !theirs.recorded.is_empty();
    let mut whole = own;
    whole.standing = match (whole.standing, theirs.standing) {
        (own, theirs) if own == theirs => own,
        (Standing::Out, theirs) => theirs,
        (own, Standing::Out) => own,
        // One is a member as acknowledged, of the other it is not known.
        _ => Standing::Maybe,
    };
    if is_news {
        let known: HashSet<Vec<u8>> = whole.recorded.iter().cloned().collect();
        whole.recorded.extend(theirs.recorded.into_iter().filter(|set| !known.contains(set)));
        // No set has this fingerprint: the next look finds that identifiers changed.
        whole.fingerprint = Default::default();
    }
    for claim in theirs.claims {
        match whole.claims.iter_mut().find(|own| own.of() == claim.of()) {
            Some(own) => own.until = later(own, &claim),
            None => whole.claims.push(claim),
        }
    }
    whole.at = whole.at.max(theirs.at);
    whole.newest = whole.newest.max(theirs.newest);
    whole
}

/// When the later of two claims of one step ends; one without an end is the later.
fn later(one: &Claim, other: &Claim) -> Option<Millis> {
    one.until.zip(other.until).map(|(one, other)| one.max(other))
}

impl From<&Membership> for MembershipNow {
    /// What a membership says of now, without its claims.
    fn from(member: &Membership) -> MembershipNow {
        MembershipNow {
            standing: member.standing,
            recorded: member.recorded.clone(),
            fingerprint: member.fingerprint,
            at: member.at,
        }
    }
}
