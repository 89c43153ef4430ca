//! `caravan policy VERB`.
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan policy VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyVerb {
    /// Checks a policy and keeps it in the store, from the next run on. Exit 1 where it refuses live canvases; then it
    /// is kept only with --yes.
    Set {
        /// The policy.
        policy: PathBuf,
        /// The connections, for the fields that they map.
        #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
        connections: PathBuf,
    },
    /// Prints the policy of the store.
    Show,
    /// Checks a policy, and where there is a store, says which live canvases it would refuse. Exit 1 if any.
    Check {
        /// The policy.
        policy: PathBuf,
        /// The connections, for the fields that they map.
        #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
        connections: PathBuf,
    },
}
