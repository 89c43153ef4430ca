//! Claims that end, members that are renewed, lanes that are refilled: operations made from membership (design, 11.17).
use crate::contract::{Claim, Membership, MembershipChange, MembershipNow, Offer, Origin, Refill, Standing, Walked};
use crate::fail::Done;
use crate::ledger::Ledger;
use crate::membership;
use crate::owed::offer_into;
use crate::records::{Line, each_chunk};
use crate::schema::{high, low};
use crate::writer::Tx;
use caravan_model::{Action, Duration, LaneId, Millis, ProfileId, StepIx, VersionId};
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;

/// Queues the end of claims for members, and for adds that still wait (takeback).
pub(crate) fn take_back(
    tx: &mut Tx<'_>,
    lane: LaneId,
    claims: &[(VersionId, StepIx)],
    after: ProfileId,
    limit: usize,
    now: Millis,
) -> Done<Walked> {
    tx.books.hear(now);
    let mut offers = Vec::new();
    let offer = |profile, step| Offer { lane, profile, action: Action::Remove, origin: Origin::TakeBack, step };
    if after.0 == 0 {
        // Adds that nobody has sent yet, and those under way: membership may not know of them.
        let mut asked: BTreeSet<(ProfileId, (VersionId, StepIx))> = BTreeSet::new();
        let mut ask = |op: &crate::records::Operation| {
            let step = (op.version, op.step);
            if op.action == Action::Add && claims.contains(&step) {
                asked.insert((op.profile, step));
            }
        };
        each_chunk(tx.db, Line::Usual, lane, |_, chunk| {
            chunk.iter().for_each(&mut ask);
            Ok(true)
        })?;
        for (slice, of) in crate::slices::open_ids(tx.db)? {
            if of == lane {
                crate::slices::Sealed::read(tx.db, slice)?.waiting().for_each(&mut ask);
            }
        }
        offers.extend(asked.into_iter().map(|(profile, step)| offer(profile, step)));
    }
    let page = membership::page(tx.db, lane, after, limit)?;
    let next = (page.len() == limit).then(|| page.last().map(|(profile, _)| *profile)).flatten();
    for (profile, member) in page {
        let own = member.claims.iter().map(|claim| claim.of()).filter(|claim| claims.contains(claim));
        offers.extend(own.map(|claim| offer(profile, claim)));
    }
    let mut ledger = Ledger::new(now, None);
    let offered = offer_into(tx, &mut ledger, &offers)?;
    ledger.keep(tx)?;
    Ok(Walked { offered, next })
}

/// Queues the end of claims whose time has come; gives how many timers were fired.
pub(crate) fn end_claims(tx: &mut Tx<'_>, now: Millis, limit: usize) -> Done<u64> {
    tx.books.hear(now);
    let mut fired = Vec::new();
    {
        let mut select = tx.db.prepare_cached(
            "SELECT due, member, version, step FROM claim_end WHERE due <= ?1 ORDER BY due, member LIMIT ?2",
        )?;
        let mut rows = select.query((now.0, i64::try_from(limit).unwrap_or(i64::MAX)))?;
        while let Some(row) = rows.next()? {
            let (due, member): (i64, i64) = (row.get(0)?, row.get(1)?);
            fired.push((due, member, (VersionId(row.get(2)?), StepIx(row.get(3)?))));
        }
    }
    let mut offers = Vec::new();
    let mut done =
        tx.db.prepare_cached("DELETE FROM claim_end WHERE due = ?1 AND member = ?2 AND version = ?3 AND step = ?4")?;
    for (due, member, step) in &fired {
        done.execute((due, member, step.0.0, step.1.0))?;
        let (lane, profile) = (LaneId(high(*member)), ProfileId(low(*member)));
        let known = membership::of(tx.db, [lane].into_iter(), profile)?;
        // A claim that was asked for anew has a later timer.
        let over = known.iter().flat_map(|(_, member)| &member.claims);
        if over.into_iter().any(|claim| claim.of() == *step && claim.until.is_some_and(|until| until <= now)) {
            offers.push(Offer { lane, profile, action: Action::Remove, origin: Origin::KeepFor, step: *step });
        }
    }
    let mut ledger = Ledger::new(now, None);
    offer_into(tx, &mut ledger, &offers)?;
    ledger.keep(tx)?;
    Ok(fired.len() as u64)
}

