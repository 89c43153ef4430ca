//! `caravan batch VERB`.
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// `caravan batch VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum BatchVerb {
    /// A batch: who asked for it, attempts, requests and answers, with secrets masked.
    Show(BatchArgs),
}

/// Which batch.
#[derive(Clone, Debug, ClapArgs)]
pub struct BatchArgs {
    /// Its name, as `profile trace` and `queue show` show it.
    pub name: String,
    /// Writes the body of its request into a file, made anew from what was sealed. It holds identifiers of people.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The connections, for --body and to know a lab connection; connections.yaml in this folder if it is there.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
}
