//! `caravan batch show`: what one call carried, and what became of it. Identifiers are not shown.
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_model::{Code, Problem};
use caravan_store::{PartRecord, Store};
use serde_json::json;

/// Prints a batch by its name.
pub async fn show(global: &Global, store: &impl Store, name: &str) -> anyhow::Result<End> {
    let Some(part) = store.part(name).await? else {
        let newest: Vec<String> = store.parts(None, 5).await?.into_iter().map(|part| part.name).collect();
        let cure = match newest.as_slice() {
            [] => "nothing has been sent from this store yet".to_owned(),
            names => format!("the newest are: {}", names.join(", ")),
        };
        return Err(Problem::new(Code::NotFound, format!("there is no batch `{name}`")).cure(cure).into());
    };
    if global.json {
        out::print_json(&json!({
            "batch": part.name, "connector": part.lane.connector, "account": part.lane.account,
            "audience": part.lane.audience, "connection": part.connection, "digest": part.digest.to_string(),
            "sealed_at": part.at, "ended_at": part.ended, "action": part.part.action, "people": part.part.people(),
            "rows": part.part.rows, "keys": filled(&part).iter().map(|(key, n)| json!({"key": key, "values": n})).collect::<Vec<_>>(),
            "attempts": part.attempts, "doubtful": part.doubtful,
        }))?;
    } else {
        out::print(&in_words(&part))?;
    }
    Ok(End::Done)
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

fn in_words(part: &PartRecord) -> String {
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
        ("connection", part.connection.clone()),
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
    text.push_str("\nattempts\n");
    if part.attempts.is_empty() {
        text.push_str("  none yet\n");
    }
    part.attempts.iter().for_each(|attempt| text.push_str(&format!("  {attempt}\n")));
    text
}
