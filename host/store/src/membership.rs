//! Membership: who stands in which audience, under which identifiers, and which steps asked.
use crate::books::mistyped;
use crate::contract::{Claim, Membership, MembershipChange, MembershipNow, Standing};
use crate::fail::{Done, Fail};
use crate::pack::{Garbled, Packer, Unpacker};
use crate::people::read_set;
use crate::schema::{high, key, keys_of, low};
use caravan_model::{Digest, LaneId, Millis, ProfileId, StepIx, VersionId};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// Set in the first byte of a body that has claims' ends and the newest operation (format 2).
const EXTENDED: u8 = 0x80;

fn pack(now: &MembershipNow, claims: &[Claim], newest: Millis) -> Vec<u8> {
    let size = 40 + claims.len() * 6 + now.recorded.iter().map(|set| set.len() + 4).sum::<usize>();
    let mut blob = Packer::with_capacity(size);
    blob.byte(now.standing as u8 | EXTENDED);
    blob.signed(now.at.0);
    blob.raw(&now.fingerprint);
    blob.count(claims.len() as u64);
    for claim in claims {
        blob.count(claim.version.0 as u64);
        blob.count(claim.step.0.into());
        blob.count(claim.until.map_or(0, |until| until.0.max(1) as u64));
    }
    blob.count(now.recorded.len() as u64);
    now.recorded.iter().for_each(|set| blob.bytes(set));
    blob.signed(newest.0);
    blob.done()
}

fn unpack(blob: &[u8]) -> Result<Membership, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let first = blob.byte()?;
    let extended = first & EXTENDED != 0;
    let standing = match first & !EXTENDED {
        0 => Standing::Out,
        1 => Standing::In,
        2 => Standing::Maybe,
        3 => Standing::Unknown,
        _ => return Err(Garbled),
    };
    let at = Millis(blob.signed()?);
    let fingerprint = blob.raw(16)?.try_into().map_err(|_| Garbled)?;
    let mut claims = Vec::new();
    for _ in 0..blob.length()? {
        let (version, step) = (VersionId(blob.id()?), StepIx(blob.small()?));
        let until = if extended { Some(Millis(blob.id()?)).filter(|until| until.0 != 0) } else { None };
        claims.push(Claim { version, step, until });
    }
    let mut recorded = Vec::new();
    for _ in 0..blob.length()? {
        recorded.push(blob.bytes()?.to_vec());
    }
    let newest = Millis(if extended { blob.signed()? } else { 0 });
    Ok(Membership { standing, recorded, fingerprint, at, claims, newest })
}

/// Applies changes in their order; those older than what membership heard last are left out where `only_newer`.
pub(crate) fn apply(db: &Connection, lane: LaneId, changes: &[MembershipChange], only_newer: bool) -> Done<()> {
    let mut insert = db.prepare_cached("INSERT INTO membership VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut select = db.prepare_cached("SELECT body FROM membership WHERE key = ?1")?;
    let mut update = db.prepare_cached("UPDATE membership SET body = ?2 WHERE key = ?1")?;
    let mut timer = db.prepare_cached("INSERT INTO claim_end VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    for change in changes {
        let key = key(lane.0, change.profile.0)?;
        if let Some(Claim { version, step, until: Some(until) }) = change.claim {
            timer.execute((until.0, key, version.0, step.0))?;
        }
        if let Some(now) = change.now.as_ref().or(change.unless_known.as_ref())
            && insert.execute((key, pack(now, change.claim.as_slice(), change.ended)))? == 1
        {
            continue;
        }
        let known: Option<Vec<u8>> = select.query_row([key], |row| row.get(0)).optional()?;
        let Some(mut known) = known.map(|blob| unpack(&blob)).transpose()? else {
            if change.claim.is_some() {
                let words = format!("a claim on profile {}, of whom lane {lane} knows nothing", change.profile);
                return Err(Fail::impossible(words));
            }
            continue;
        };
        if only_newer && change.ended < known.newest {
            continue;
        }
        if change.clear_claims {
            known.claims.clear();
        }
        known.claims.retain(|claim| Some(claim.of()) != change.end_claim);
        if let Some(claim) = change.claim {
            match known.claims.iter_mut().find(|known| known.of() == claim.of()) {
                Some(known) => known.until = claim.until,
                None => known.claims.push(claim),
            }
        }
        let newest = known.newest.max(change.ended);
        let now = change.now.clone().unwrap_or(MembershipNow {
            standing: known.standing,
            recorded: known.recorded,
            fingerprint: known.fingerprint,
            at: known.at,
        });
        update.execute((key, pack(&now, &known.claims, newest)))?;
    }
    Ok(())
}

/// Writes what is known of someone in an audience, over whatever was.
pub(crate) fn put(db: &Connection, lane: LaneId, profile: ProfileId, member: &Membership) -> Done<()> {
    let body = pack(&MembershipNow::from(member), &member.claims, member.newest);
    db.prepare_cached("INSERT OR REPLACE INTO membership VALUES (?1, ?2)")?.execute((key(lane.0, profile.0)?, body))?;
    Ok(())
}

/// Walks over a lane's memberships by ascending profile, `after` excluded, until `more` is false.
pub(crate) fn walk(
    db: &Connection,
    lane: LaneId,
    after: ProfileId,
    mut more: impl FnMut(ProfileId, Membership) -> Done<bool>,
) -> Done<()> {
    let (first, last) = keys_of(lane.0)?;
    let mut select = db.prepare_cached("SELECT key, body FROM membership WHERE key > ?1 AND key <= ?2 ORDER BY key")?;
    let mut rows = select.query((first + after.0.max(0), last))?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        if !more(ProfileId(low(key)), unpack(row.get_ref(1)?.as_blob().map_err(mistyped)?)?)? {
            break;
        }
    }
    Ok(())
}

