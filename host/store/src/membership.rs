//! Membership: who stands in which audience, under which identifiers, and which steps asked.
use crate::books::mistyped;
use crate::contract::{Membership, MembershipChange, MembershipNow, Standing};
use crate::fail::{Done, Fail};
use crate::pack::{Garbled, Packer, Unpacker};
use crate::people::read_set;
use crate::schema::{high, key, low};
use caravan_model::{Digest, LaneId, Millis, ProfileId, StepIx, VersionId};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

type Claim = (VersionId, StepIx);

fn pack(now: &MembershipNow, claims: &[Claim]) -> Vec<u8> {
    let size = 32 + claims.len() * 4 + now.recorded.iter().map(|set| set.len() + 4).sum::<usize>();
    let mut blob = Packer::with_capacity(size);
    blob.byte(now.standing as u8);
    blob.signed(now.at.0);
    blob.raw(&now.fingerprint);
    blob.count(claims.len() as u64);
    for (version, step) in claims {
        blob.count(version.0 as u64);
        blob.count(step.0.into());
    }
    blob.count(now.recorded.len() as u64);
    now.recorded.iter().for_each(|set| blob.bytes(set));
    blob.done()
}

fn unpack(blob: &[u8]) -> Result<Membership, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let standing = match blob.byte()? {
        0 => Standing::Out,
        1 => Standing::In,
        2 => Standing::Maybe,
        _ => return Err(Garbled),
    };
    let at = Millis(blob.signed()?);
    let fingerprint = blob.raw(16)?.try_into().map_err(|_| Garbled)?;
    let mut claims = Vec::new();
    for _ in 0..blob.length()? {
        claims.push((VersionId(blob.id()?), StepIx(blob.small()?)));
    }
    let mut recorded = Vec::new();
    for _ in 0..blob.length()? {
        recorded.push(blob.bytes()?.to_vec());
    }
    Ok(Membership { standing, recorded, fingerprint, at, claims })
}

/// Applies changes in their order.
pub(crate) fn apply(db: &Connection, lane: LaneId, changes: &[MembershipChange]) -> Done<()> {
    let mut insert = db.prepare_cached("INSERT INTO membership VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut select = db.prepare_cached("SELECT body FROM membership WHERE key = ?1")?;
    let mut update = db.prepare_cached("UPDATE membership SET body = ?2 WHERE key = ?1")?;
    for change in changes {
        let key = key(lane.0, change.profile.0)?;
        if let Some(now) = &change.now
            && insert.execute((key, pack(now, change.claim.as_slice())))? == 1
        {
            continue;
        }
        let known: Option<Vec<u8>> = select.query_row([key], |row| row.get(0)).optional()?;
        let Some(known) = known.map(|blob| unpack(&blob)).transpose()? else {
            if change.claim.is_some() {
                let words = format!("a claim on profile {}, of whom lane {lane} knows nothing", change.profile);
                return Err(Fail::impossible(words));
            }
            continue;
        };
        let mut claims = if change.clear_claims { Vec::new() } else { known.claims };
        if let Some(claim) = change.claim
            && !claims.contains(&claim)
        {
            claims.push(claim);
        }
        let now = change.now.clone().unwrap_or(MembershipNow {
            standing: known.standing,
            recorded: known.recorded,
            fingerprint: known.fingerprint,
            at: known.at,
        });
        update.execute((key, pack(&now, &claims)))?;
    }
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
