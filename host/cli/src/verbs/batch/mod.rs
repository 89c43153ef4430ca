//! `caravan batch show`: what one call carried, what became of it, and what went over the wire. Identifiers are not shown.
mod body;

use crate::args::{BatchArgs, Global};
use crate::fail::End;
use crate::kept::Kept;
use crate::{check, exchange, files, out};
use caravan_api::nouns::batches::{self, BatchView};
use caravan_model::{Code, Problem};
use caravan_runner::control::{Labs, badged};
use caravan_store::Store;
use serde_json::{Value, json};
use std::path::Path;

/// Prints a batch by its name, and writes the body of its request where one is asked for.
pub async fn show(global: &Global, store: &impl Store, args: &BatchArgs) -> anyhow::Result<End> {
    let name = &args.name;
    let Some(part) = store.part(name).await? else {
        let newest: Vec<String> = store.parts(None, 5).await?.into_iter().map(|part| part.name).collect();
        let cure = match newest.as_slice() {
            [] => "nothing has been sent from this store yet".to_owned(),
            names => format!("the newest are: {}", names.join(", ")),
        };
        return Err(Problem::new(Code::NotFound, format!("there is no batch `{name}`")).cure(cure).into());
    };
    // The store knows of those that were published; the file may have another word on how it is sent today.
    let kept = Kept::of(store).await?;
    let labs = Labs::of(store).await?;
    let lab = labs.has(&part.connection) || is_lab(args.connections.as_deref(), &kept, &part.connection);
    if let Some(file) = &args.body {
        let bytes = body::write(store, args.connections.as_deref(), &part, file).await?;
        if !global.quiet {
            let size = out::plural(bytes, "byte", "bytes");
            eprintln!("{}: {size}, identifiers of people among them", file.display());
        }
    }
    tell(global, &BatchView { lab, ..batches::view(part, &labs) })
}

/// Prints a batch.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, batch: &BatchView) -> anyhow::Result<End> {
    match global.json {
        true => out::print_json(&as_json(batch)?)?,
        false => out::print(&in_words(batch))?,
    }
    Ok(End::Done)
}

fn as_json(batch: &BatchView) -> anyhow::Result<Value> {
    let attempts = batch.exchanges.iter();
    let exchanges: Vec<Value> = attempts
        .map(|(attempt, all)| json!({"attempt": attempt, "requests": exchange::as_json(all, &batch.batch)}))
        .collect();
    let mut value = serde_json::to_value(batch)?;
    value["exchanges"] = exchanges.into();
    Ok(value)
}

/// Whether a connection leads to the lab, as far as a file tells.
fn is_lab(named: Option<&Path>, kept: &Kept, connection: &str) -> bool {
    let file = named.unwrap_or(Path::new(files::CONNECTIONS));
    let read = check::read_where_there(file, kept).ok();
    read.is_some_and(|read| read.value.connections.get(connection).is_some_and(|connection| connection.lab))
}

fn in_words(batch: &BatchView) -> String {
    let mut text = format!("batch {}\n", batch.batch);
    let people = out::people(batch.people);
    let does = match batch.rows {
        0 => "its rows are no longer kept".to_owned(),
        rows => format!("{} {people} in {}", batch.action.word(), out::plural(rows.into(), "row", "rows")),
    };
    let keys: Vec<String> = batch.keys.iter().map(|(key, n)| format!("{key} ({})", out::count(*n))).collect();
    let lines = [
        ("does", does),
        ("audience", format!("{} of account {} at {}", batch.audience, batch.account, batch.connector)),
        ("connection", badged(&batch.connection, batch.lab)),
        ("connector", format!("{} sha256:{}", batch.connector, batch.digest.get(..12).unwrap_or(&batch.digest))),
        ("keys", keys.join(", ")),
        ("sealed", out::instant(batch.sealed_at)),
        ("ended", batch.ended_at.map_or_else(|| "not yet".to_owned(), out::instant)),
    ];
    for (label, words) in lines {
        text.push_str(&format!("  {label:<12}{words}\n"));
    }
    if batch.doubtful > 0 {
        text.push_str(&format!(
            "  {:<12}the partner refused {} without naming them\n",
            "doubtful",
            out::people(batch.doubtful.into())
        ));
    }
    for (reason, n) in &batch.judged {
        text.push_str(&format!("  {:<12}{}: {reason}\n", "judged", out::people((*n).into())));
    }
    text.push_str("\nattempts\n");
    if batch.attempts.is_empty() {
        text.push_str("  none yet\n");
    }
    batch.attempts.iter().for_each(|attempt| text.push_str(&format!("  {attempt}\n")));
    for (attempt, all) in batch.exchanges.iter().filter(|(_, all)| !all.is_empty()) {
        text.push_str(&format!("\nrequests of attempt {attempt}\n"));
        exchange::in_words(all, &batch.batch, batch.lab).lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}
