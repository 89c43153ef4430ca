//! How a run goes, and how it ends.
use caravan_model::{Millis, VersionId};
use caravan_store::{Counters, LaneKey, LaneState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A snapshot of a run.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Rows of the source that are read, those of earlier runs included.
    pub rows_read: u64,
    /// Whether the source is at its end.
    pub intake_done: bool,
    /// People who entered in this run.
    pub entered: u64,
    /// People with an open entry, or who may not enter again.
    pub kept_out: u64,
    /// Rows that could not be read, and people whom the entry rule did not admit.
    pub refused: u64,
    /// Positions that moved on in this run.
    pub advanced: u64,
    /// The lanes that hold anything, or did in this run.
    pub lanes: Vec<LaneProgress>,
    /// Since the run began.
    pub elapsed: Duration,
}

/// A lane in a run.
#[derive(Clone, Debug)]
pub struct LaneProgress {
    /// Which.
    pub key: LaneKey,
    /// The connection.
    pub connection: String,
    /// Operations that got their final status in this run.
    pub settled: u64,
    /// Calls made in this run.
    pub calls: u64,
    /// Operations waiting.
    pub waiting: u64,
    /// How it stands.
    pub state: LaneState,
    /// Why this run cannot use it: its connection is not there.
    pub unusable: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum RunEnd {
    /// Every entry has ended, and nothing waits in a queue of this canvas.
    Done(Totals),
    /// Something waits for longer than the run was told to stay, or for a person.
    Waits(Vec<WaitLine>, Totals),
    /// Interrupted; the state is kept.
    Interrupted(Totals),
}

impl RunEnd {
    /// The totals.
    pub fn totals(&self) -> &Totals {
        match self {
            RunEnd::Done(totals) | RunEnd::Waits(_, totals) | RunEnd::Interrupted(totals) => totals,
        }
    }
}

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitLine {
    /// What, in words for a person.
    pub what: String,
    /// How many people.
    pub n: u64,
    /// Until when; `None` until a person acts.
    pub until: Option<Millis>,
}

/// What a run did, and how its version stands.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// The version.
    pub version: VersionId,
    /// The intake source with its generation.
    pub source: String,
    /// Rows of the source that an earlier run had done already.
    pub resumed_from: u64,
    /// What this run did.
    pub progress: Progress,
    /// The version's counters, over all runs.
    pub counters: Counters,
}

/// Counts of a run, written by its tasks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    rows_read: AtomicU64,
    entered: AtomicU64,
    kept_out: AtomicU64,
    refused: AtomicU64,
    advanced: AtomicU64,
}

impl Meter {
    pub(crate) fn read(&self, rows: u64) {
        self.rows_read.store(rows, Ordering::Relaxed);
    }

    pub(crate) fn entered(&self, entered: u64, kept_out: u64, refused: u64) {
        self.entered.fetch_add(entered, Ordering::Relaxed);
        self.kept_out.fetch_add(kept_out, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    pub(crate) fn advanced(&self, n: u64) {
        self.advanced.fetch_add(n, Ordering::Relaxed);
    }

    /// The snapshot, without lanes and time.
    pub(crate) fn snapshot(&self) -> Progress {
        Progress {
            rows_read: self.rows_read.load(Ordering::Relaxed),
            entered: self.entered.load(Ordering::Relaxed),
            kept_out: self.kept_out.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            advanced: self.advanced.load(Ordering::Relaxed),
            ..Progress::default()
        }
    }
}
