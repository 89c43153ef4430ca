//! The events file of a run: kept before people enter, so that filters see them.
use super::people::BadRow;
use crate::users::events::Events;
use caravan_runner::Runner;
use caravan_store::Sqlite;

/// Events per transaction.
const CHUNK: usize = 10_000;

/// Keeps all events; gives the lines that cannot be read. The same file again adds nothing: an event without a
/// message id is known by the file's digest and its line.
pub async fn record(runner: &Runner<Sqlite>, mut events: Events) -> anyhow::Result<Vec<BadRow>> {
    let mut bad = Vec::new();
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let row = events.next_row()?;
        let ended = row.is_none();
        if let Some(row) = row {
            match row.said {
                Ok(said) => {
                    let message = said.message_id.unwrap_or_else(|| format!("{}:{}", events.digest, row.line));
                    chunk.push((said.external_id, Some(message), said.event));
                }
                Err(reason) => bad.push(BadRow { line: row.line, reason }),
            }
        }
        if chunk.len() == CHUNK || (ended && !chunk.is_empty()) {
            runner.record(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))).await?;
        }
        if ended {
            return Ok(bad);
        }
    }
}
