//! `caravan queue show`: one queue, and what to do about it.
use super::state;
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_api::nouns::queue_book::{QueueBatch, QueueBook, QueueNumber, queue_book};
use caravan_api::nouns::queues::QueueView;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Millis, reasons};
use caravan_runner::control::badged;
use caravan_store::{LaneState, Store};

/// Prints a queue, stripe by stripe. Exit 1 where it is held.
pub async fn show(global: &Global, store: &impl Store, queue: &str) -> anyhow::Result<End> {
    tell(global, &queue_book(store, queue).await?, state::Sends::OnCommand)
}

/// Prints the book of a queue. Exit 1 where it is held.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, book: &QueueBook, sends: state::Sends) -> anyhow::Result<End> {
    if global.json {
        out::print_json(book)?;
    } else {
        let (now, stripes) = (SystemClock.now(), book.stripes.len());
        let mut text: String = book.stripes.iter().map(|stripe| in_words(stripe, stripes, now, sends)).collect();
        text.push_str(&numbers_in_words(&book.numbers));
        text.push_str(&batches_in_words(&book.batches));
        out::print(&text)?;
    }
    Ok(if book.stripes.iter().any(state::is_held) { End::NeedsYou } else { End::Done })
}

fn in_words(lane: &QueueView, stripes: usize, now: Millis, sends: state::Sends) -> String {
    let (word, why) = state::of(lane);
    let mut lines = vec![
        ("audience", format!("{} of account {} at {}", lane.audience, lane.account, lane.connector)),
        ("connection", badged(&lane.connection, lane.lab)),
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
    let mut text = format!("{}{stripe}\n", lane.queue);
    lines.into_iter().for_each(|(label, words)| text.push_str(&format!("  {label:<12}{words}\n")));
    for (place, line) in state::what_to_do(lane, now, sends).into_iter().enumerate() {
        text.push_str(&format!("  {:<12}{line}\n", if place == 0 { "what to do" } else { "" }));
    }
    text
}

fn removals(n: u64) -> String {
    out::plural(n, "removal", "removals")
}

fn numbers_in_words(numbers: &[QueueNumber]) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let row = |number: &QueueNumber| {
        let (reason, words) = (number.reason.clone(), number.words.clone());
        vec![out::count(number.n), number.status.word().to_owned(), reason, words]
    };
    let rows: Vec<Vec<String>> = numbers.iter().map(row).collect();
    format!(
        "\nwhat became of people at its steps\n{}",
        indented(&out::table(&["PEOPLE", "STATUS", "REASON", "WORDS"], &rows))
    )
}

fn batches_in_words(batches: &[QueueBatch]) -> String {
    if batches.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = batches
        .iter()
        .map(|batch| {
            vec![
                batch.batch.clone(),
                out::instant(batch.sealed_at),
                batch.action.word().to_owned(),
                // An ended batch loses its rows some day.
                if batch.rows == 0 { "-".to_owned() } else { out::count(batch.people) },
                batch.ended_at.map_or_else(|| "open".to_owned(), |at| format!("ended {}", out::instant(at))),
                batch.attempts.last().cloned().unwrap_or_else(|| "no attempt yet".to_owned()),
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
