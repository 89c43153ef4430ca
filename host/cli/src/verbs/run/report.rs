//! What a run ends with.
use super::lab_check::{LabCheck, Verdict};
use super::people::{BadRow, Seen};
use crate::args::{Global, RunArgs};
use crate::fail::End;
use crate::out;
use crate::summary::{Books, render};
use caravan_journey::plan::CompiledCanvas;
use caravan_model::canvas::ReEntry;
use caravan_model::{Code, Problem, Status, reasons};
use caravan_runner::{RunEnd, Totals, WaitLine};
use caravan_store::Version;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The most bad rows that are listed one by one.
const LISTED: usize = 20;

/// How one file of people went in.
#[derive(Clone, Debug)]
pub struct FileReport {
    path: PathBuf,
    rows: u64,
    resumed_from: u64,
    entered: u64,
    kept_out: u64,
    refused: u64,
    bad: u64,
    bad_rows: Vec<BadRow>,
    first: Option<String>,
    complete: bool,
}

impl FileReport {
    /// From the end of its run and what was seen of it.
    pub fn new(path: PathBuf, end: &RunEnd, seen: &Seen) -> FileReport {
        let Totals { resumed_from, progress, .. } = end.totals();
        FileReport {
            path,
            rows: seen.rows(),
            resumed_from: *resumed_from,
            entered: progress.entered,
            kept_out: progress.kept_out,
            refused: progress.refused,
            bad: seen.bad(),
            bad_rows: seen.list(),
            first: seen.first(),
            complete: seen.broken().is_none() && !matches!(end, RunEnd::Interrupted(_)),
        }
    }

    /// Whether an earlier run had taken in all of its rows.
    fn was_here(&self) -> bool {
        self.complete && self.rows > 0 && self.resumed_from >= self.rows
    }
}

/// Everything that the summary speaks of.
pub struct Report<'a> {
    /// The version that ran.
    pub version: &'a Version,
    /// How the run ended.
    pub end: &'a RunEnd,
    /// The files of people.
    pub files: &'a [FileReport],
    /// Lines of the events file that cannot be read.
    pub bad_events: &'a [BadRow],
    /// The comparison with the lab, one per audience.
    pub lab: &'a [LabCheck],
    /// The store.
    pub store: &'a Path,
    /// The connections.
    pub connections: &'a Path,
    /// What was asked.
    pub args: &'a RunArgs,
}