/// Up to `limit` members of a lane.
pub(crate) fn page(
    db: &Connection,
    lane: LaneId,
    after: ProfileId,
    limit: usize,
) -> Done<Vec<(ProfileId, Membership)>> {
    let mut members = Vec::new();
    if limit > 0 {
        walk(db, lane, after, |profile, member| {
            members.push((profile, member));
            Ok(members.len() < limit)
        })?;
    }
    Ok(members)
}

/// Forgets what an audience held of someone.
pub(crate) fn forget(db: &Connection, lane: LaneId, profile: ProfileId) -> Done<()> {
    db.prepare_cached("DELETE FROM membership WHERE key = ?1")?.execute([key(lane.0, profile.0)?])?;
    Ok(())
}

/// Memberships of one lane in one snapshot, by profile.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<(ProfileId, Arc<Membership>)>);

impl Members {
    /// Reads those of these people.
    pub(crate) fn read(db: &Connection, lane: LaneId, ids: impl Iterator<Item = ProfileId>) -> Done<Members> {
        let keys = ids.map(|id| key(lane.0, id.0)).collect::<Done<Vec<i64>>>()?;
        let mut members = Vec::new();
        let range = "SELECT key, body FROM membership WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
        read_set(db, keys, range, |key, row| {
            members.push((ProfileId(low(key)), Arc::new(unpack(row.get_ref(1)?.as_blob().map_err(mistyped)?)?)));
            Ok(())
        })?;
        Ok(Members(members))
    }

    /// One of them.
    pub(crate) fn get(&self, id: ProfileId) -> Option<Arc<Membership>> {
        self.0.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| self.0[at].1.clone())
    }
}

/// One person's memberships, lane by lane.
pub(crate) fn of(
    db: &Connection,
    lanes: impl Iterator<Item = LaneId>,
    profile: ProfileId,
) -> Done<Vec<(LaneId, Membership)>> {
    let mut select = db.prepare_cached("SELECT body FROM membership WHERE key = ?1")?;
    let mut found = Vec::new();
    for lane in lanes {
        let blob: Option<Vec<u8>> = select.query_row([key(lane.0, profile.0)?], |row| row.get(0)).optional()?;
        if let Some(blob) = blob {
            found.push((lane, unpack(&blob)?));
        }
    }
    Ok(found)
}

/// Everyone of whom some audience holds this digest. Reads all memberships.
pub(crate) fn holders(db: &Connection, digest: &Digest) -> Done<Vec<ProfileId>> {
    let hex = digest.to_string();
    let contains = |set: &[u8]| {
        set.windows(32).any(|window| window == digest.0) || set.windows(64).any(|window| window == hex.as_bytes())
    };
    let mut select = db.prepare_cached("SELECT key, body FROM membership ORDER BY key")?;
    let mut rows = select.query([])?;
    let mut holders = Vec::new();
    while let Some(row) = rows.next()? {
        if contains(row.get_ref(1)?.as_blob().map_err(mistyped)?) {
            holders.push(ProfileId(low(row.get(0)?)));
        }
    }
    Ok(holders)
}

/// Memberships that no lane or no person is behind; for the audit.
pub(crate) fn strays(db: &Connection) -> Done<Vec<(LaneId, ProfileId)>> {
    let mut select = db.prepare_cached("SELECT key FROM membership")?;
    let mut rows = select.query([])?;
    let mut strays = Vec::new();
    let lanes: i64 = db.query_row("SELECT count(*) FROM lane", [], |row| row.get(0))?;
    let people: i64 = db.query_row("SELECT ifnull(max(id), 0) FROM profile", [], |row| row.get(0))?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        if !(1..=lanes).contains(&high(key)) || !(1..=people).contains(&low(key)) {
            strays.push((LaneId(high(key)), ProfileId(low(key))));
        }
    }
    Ok(strays)
}