/// Members are looked through for renewal at most so often for each age: a sixty-fourth of it.
const LOOKS: u64 = 64;

/// Queues renewals, each member once per acknowledgement.
pub(crate) fn renew(tx: &mut Tx<'_>, lane: LaneId, age: Duration, now: Millis) -> Done<u64> {
    tx.books.hear(now);
    tx.books.lane(lane)?;
    let (due, renewed): (Option<i64>, i64) = tx
        .db
        .prepare_cached("SELECT renewal, renewed FROM lane WHERE id = ?1")?
        .query_row([lane.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // What was set under a longer age, before a setting shortened it, lies further ahead than this one reaches.
    if due.is_some_and(|due| due > now.0 && due <= now.after(age).0) {
        return Ok(0);
    }
    // All that was acknowledged before this, and was not looked at before.
    let before = now.before(age);
    let (mut offers, mut youngest) = (Vec::new(), Millis::NEVER);
    membership::walk(tx.db, lane, ProfileId(0), |profile, member| {
        if member.standing != Standing::In {
            return Ok(true);
        }
        if member.at > before {
            youngest = youngest.min(member.at);
        } else if member.at.0 > renewed {
            offers.extend(again(lane, profile, &member, Origin::Renewal));
        }
        Ok(true)
    })?;
    let step = Duration((age.0 / LOOKS).max(1));
    let next = if youngest == Millis::NEVER { now.after(age) } else { youngest.after(age).max(now.after(step)) };
    tx.db
        .prepare_cached("UPDATE lane SET renewal = ?2, renewed = max(renewed, ?3) WHERE id = ?1")?
        .execute((lane.0, next.0, before.0))?;
    let mut ledger = Ledger::new(now, None);
    let offered = offer_into(tx, &mut ledger, &offers)?;
    ledger.keep(tx)?;
    Ok(offered)
}

/// The add that a member's newest claim would ask for again.
pub(crate) fn again(lane: LaneId, profile: ProfileId, member: &Membership, origin: Origin) -> Option<Offer> {
    let claim = member.claims.last()?;
    Some(Offer { lane, profile, action: Action::Add, origin, step: claim.of() })
}

/// Queues an add for everyone whom a lane's membership holds.
pub(crate) fn refill(tx: &mut Tx<'_>, refill: Refill) -> Done<Walked> {
    let Refill { from, to, forget, after, limit, now } = refill;
    tx.books.hear(now);
    let page = membership::page(tx.db, from, after, limit)?;
    let next = (page.len() == limit).then(|| page.last().map(|(profile, _)| *profile)).flatten();
    let mut offers = Vec::new();
    for (profile, member) in page {
        let belongs = matches!(member.standing, Standing::In | Standing::Maybe);
        let to = tx.books.stripe_of(to, profile)?;
        if belongs {
            offers.extend(again(to, profile, &member, Origin::Refill));
        }
        if forget {
            membership::forget(tx.db, from, profile)?;
        }
        if belongs && (forget || to != from) {
            // Whoever asked for them goes on asking, with the ends that were set.
            membership::apply(tx.db, to, &claims_moved(&member, profile), false)?;
        }
    }
    let mut ledger = Ledger::new(now, None);
    let offered = offer_into(tx, &mut ledger, &offers)?;
    ledger.keep(tx)?;
    Ok(Walked { offered, next })
}

/// A member's claims in another audience, or in the same one anew: nothing of them is known to stand there.
fn claims_moved(member: &Membership, profile: ProfileId) -> Vec<MembershipChange> {
    let nothing = MembershipNow {
        standing: Standing::Unknown,
        recorded: Vec::new(),
        fingerprint: Default::default(),
        at: Millis(0),
    };
    let change = |claim: &Claim| MembershipChange {
        profile,
        claim: Some(*claim),
        unless_known: Some(nothing.clone()),
        ..MembershipChange::default()
    };
    member.claims.iter().map(change).collect()
}

/// When the next claim ends or the next renewal is due.
pub(crate) fn next_timer(db: &rusqlite::Connection) -> Done<Option<Millis>> {
    let claim: Option<i64> = db
        .prepare_cached("SELECT due FROM claim_end ORDER BY due LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let renewal: Option<i64> = db.prepare_cached("SELECT min(renewal) FROM lane")?.query_row([], |row| row.get(0))?;
    Ok([claim, renewal].into_iter().flatten().min().map(Millis))
}
