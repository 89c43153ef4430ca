//! `caravan queue show`: one queue, and what to do about it.
use super::state;
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_journey::plan::CompiledCanvas;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Millis, Status, reasons};
use caravan_runner::control::Labs;
use caravan_runner::registered_name;
use caravan_store::{Audience, Lane, LaneKey, LaneState, PartRecord, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many batches are listed.
const BATCHES: usize = 5;

/// What stands behind the numbers of a queue: how many visits of the steps that lead there have which status and reason.
type Numbers = BTreeMap<(Status, String), u64>;

/// Prints a queue, stripe by stripe. Exit 1 where it is held.
pub async fn show(global: &Global, store: &impl Store, queue: &str) -> anyhow::Result<End> {
    let lanes = store.lanes().await?;
    let audiences = store.audiences().await?;
    let key = names::find_queue(&lanes, &audiences, queue)?;
    let name = names::of_queue(&key, &audiences);
    let stripes: Vec<&Lane> = lanes.iter().filter(|lane| lane.key == key).collect();
    let numbers = numbers(store, &key, &audiences).await?;
    let mut batches = Vec::new();
    for lane in &stripes {
        batches.extend(store.parts(Some(lane.id), BATCHES).await?);
    }
    let (now, labs) = (SystemClock.now(), Labs::of(store).await?);
    if global.json {
        let values: Vec<Value> = stripes.iter().map(|lane| as_json(lane, &name, now, &labs)).collect();
        let numbers: Vec<Value> = numbers
            .iter()
            .map(|((status, code), n)| json!({"status": status, "reason": code, "words": reasons::words_of_code(code), "n": n}))
            .collect();
        let batches: Vec<Value> = batches.iter().map(batch_as_json).collect();
        out::print_json(&json!({"queue": name, "connector": key.connector, "account": key.account,
            "audience": key.audience, "stripes": values, "numbers": numbers, "batches": batches}))?;
    } else {
        let mut text = String::new();
        for lane in &stripes {
            text.push_str(&in_words(lane, &name, stripes.len(), now, &labs));
        }
        text.push_str(&numbers_in_words(&numbers));
        text.push_str(&batches_in_words(&batches));
        out::print(&text)?;
    }
    Ok(if stripes.iter().any(|lane| state::is_held(lane)) { End::NeedsYou } else { End::Done })
}

/// The visits of all steps that lead to a queue.
async fn numbers(store: &impl Store, key: &LaneKey, audiences: &[Audience]) -> anyhow::Result<Numbers> {
    let mut numbers = Numbers::new();
    for version in store.versions().await? {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let own = plan.syncs().filter(|(_, sync)| {
            let name = plan.audience(sync.audience).map(|name| registered_name(&version.canvas.canvas, name));
            let bound = audiences.iter().find(|audience| Some(&audience.name) == name.as_ref());
            bound.is_some_and(|audience| names::leads_to(audience, key))
        });
        let steps: Vec<_> = own.map(|(step, _)| step).collect();
        if steps.is_empty() {
            continue;
        }
        for count in store.counters(version.id).await?.counts {
            if count.n > 0 && steps.contains(&count.step) {
                *numbers.entry((count.status, count.reason.code)).or_default() += count.n;
            }
        }
    }
    Ok(numbers)
}

fn in_words(lane: &Lane, name: &str, stripes: usize, now: Millis, labs: &Labs) -> String {
    let (word, why) = state::of(lane);
    let mut lines = vec![
        ("audience", format!("{} of account {} at {}", lane.key.audience, lane.key.account, lane.key.connector)),
        ("connection", labs.badged(&lane.connection)),
        ("state", [word, &why].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")),
    ];
    for hold in lane.held_by.iter().skip(1) {
        lines.push(("also held", state::held_in_words(hold)));
    }
    match &lane.state {
        LaneState::Held { reason, since, probe, probes } => {
            if !lane.held_by.is_empty() {
                lines
                    .push(("by itself", format!("held since {}: {}", out::instant(*since), reasons::words_of(reason))));
            }
            let looked = out::plural((*probes).into(), "look", "looks");
            let next = match *probe == Millis::NEVER {
                true => "not by itself".to_owned(),
                false => format!("{} ({looked} so far)", out::instant(*probe)),
            };
            lines.push(("looked at", next));
        }
        LaneState::Waiting { until, .. } if !lane.held_by.is_empty() => {
            lines.push(("by itself", format!("waits until {}", out::instant(*until))));
        }
        LaneState::Waiting { .. } | LaneState::Open => {}
    }
    lines.push(("waiting", format!("{} ({} in an open batch)", out::count(lane.waiting), out::count(lane.sealed))));
    if lane.owed > 0 {
        lines.push(("owed", format!("{} that consent or erasure owe; they go first", removals(lane.owed))));
    }
    if let Some(oldest) = lane.oldest {
        lines.push(("oldest", format!("waits since {}", out::instant(oldest))));
    }
    let stripe = if stripes > 1 { format!(" (stripe {} of {stripes})", lane.stripe + 1) } else { String::new() };
    let mut text = format!("{name}{stripe}\n");
    lines.into_iter().for_each(|(label, words)| text.push_str(&format!("  {label:<12}{words}\n")));
    for (place, line) in state::what_to_do(lane, name, now).into_iter().enumerate() {
        text.push_str(&format!("  {:<12}{line}\n", if place == 0 { "what to do" } else { "" }));
    }
    text
}

fn removals(n: u64) -> String {
    out::plural(n, "removal", "removals")
}

fn numbers_in_words(numbers: &Numbers) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = numbers
        .iter()
        .map(|((status, code), n)| {
            let words = if code.is_empty() { String::new() } else { reasons::words_of_code(code).into_owned() };
            vec![out::count(*n), status.word().to_owned(), code.clone(), words]
        })
        .collect();
    format!(
        "\nwhat became of people at its steps\n{}",
        indented(&out::table(&["PEOPLE", "STATUS", "REASON", "WORDS"], &rows))
    )
}

fn batches_in_words(batches: &[PartRecord]) -> String {
    if batches.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = batches
        .iter()
        .map(|part| {
            vec![
                part.name.clone(),
                out::instant(part.at),
                part.part.action.word().to_owned(),
                // An ended batch loses its rows some day.
                if part.part.rows == 0 { "-".to_owned() } else { out::count(part.part.people() as u64) },
                part.ended.map_or_else(|| "open".to_owned(), |at| format!("ended {}", out::instant(at))),
                part.attempts.last().cloned().unwrap_or_else(|| "no attempt yet".to_owned()),
            ]
        })
        .collect();
    format!(
        "\nnewest batches\n{}",
        indented(&out::table(&["BATCH", "SEALED", "DOES", "PEOPLE", "STATE", "LAST ATTEMPT"], &rows))
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn as_json(lane: &Lane, name: &str, now: Millis, labs: &Labs) -> Value {
    json!({"stripe": lane.stripe, "connection": lane.connection, "lab": labs.has(&lane.connection), "state": lane.state, "held_by": lane.held_by,
        "waiting": lane.waiting, "sealed": lane.sealed, "owed": lane.owed, "oldest": lane.oldest,
        "next_renewal": lane.next_renewal, "what_to_do": state::what_to_do(lane, name, now)})
}

fn batch_as_json(part: &PartRecord) -> Value {
    json!({"batch": part.name, "sealed_at": part.at, "ended_at": part.ended, "action": part.part.action,
        "people": part.part.people(), "rows": part.part.rows, "attempts": part.attempts})
}
