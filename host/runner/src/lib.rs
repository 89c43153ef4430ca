//! The runner: the only actor. It publishes canvases, lets people in, advances them, delivers what they ask of
//! audiences, and goes on after a crash where it was.
//!
//! * [`Runner::publish`] gives each audience the partner's id, once;
//! * [`Runner::run`] takes people from intake to the partner: `intake` → `advance` → `delivery`, all at once;
//!   [`Runner::deliver`] moves what is inside; the `supervisor` sees to both, and to `chores` and follow-ups (`judged`);
//! * [`Runner::serve`] does so for as long as it is let, and works off the `inbox` that [`Runner::receive`] fills;
//! * `webhooks` calls the endpoints of webhook steps, and people go on by the answer;
//! * [`prepare()`] decides what a slice sends, purely; `settlement` what an answer means;
//! * [`dry_run()`] makes the same calls without a store.
//! * [`alerts`] turns snapshots of how everything stands into notices for people, purely;
//! * [`control`] is what people do beside a run: hold, send again, take back, bind anew, erase, pause and stop.
//!
//! It knows the ports of `model`, not `connectors`: whoever composes the rooms joins them.
mod advance;
pub mod alerts;
mod assembly;
mod attempts;
mod chance;
mod chores;
pub mod control;
mod crowds;
mod delivery;
mod dry_run;
mod entitled;
mod error;
mod exits;
mod exports;
mod forecast;
mod groups;
mod holds;
mod import;
mod imports;
mod in_step;
mod inbox;
mod intake;
mod judged;
mod keeping;
mod ledger;
mod making;
mod movers;
mod moves;
mod neighbours;
mod occasions;
mod opposites;
mod options;
mod pacing;
mod papers;
mod policy;
mod prepare;
mod preview;
mod progress;
mod publish;
mod replay;
mod room;
mod route;
mod run;
mod runner;
mod settlement;
mod shared;
mod standing;
mod steps;
mod strikes;
mod supervisor;
mod waits;
mod wakes;
mod webhooks;

pub use crowds::segments_of;
pub use dry_run::{DryRun, DryRunPerson, DryRunResult, dry_run};
pub use error::{Error, Result};
pub use forecast::{Forecast, StepForecast, WebhookForecast, forecast};
pub use import::{ImportRow, ImportedEvents};
pub use imports::{FOLDER, FULL_EVERY, ImportLine, ImportState, ImportTrouble, ListImport, import_lines, imports_of};
pub use intake::IntakeRow;
pub use keeping::{Kept, StoreState, look_through};
pub use movers::{MovePlan, move_plan};
pub use neighbours::{Neighbours, Stores};
pub use opposites::Opposite;
pub use options::{DeliverOptions, RunOptions, RunnerOptions};
pub use policy::{POLICY_ID, policy_of};
pub use prepare::{LaneFacts, prepare, slice_length};
pub use preview::{Assumed, Preview, PreviewVisit, preview};
pub use progress::{LaneProgress, Progress, RunEnd, Totals, WaitLine};
pub use replay::{Replay, ReplayStep, replay};
pub use route::registered_name;
pub use runner::Runner;
pub use steps::{Demands, GroupPlan, StepFacts, Steps, group_plans};
pub use webhooks::WebhookOptions;
