//! `caravan host VERB`.
use clap::Subcommand;

/// `caravan host VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum HostVerb {
    /// The hosts that serve: which process has which store.
    List,
    /// Asks a serving host (`--server`) to go: it takes nothing more in, ends what is under way, and keeps the rest queued, as
    /// it does when the system asks it.
    Drain,
}
