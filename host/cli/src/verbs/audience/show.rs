//! `caravan audience show`: who stands in one, who asked for them, and what is owed.
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_api::nouns::audience_book::{AudienceBook, audience_book};
use caravan_runner::control::badged;
use caravan_store::Store;

/// Prints an audience.
pub async fn show(global: &Global, store: &impl Store, name: &str) -> anyhow::Result<End> {
    tell(global, &audience_book(store, name).await?)
}

/// Prints the book of an audience.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, book: &AudienceBook) -> anyhow::Result<End> {
    match global.json {
        true => out::print_json(book)?,
        false => out::print(&in_words(book))?,
    }
    Ok(End::Done)
}

fn in_words(book: &AudienceBook) -> String {
    let id = book.id.as_deref().unwrap_or("being made");
    let mut members: Vec<String> = book.members.iter().map(|(word, n)| format!("{} {word}", out::count(*n))).collect();
    if members.is_empty() {
        members.push("nobody yet".to_owned());
    }
    let mut lines = vec![
        ("audience", format!("{id} of account {} at {}", book.account, book.connector)),
        ("connection", badged(&book.connection, book.lab)),
        ("made by", if book.made_by_us { "us" } else { "others, before us" }.to_owned()),
        ("members", members.join(", ")),
        ("waiting", out::count(book.waiting)),
    ];
    if !book.also.is_empty() {
        lines.push(("also called", book.also.join(", ")));
    }
    if !book.receipts.is_empty() {
        let owed = out::plural(book.receipts.len() as u64, "removal", "removals");
        lines.push(("owed", format!("{owed} that wait")));
    }
    let mut text = format!("{}\n", book.audience);
    lines.into_iter().for_each(|(label, words)| text.push_str(&format!("  {label:<12}{words}\n")));
    if !book.claims.is_empty() {
        let rows: Vec<Vec<String>> = book
            .claims
            .iter()
            .map(|claim| {
                let ends = claim.first_ends.map(out::instant).unwrap_or_default();
                vec![claim.canvas.clone(), claim.step.clone(), out::count(claim.n), ends]
            })
            .collect();
        let table = out::table(&["CANVAS", "STEP", "CLAIMS", "FIRST ENDS"], &rows);
        text.push_str("\nsteps that claim them\n");
        table.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}
