//! The runner over the real store, with connectors made for it: one program, so that the runner is compiled once.
#[path = "../common/mod.rs"]
mod common;

mod alerts;
mod attempts;
mod claims;
mod control;
mod flow;
mod forecast;
mod importing;
mod imports;
mod journeys;
mod keeping;
mod mapped;
mod merging;
mod policies;
mod previews;
mod publishing;
mod rules;
mod simulation;
mod versions;
mod webhooks;