impl Report<'_> {
    fn plan(&self) -> Result<CompiledCanvas, Problem> {
        CompiledCanvas::new(&self.version.canvas)
    }

    /// The accounts of the version.
    pub fn books(&self) -> Result<Books, Problem> {
        Ok(Books::close(&self.plan()?, &self.end.totals().counters))
    }

    /// How the command ends.
    pub fn end(&self, books: &Books) -> End {
        let counts = &self.end.totals().counters.counts;
        let refused = counts
            .iter()
            .any(|count| matches!(count.status, Status::Rejected | Status::Expired | Status::Failed) && count.n > 0);
        let bad = self.files.iter().any(|file| file.bad > 0 || !file.complete) || !self.bad_events.is_empty();
        let differs = self.lab.iter().any(|check| check.verdict == Verdict::Differs);
        match self.end {
            RunEnd::Interrupted(_) => End::Interrupted,
            RunEnd::Waits(..) => End::NeedsYou,
            RunEnd::Done(_) if refused || bad || differs || !books.faults.is_empty() => End::NeedsYou,
            RunEnd::Done(_) => End::Done,
        }
    }

    /// On stderr: rows that cannot be read, people who were here before.
    pub fn remarks(&self, global: &Global) {
        for file in self.files {
            list_bad(&file.path, file.bad, &file.bad_rows);
        }
        if let Some(events) = &self.args.events {
            list_bad(events, self.bad_events.len() as u64, self.bad_events);
        }
        if global.quiet {
            return;
        }
        for file in self.files {
            self.was_here(file);
        }
    }

    fn was_here(&self, file: &FileReport) {
        let name = file.path.display();
        let (re_entry, id) = (self.version.canvas.entry.re_entry, &self.version.canvas.canvas);
        if file.was_here() {
            eprintln!(
                "The {} of {name} were here before: nobody entered anew.",
                out::people(file.rows - file.bad.min(file.rows))
            );
            eprintln!(
                "  to let them in anew: the same command with --again{}",
                match re_entry {
                    ReEntry::Always => String::new(),
                    ReEntry::Never => format!(", once the entry of {id} says `re_entry: always` (it says never)"),
                    ReEntry::After(span) => format!("; the entry of {id} says `re_entry: {{ after: {span} }}`"),
                }
            );
        } else if file.resumed_from > 0 {
            eprintln!(
                "{name}: went on behind row {}, where an earlier run had stopped.",
                out::count(file.resumed_from)
            );
        }
        if file.kept_out > 0 {
            let why = match re_entry {
                ReEntry::Never => "`re_entry: never` lets each in once".to_owned(),
                ReEntry::Always => "they are still under way".to_owned(),
                ReEntry::After(span) => {
                    format!("`re_entry: {{ after: {span} }}` has not passed, or they are still under way")
                }
            };
            eprintln!("{name}: {} did not enter again: {why}.", out::people(file.kept_out));
        }
    }

    /// The summary, on stdout.
    pub fn print(&self, global: &Global, books: &Books) -> anyhow::Result<()> {
        if global.json {
            return out::print_json(&self.as_json(books)?);
        }
        let canvas = &self.version.canvas;
        let title = canvas.title.as_deref().unwrap_or(canvas.canvas.as_str());
        let mut text = format!("{title} · {}, version {}\n\n", canvas.canvas, self.version.number);
        text.push_str(&render(canvas, &self.plan()?, &self.end.totals().counters));
        text.push('\n');
        if let Some(line) = self.rows_in_words() {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!("{}\n", books.sentence()));
        if !self.lab.is_empty() {
            text.push_str(&format!("{}\n", self.lab_in_words()));
        }
        text.push_str(&self.waits_in_words());
        if !global.quiet {
            text.push_str(&format!("\n{}", self.commands()));
        }
        Ok(out::print(&text)?)
    }

    /// Where not every row of this run's files entered: what became of the others.
    fn rows_in_words(&self) -> Option<String> {
        let sum = |of: fn(&FileReport) -> u64| self.files.iter().map(of).sum::<u64>();
        let (rows, entered, kept_out) = (sum(|file| file.rows), sum(|file| file.entered), sum(|file| file.kept_out));
        let (refused, earlier) = (sum(|file| file.refused), sum(|file| file.resumed_from.min(file.rows)));
        // An interrupted run has read ahead of what it let in.
        if rows == entered || matches!(self.end, RunEnd::Interrupted(_)) {
            return None;
        }
        let parts = [
            (earlier, "were taken in by an earlier run"),
            (entered, "entered now"),
            (kept_out, "may not enter (again)"),
            (refused, "were not admitted or cannot be read"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", out::count(*n))).collect();
        let all = self.end.totals().counters.refused.iter().filter(|(_, n)| *n > 0);
        let reasons: Vec<String> =
            all.map(|(code, n)| format!("{}: {}", reasons::words_of_code(code), out::count(*n))).collect();
        let reasons =
            if reasons.is_empty() { String::new() } else { format!(" (not admitted so far: {})", reasons.join(", ")) };
        Some(format!("{} read: {}{reasons}", out::plural(rows, "row", "rows"), parts.join(", ")))
    }

    fn lab_in_words(&self) -> String {
        let parts: Vec<String> = self
            .lab
            .iter()
            .map(|check| match check.verdict {
                Verdict::Same => {
                    format!("{} holds the same {} identifiers that were sent", check.audience, out::count(check.there))
                }
                Verdict::Explained => format!(
                    "{} holds {} identifiers, {} were sent: {}",
                    check.audience,
                    out::count(check.there),
                    out::count(check.expected),
                    check.words
                ),
                Verdict::Differs => format!(
                    "{} DIFFERS: it holds {} identifiers, {} were sent: {}",
                    check.audience,
                    out::count(check.there),
                    out::count(check.expected),
                    check.words
                ),
                Verdict::Unknown => format!("{} could not be checked: {}", check.audience, check.words),
            })
            .collect();
        format!("Checked against the lab: {}", parts.join("; "))
    }

    fn waits(&self) -> &[WaitLine] {
        match self.end {
            RunEnd::Waits(lines, _) => lines,
            _ => &[],
        }
    }

    fn waits_in_words(&self) -> String {
        let mut text = String::new();
        if !self.waits().is_empty() {
            text.push_str("\nStill waiting\n");
            for line in self.waits() {
                let until = line
                    .until
                    .map_or_else(|| "until someone acts".to_owned(), |until| format!("until {}", out::instant(until)));
                text.push_str(&format!("  {} {until}: {}\n", out::people(line.n), line.what));
            }
            text.push_str("  to go on: the same command again, with --wait SPAN to stay for them\n");
        }
        if matches!(self.end, RunEnd::Interrupted(_)) {
            text.push_str("\nInterrupted; everything is kept. To go on: the same command again.\n");
        }
        text
    }

    /// Four commands that show more.
    fn commands(&self) -> String {
        let canvas = &self.version.canvas;
        let store = out::quoted(&self.store.display().to_string());
        let first = self.files.iter().find_map(|file| file.first.clone()).unwrap_or_else(|| "EXTERNAL_ID".to_owned());
        let mut lines =
            vec![(format!("profile trace {} --store {store}", out::quoted(&first)), "the way of one person")];
        let sync = canvas.steps.0.iter().find(|(_, step)| step.audience_sync.is_some());
        if let (Some((step, _)), Some(users)) = (sync, self.args.users.first()) {
            let named = match &self.args.connections {
                Some(path) => format!(" --connections {}", out::quoted(&path.display().to_string())),
                None => String::new(),
            };
            let canvas = out::quoted(&self.args.canvas.display().to_string());
            let users = out::quoted(&users.display().to_string());
            let command = format!("dry-run {canvas} --step {step} --users {users}{named} --store {store}");
            lines.push((command, "the requests of one step"));
        }
        lines.push((format!("queue list --store {store}"), "trouble: what waits for an audience, and why"));
        if let Some(audience) = canvas.audiences.values().next() {
            let connections = out::quoted(&self.connections.display().to_string());
            let command = format!("connection check {} --connections {connections}", audience.connection);
            lines.push((command, "whether the partner lets us in"));
        }
        let lines: Vec<String> =
            lines.iter().map(|(command, what)| format!("  # {what}\n  {} {command}\n", out::called())).collect();
        format!("To see more\n{}", lines.concat())
    }

    fn as_json(&self, books: &Books) -> Result<Value, Problem> {
        let counters = &self.end.totals().counters;
        let canvas = &self.version.canvas;
        let plan = self.plan()?;
        let counts: Vec<Value> = counters
            .counts
            .iter()
            .map(|count| {
                let step = plan.step(count.step).map(|step| step.id.as_str()).unwrap_or_default();
                json!({"step": step, "status": count.status, "reason": count.reason.code,
                    "words": reasons::words_of(&count.reason), "n": count.n})
            })
            .collect();
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| {
                json!({"file": file.path, "rows": file.rows, "resumed_from": file.resumed_from, "entered": file.entered,
                    "kept_out": file.kept_out, "refused": file.refused, "bad": file.bad, "bad_rows": file.bad_rows,
                    "was_here": file.was_here()})
            })
            .collect();
        let waits: Vec<Value> =
            self.waits().iter().map(|line| json!({"what": line.what, "n": line.n, "until": line.until})).collect();
        let end = match self.end {
            RunEnd::Done(_) => "done",
            RunEnd::Waits(..) => "waits",
            RunEnd::Interrupted(_) => "interrupted",
        };
        let refused: serde_json::Map<String, Value> =
            counters.refused.iter().map(|(reason, n)| (reason.clone(), (*n).into())).collect();
        Ok(json!({
            "canvas": canvas.canvas, "version": self.version.number, "end": end, "exit_code": self.end(books).code(),
            "store": self.store, "entered": counters.entered, "open": counters.open, "refused": refused,
            "counts": counts,
            "sums": {"accounted_for": books.faults.is_empty(), "terms": books.terms, "between": books.between,
                "entered": books.entered, "faults": books.faults, "sentence": books.sentence()},
            "files": files, "bad_events": self.bad_events, "lab_check": self.lab, "waits": waits,
        }))
    }
}

/// Lists rows that cannot be read, as problems of the file; the first ones singly, the rest as a number.
fn list_bad(path: &Path, bad: u64, rows: &[BadRow]) {
    let name = path.display().to_string();
    for row in rows.iter().take(LISTED) {
        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
        eprintln!("{}", Problem::new(Code::UserRow, row.reason.clone()).in_file(name.clone()).at_line(line));
    }
    if bad > LISTED as u64 {
        eprintln!(
            "{} {name}: {} more rows cannot be read (--json lists them)",
            Code::UserRow,
            out::count(bad - LISTED as u64)
        );
    }
    if bad > 0 {
        eprintln!("  cure: mend these rows and run a file with them; all others were taken");
    }
}
