//! `caravan event VERB`.
use super::DeliveryArgs;
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan event VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum EventVerb {
    /// Takes in what people did from files, as if it had streamed in: it lets people into live canvases and out of them.
    /// Cut short, the same command goes on; repeated, it changes nothing.
    Import {
        /// CSV (external_id, event, timestamp, message_id, further columns are properties), or JSON lines: the same names,
        /// or Segment's messages.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
}
