//! Progress on a terminal: one bar for the people, one line per audience. Silent elsewhere.
use super::people::Seen;
use crate::out;
use caravan_model::reasons;
use caravan_runner::{LaneProgress, Progress};
use caravan_store::{LaneKey, LaneState};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the lines change at most.
const BEAT: Duration = Duration::from_millis(100);

/// All lines of a run.
pub struct Bars {
    all: MultiProgress,
    people: ProgressBar,
    /// Bytes of the files before the one that is read.
    before: Arc<AtomicU64>,
}

impl Bars {
    /// Lines for files of so many bytes together.
    pub fn new(quiet: bool, bytes: u64) -> Bars {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let all = MultiProgress::with_draw_target(target);
        let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let people = all.add(ProgressBar::new(bytes.max(1)).with_style(style));
        Bars { all, people, before: Arc::default() }
    }

    /// Follows a run until the task is aborted.
    pub fn follow(&self, told: watch::Receiver<Progress>, seen: Arc<Seen>, size: u64) -> JoinHandle<()> {
        let (all, people) = (self.all.clone(), self.people.clone());
        let before = self.before.fetch_add(size, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut lines: BTreeMap<LaneKey, ProgressBar> = BTreeMap::new();
            loop {
                let progress = told.borrow().clone();
                people.set_position(before + if progress.intake_done { size } else { seen.position() });
                people.set_message(in_words(&progress));
                for lane in &progress.lanes {
                    let line = lines.entry(lane.key.clone()).or_insert_with(|| {
                        let style = ProgressStyle::with_template("  {msg}")
                            .unwrap_or_else(|_| ProgressStyle::default_spinner());
                        all.add(ProgressBar::new_spinner().with_style(style))
                    });
                    line.set_message(lane_in_words(lane));
                }
                tokio::time::sleep(BEAT).await;
            }
        })
    }

    /// Clears the lines: the summary says it all.
    pub fn finish(&self) {
        // Where the terminal is gone, so are the lines.
        let _ = self.all.clear();
        self.people.finish_and_clear();
    }
}

fn in_words(progress: &Progress) -> String {
    let mut parts = vec![format!("{} entered", out::count(progress.entered))];
    if progress.kept_out > 0 {
        parts.push(format!("{} were here before", out::count(progress.kept_out)));
    }
    if progress.refused > 0 {
        parts.push(format!("{} rows not taken", out::count(progress.refused)));
    }
    if progress.advanced > 0 {
        parts.push(format!("{} moved on", out::count(progress.advanced)));
    }
    parts.push(format!("{} s", progress.elapsed.as_secs()));
    parts.join(" · ")
}

fn lane_in_words(lane: &LaneProgress) -> String {
    let state = match (&lane.unusable, &lane.state) {
        (Some(why), _) => format!(" · unusable: {why}"),
        (None, LaneState::Open) => String::new(),
        (None, LaneState::Waiting { why, until, .. }) => format!(" · {why} until {}", out::instant(*until)),
        (None, LaneState::Held { reason, .. }) => format!(" · HELD: {}", reasons::words_of(reason)),
    };
    let calls = out::plural(lane.calls, "call", "calls");
    format!(
        "{} {}: {} through, {} waiting, {calls}{state}",
        lane.connection,
        lane.key.audience,
        out::count(lane.settled),
        out::count(lane.waiting)
    )
}
