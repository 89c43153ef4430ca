//! `caravan event import`: what people did, from files.
use crate::args::{DeliveryArgs, EventVerb, Global};
use crate::fail::{End, Problems};
use crate::host::hands::{Hands, Sent};
use crate::users::stream::Stream;
use crate::{out, progress, stop};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Problem};
use caravan_runner::ImportRow;
use caravan_store::Store as _;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The most bad lines that are listed one by one.
const LISTED: usize = 20;
/// The bar moves after so many rows.
const BEAT: u64 = 1_000;

/// Does a verb of events.
pub async fn event(global: &Global, verb: EventVerb) -> anyhow::Result<End> {
    let EventVerb::Import { files, delivery } = verb;
    import(global, &files, &delivery).await
}

/// The rows of a file, with what cannot be read put aside.
struct Rows<'a> {
    stream: Stream,
    bar: &'a ProgressBar,
    /// Bytes of the files before this one.
    before: u64,
    bad: u64,
    listed: Vec<Problem>,
    broken: Option<Problem>,
}

impl Iterator for &mut Rows<'_> {
    type Item = ImportRow;

    fn next(&mut self) -> Option<ImportRow> {
        loop {
            let row = match self.stream.next_row() {
                Ok(row) => row?,
                Err(problem) => {
                    self.broken = Some(problem);
                    return None;
                }
            };
            if row.number.is_multiple_of(BEAT) {
                self.bar.set_position(self.before + self.stream.position());
            }
            match row.message {
                Ok((id, message)) => return Some(ImportRow { row: row.number, id, message }),
                Err(reason) => {
                    self.bad += 1;
                    if self.listed.len() < LISTED {
                        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
                        let file = self.stream.path.display().to_string();
                        self.listed.push(Problem::new(Code::UserRow, reason).in_file(file).at_line(line));
                    }
                }
            }
        }
    }
}

async fn import(global: &Global, files: &[PathBuf], delivery: &DeliveryArgs) -> anyhow::Result<End> {
    let (mut open, mut problems) = (Vec::new(), Vec::new());
    let now = SystemClock.now();
    for path in files {
        match Stream::open(path, now) {
            Ok(stream) => open.push(stream),
            Err(problem) => problems.push(problem),
        }
    }
    Problems::check(problems)?;
    let bar = progress::of_bytes(global.quiet, open.iter().map(|stream| stream.size).sum());
    Hands::making(global, Some(delivery), async |hands| {
        let cancel = stop::listen(global.quiet);
        let (mut told, mut listed, mut before) = (Vec::new(), Vec::new(), 0);
        let (mut new, mut known, mut bad, mut is_cut) = (0, 0, 0, false);
        let mut order = hands.acting().order("event.import", "events", json!({"files": open.len()})).await?;
        for stream in open {
            let (source, size, path) = (stream.digest.to_string(), stream.size, stream.path.clone());
            let mut rows = Rows { stream, bar: &bar, before, bad: 0, listed: Vec::new(), broken: None };
            let imported = hands.runner().import_events_under(&mut order, &source, &mut rows, &cancel).await?;
            if let Some(problem) = rows.broken {
                return Err(problem.into());
            }
            before += size;
            told.push(json!({"file": path, "rows": imported.rows, "new": imported.new, "known": imported.known,
                "bad": rows.bad}));
            (new, known, bad) = (new + imported.new, known + imported.known, bad + rows.bad);
            listed.extend(rows.listed);
            is_cut = imported.is_cut;
            if is_cut {
                break;
            }
        }
        bar.finish_and_clear();
        listed.iter().take(LISTED).for_each(|problem| eprintln!("{problem}"));
        let waits = hands.store().lanes().await?.iter().any(|lane| lane.waiting > 0);
        let sends = !is_cut && (waits || hands.runner().owes().await?);
        let sent = if sends { Some(hands.deliver(global).await?) } else { None };
        if global.json {
            out::print_json(&json!({"new": new, "known": known, "bad": bad, "interrupted": is_cut,
                "files": Value::Array(told), "delivery": sent.as_ref().map(Sent::as_json)}))?;
        } else {
            let mut text = format!("{} taken in", out::plural(new, "message", "messages"));
            if known > 0 {
                text.push_str(&format!(
                    "; {} known already",
                    if known == 1 { "1 was".into() } else { format!("{} were", out::count(known)) }
                ));
            }
            if bad > 0 {
                text.push_str(&format!("; {} cannot be read", out::plural(bad, "row", "rows")));
            }
            text.push('\n');
            if is_cut {
                text.push_str("Interrupted; everything is kept. To go on: the same command again.\n");
            }
            text.push_str(&sent.as_ref().map(Sent::in_words).unwrap_or_default());
            out::print(&text)?;
        }
        let end = sent.map_or(End::Done, |sent| sent.end());
        Ok(match end {
            _ if is_cut => End::Interrupted,
            End::Done if bad > 0 => End::NeedsYou,
            end => end,
        })
    })
    .await
}
