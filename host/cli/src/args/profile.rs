//! `caravan profile VERB`.
use super::DeliveryArgs;
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan profile VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ProfileVerb {
    /// The way of a person through all canvases, and where they stand.
    Trace {
        /// An external id, alias, e-mail, phone, device id, or a digest that was sent.
        identifier: String,
        /// Show e-mails, phones and names unmasked.
        #[arg(long)]
        reveal: bool,
    },
    /// Forgets people: their entries end, and removals from every audience that holds them are sent, with receipts.
    Erase {
        /// Any identifiers of theirs: external ids, aliases, e-mails, phones, device ids.
        #[arg(required = true)]
        identifiers: Vec<String>,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    /// Merges the people of files into the store; nobody enters a canvas by it.
    Import {
        /// Files of people: CSV or JSON lines, as `run --users` takes them.
        #[arg(required = true, value_name = "FILE")]
        users: Vec<PathBuf>,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
}
