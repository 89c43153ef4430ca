//! `caravan config VERB`.
use clap::Subcommand;

/// `caravan config VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Reads the configuration and looks at all that it names: stores, connections with their components and secrets, write
    /// keys, the mail server's URL. Exit 1 where something is missing.
    Check,
}
