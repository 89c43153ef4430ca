//! `caravan batch show`: what one call carried, what became of it, and what went over the wire. Identifiers are not shown.
mod body;

use crate::args::{BatchArgs, Global};
use crate::fail::End;
use crate::kept::Kept;
use crate::{check, exchange, files, out};
use caravan_model::{Code, Exchange, Problem};
use caravan_runner::control::Labs;
use caravan_store::{PartRecord, Store};
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
    let exchanges = exchanges_of(&part);
    // The store knows of those that were published; the file may have another word on how it is sent today.
    let kept = Kept::of(store).await?;
    let lab =
        Labs::of(store).await?.has(&part.connection) || is_lab(args.connections.as_deref(), &kept, &part.connection);
    if let Some(file) = &args.body {
        let bytes = body::write(store, args.connections.as_deref(), &part, file).await?;
        if !global.quiet {
            let size = out::plural(bytes, "byte", "bytes");
            eprintln!("{}: {size}, identifiers of people among them", file.display());
        }
    }
    if global.json {
        let exchanges: Vec<Value> = exchanges
            .iter()
            .map(|(attempt, all)| json!({"attempt": attempt, "requests": exchange::as_json(all, &part.name)}))
            .collect();
        let keys: Vec<Value> = filled(&part).iter().map(|(key, n)| json!({"key": key, "values": n})).collect();
        let judged: Vec<Value> = part.judged.iter().map(|(reason, n)| json!({"reason": reason, "n": n})).collect();
        out::print_json(&json!({
            "batch": part.name, "connector": part.lane.connector, "account": part.lane.account,
            "audience": part.lane.audience, "connection": part.connection, "digest": part.digest.to_string(),
            "sealed_at": part.at, "ended_at": part.ended, "action": part.part.action, "people": part.part.people(),
            "rows": part.part.rows, "keys": keys, "attempts": part.attempts, "doubtful": part.doubtful,
            "judged": judged, "lab": lab, "exchanges": exchanges,
        }))?;
    } else {
        out::print(&in_words(&part, &exchanges, lab))?;
    }
    Ok(End::Done)
}

/// What each attempt sent and heard; an exchange that cannot be read is left out.
fn exchanges_of(part: &PartRecord) -> Vec<(u32, Vec<Exchange>)> {
    let read = |text: &str| serde_json::from_str::<Vec<Exchange>>(text).ok();
    part.exchanges.iter().filter_map(|(attempt, text)| Some((*attempt, read(text)?))).collect()
}

/// Whether a connection leads to the lab, as far as a file tells.
fn is_lab(named: Option<&Path>, kept: &Kept, connection: &str) -> bool {
    let file = named.unwrap_or(Path::new(files::CONNECTIONS));
    let read = check::read_where_there(file, kept).ok();
    read.is_some_and(|read| read.value.connections.get(connection).is_some_and(|connection| connection.lab))
}

/// The keys, and how many rows have a value.
fn filled(part: &PartRecord) -> Vec<(&str, u64)> {
    let columns = part.part.columns.iter();
    columns
        .map(|column| {
            (column.key.as_str(), (0..column.rows()).filter(|row| !column.value(*row).is_empty()).count() as u64)
        })
        .collect()
}

fn in_words(part: &PartRecord, exchanges: &[(u32, Vec<Exchange>)], lab: bool) -> String {
    let mut text = format!("batch {}\n", part.name);
    let people = out::people(part.part.people() as u64);
    let does = match part.part.rows {
        0 => "its rows are no longer kept".to_owned(),
        rows => format!("{} {people} in {}", part.part.action.word(), out::plural(rows.into(), "row", "rows")),
    };
    let keys: Vec<String> = filled(part).iter().map(|(key, n)| format!("{key} ({})", out::count(*n))).collect();
    let lines = [
        ("does", does),
        ("audience", format!("{} of account {} at {}", part.lane.audience, part.lane.account, part.lane.connector)),
        ("connection", format!("{}{}", part.connection, if lab { " [lab]" } else { "" })),
        ("connector", format!("{} sha256:{}", part.lane.connector, part.digest.short())),
        ("keys", keys.join(", ")),
        ("sealed", out::instant(part.at)),
        ("ended", part.ended.map_or_else(|| "not yet".to_owned(), out::instant)),
    ];
    for (label, words) in lines {
        text.push_str(&format!("  {label:<12}{words}\n"));
    }
    if part.doubtful > 0 {
        text.push_str(&format!(
            "  {:<12}the partner refused {} without naming them\n",
            "doubtful",
            out::people(part.doubtful.into())
        ));
    }
    for (reason, n) in &part.judged {
        text.push_str(&format!("  {:<12}{}: {reason}\n", "judged", out::people((*n).into())));
    }
    text.push_str("\nattempts\n");
    if part.attempts.is_empty() {
        text.push_str("  none yet\n");
    }
    part.attempts.iter().for_each(|attempt| text.push_str(&format!("  {attempt}\n")));
    for (attempt, all) in exchanges.iter().filter(|(_, all)| !all.is_empty()) {
        text.push_str(&format!("\nrequests of attempt {attempt}\n"));
        exchange::in_words(all, &part.name, lab).lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}
