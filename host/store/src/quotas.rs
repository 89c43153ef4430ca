//! What is used of quotas, by bucket of their window, so that a restart neither bursts nor forgets a daily quota.
use crate::contract::Charge;
use crate::fail::Done;
use caravan_model::Millis;
use rusqlite::Connection;

/// Adds what an attempt uses, and drops what no longer counts.
pub(crate) fn charge(db: &Connection, charges: &[Charge], now: Millis) -> Done<()> {
    if charges.is_empty() {
        return Ok(());
    }
    db.prepare_cached("DELETE FROM quota_use WHERE keep_until <= ?1")?.execute([now.0])?;
    let mut add = db.prepare_cached(
        "INSERT INTO quota_use VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET amount = amount + excluded.amount, keep_until = max(keep_until, excluded.keep_until)",
    )?;
    for charge in charges {
        let amount = i64::try_from(charge.amount).unwrap_or(i64::MAX);
        add.execute((&charge.key, charge.bucket.0, amount, charge.keep_until.0))?;
    }
    Ok(())
}

/// What is used of windows that are not over.
pub(crate) fn charges(db: &Connection, now: Millis) -> Done<Vec<Charge>> {
    let mut select = db.prepare_cached(
        "SELECT key, bucket, amount, keep_until FROM quota_use WHERE keep_until > ?1 ORDER BY key, bucket",
    )?;
    let rows = select.query_map([now.0], |row| {
        Ok(Charge {
            key: row.get(0)?,
            bucket: Millis(row.get(1)?),
            amount: row.get::<_, i64>(2)? as u64,
            keep_until: Millis(row.get(3)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
