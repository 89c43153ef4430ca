//! `caravan run`.
use caravan_model::Duration;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// `caravan run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
    /// The canvas.
    pub canvas: PathBuf,
    /// Files of people: CSV or JSON lines. A row counts as the trigger.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub users: Vec<PathBuf>,
    /// The connections; connections.yaml beside the canvas if not given.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// The workspace's policy, kept in the store as by `policy set`; the store's own if not given.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Events of these people, JSON lines: {external_id, event, at, properties?, message_id?}.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long to stay for people who wait in a delay or for a partner.
    #[arg(long, default_value = "0", value_name = "SPAN")]
    pub wait: Duration,
    /// Treat every delay as over at once.
    #[arg(long)]
    pub skip_delays: bool,
    /// Let people in anew who came in by the same file before.
    #[arg(long)]
    pub again: bool,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
    /// Do not compare with the lab at the end, hash by hash: it takes about as long as half the run.
    #[arg(long)]
    pub no_lab_check: bool,
}
