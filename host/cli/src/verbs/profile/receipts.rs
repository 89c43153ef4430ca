//! Receipts: what proves that a removal which consent or erasure owed was done.
use crate::out;
use caravan_model::reasons;
use caravan_runner::control::DossierReceipt;

/// For people: a table, or nothing.
pub fn in_words(receipts: &[DossierReceipt]) -> String {
    if receipts.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = receipts
        .iter()
        .map(|receipt| {
            vec![
                out::instant(receipt.asked),
                receipt.cause.word().to_owned(),
                receipt.audience.clone(),
                receipt.id.clone(),
                receipt.status.word().to_owned(),
                receipt.done.map(out::instant).unwrap_or_else(|| "waits".to_owned()),
                reasons::words_of(&receipt.reason).into_owned(),
                receipt.batch.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let table = out::table(&["ASKED", "BECAUSE", "AUDIENCE", "ID", "STATUS", "DONE", "WHY", "BATCH"], &rows);
    table.lines().map(|line| format!("  {line}\n")).collect()
}
