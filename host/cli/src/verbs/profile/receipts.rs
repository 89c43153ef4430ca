//! Receipts: what proves that a removal which consent or erasure owed was done.
use crate::{names, out};
use caravan_model::reasons;
use caravan_store::{Audience, Receipt};

/// For people: a table, or nothing.
pub fn in_words(receipts: &[Receipt], audiences: &[Audience]) -> String {
    if receipts.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = receipts
        .iter()
        .map(|receipt| {
            vec![
                out::instant(receipt.asked),
                receipt.cause.word().to_owned(),
                names::of_queue(&receipt.lane, audiences),
                receipt.lane.audience.clone(),
                receipt.status.word().to_owned(),
                receipt.done.map(out::instant).unwrap_or_else(|| "waits".to_owned()),
                reasons::words_of(&receipt.reason).into_owned(),
                receipt.part.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let table = out::table(&["ASKED", "BECAUSE", "AUDIENCE", "ID", "STATUS", "DONE", "WHY", "BATCH"], &rows);
    table.lines().map(|line| format!("  {line}\n")).collect()
}
