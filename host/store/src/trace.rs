//! All about one person.
use crate::books::mistyped;
use crate::calling;
use crate::contract::{Lane, LaneState, Trace, TraceVisit};
use crate::counters::{reasons, waiting_operations};
use crate::events;
use crate::fail::Done;
use crate::lanes;
use crate::membership;
use crate::merging;
use crate::owed;
use crate::parts::name_of;
use crate::people;
use crate::recalls;
use crate::records::{Entries, Entry, buckets_of, unpack_finals};
use crate::schema::key;
use crate::words::instant;
use caravan_model::{EntryId, Millis, Profile, ProfileId, Reason, SliceId, Status, StepIx, VersionId, VisitId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, HashMap};

/// Their profile, visits, memberships and events; `None` where there is no such person.
pub(crate) fn of(db: &Connection, id: ProfileId) -> Done<Option<Trace>> {
    let known: bool = db.query_row("SELECT EXISTS (SELECT 1 FROM profile WHERE id = ?1)", [id.0], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let lanes = lanes::all(db)?;
    let entries = entries_of(db, id)?;
    let mut visits = finals(db, &entries)?;
    let waiting = waiting(db, &entries, &visits, &lanes)?;
    // What is sent again waits, whatever it was before.
    visits.retain(|visit| waiting.iter().all(|again| again.visit != visit.visit));
    visits.extend(waiting);
    visits.sort_by_key(|visit| visit.visit);
    let memberships = membership::of(db, lanes.iter().map(|lane| lane.id), id)?
        .into_iter()
        .filter_map(|(id, member)| lanes.iter().find(|lane| lane.id == id).map(|lane| (lane.key.clone(), member)))
        .collect();
    let profile = people::load(db, id)?
        .unwrap_or_else(|| Profile { external_id: format!("erased ({id})"), ..Profile::default() });
    let receipts = owed::receipts(db, Some(id), usize::MAX)?;
    let events = events::of_all(db, &[id], &[])?.pop().unwrap_or_default();
    Ok(Some(Trace { id, profile, visits, memberships, receipts, events, merged: merging::merged_into(db, id)? }))
}

/// All entries of a person: from the guards back along what came before.
pub(crate) fn entries_of(db: &Connection, id: ProfileId) -> Done<HashMap<EntryId, Entry>> {
    let mut lookup = Entries::new(db);
    let mut found = HashMap::new();
    let canvases: i64 = db.query_row("SELECT ifnull(max(id), 0) FROM canvas", [], |row| row.get(0))?;
    for canvas in 1..=canvases {
        let mut next = db
            .prepare_cached("SELECT entry FROM guard WHERE key = ?1")?
            .query_row([key(canvas, id.0)?], |row| row.get(0).map(EntryId))
            .optional()?;
        while let Some(entry) = next {
            let entry = lookup.get(entry)?;
            next = entry.before;
            found.insert(entry.id, entry);
        }
    }
    Ok(found)
}

fn finals(db: &Connection, entries: &HashMap<EntryId, Entry>) -> Done<Vec<TraceVisit>> {
    let reasons = reasons(db)?;
    let mut select = db.prepare_cached(
        "SELECT visit.at, body, slice, part.n FROM visit LEFT JOIN part ON part.id = visit.part WHERE bucket = ?1
         ORDER BY visit.n",
    )?;
    // A correction replaces what stood there: the newest row of a visit counts.
    let mut visits = BTreeMap::new();
    for bucket in buckets_of(entries.keys().copied()) {
        let mut rows = select.query([bucket])?;
        while let Some(row) = rows.next()? {
            let mut finals = Vec::new();
            unpack_finals(row.get_ref(1)?.as_blob().map_err(mistyped)?, &mut finals)?;
            let part: Option<(i64, i64)> = row.get::<_, Option<i64>>(2)?.zip(row.get::<_, Option<i64>>(3)?);
            let at = Millis(row.get(0)?);
            for done in finals.into_iter().filter(|done| entries.contains_key(&done.visit.entry)) {
                let visit = TraceVisit {
                    visit: done.visit,
                    version: done.version,
                    step: done.step,
                    status: done.status,
                    reason: reasons.get(&done.reason).cloned().unwrap_or_default(),
                    at,
                    part: part.map(|(slice, n)| name_of(SliceId(slice), n)),
                    until: None,
                };
                visits.insert(done.visit, visit);
            }
        }
    }
    Ok(visits.into_values().collect())
}

fn waiting(
    db: &Connection,
    entries: &HashMap<EntryId, Entry>,
    finals: &[TraceVisit],
    lanes: &[Lane],
) -> Done<Vec<TraceVisit>> {
    let wait = |visit, version, step, at, until| TraceVisit {
        visit,
        version,
        step,
        status: Status::Waiting,
        reason: Reason::none(),
        at,
        part: None,
        until: Some(until),
    };
    let mut visits = Vec::new();
    let mut select =
        db.prepare_cached("SELECT due, ordinal, version, step FROM position WHERE entry = ?1 AND arrives = 0")?;
    for entry in entries.values() {
        let mut rows = select.query([entry.id.0])?;
        while let Some(row) = rows.next()? {
            let visit = VisitId { entry: entry.id, ordinal: row.get(1)? };
            let call = calling::of_entry(db, entry.id)?;
            let due = instant(call.as_ref().map_or(Millis(row.get(0)?), |(due, ..)| *due));
            // It began to wait when the visit before became final, or the entry began.
            let before = finals.iter().filter(|done| done.visit < visit && done.visit.entry == entry.id);
            let since = before.map(|done| done.at).max().unwrap_or(entry.started);
            let mut visit = wait(visit, VersionId(row.get(2)?), StepIx(row.get(3)?), since, due);
            if let Some((_, began, tried)) = call {
                visit.at = began;
                visit.reason = tried.map(|tried| tried.reason).unwrap_or_default();
            }
            visits.push(visit);
        }
    }
    for again in recalls::of_entries(db, entries.keys().copied())? {
        let mut visit = wait(again.visit, again.version, again.step, again.began, instant(again.due));
        visit.reason = again.tried.map(|tried| tried.reason).unwrap_or_default();
        visits.push(visit);
    }
    let states: HashMap<_, _> = lanes.iter().map(|lane| (lane.id, state_in_words(&lane.state))).collect();
    waiting_operations(db, |lane, op, sealed| {
        if op.origin.has_visit() && entries.contains_key(&op.visit.entry) {
            let state = states.get(&lane).map_or("", String::as_str);
            let place = if sealed { "in a batch under way" } else { "in the queue" };
            visits.push(wait(op.visit, op.version, op.step, op.offered, format!("{place}, which {state}")));
        }
    })?;
    Ok(visits)
}

/// What people read of a lane's state.
fn state_in_words(state: &LaneState) -> String {
    match state {
        LaneState::Open => "flows".to_owned(),
        LaneState::Waiting { why, until, .. } => format!("waits until {} ({why})", instant(*until)),
        LaneState::Held { reason, .. } if reason.words.is_empty() => format!("is held ({})", reason.code),
        LaneState::Held { reason, .. } => format!("is held: {} ({})", reason.words, reason.code),
    }
}
