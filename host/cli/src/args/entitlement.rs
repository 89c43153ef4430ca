//! `caravan entitlement VERB`.
use clap::Subcommand;

/// `caravan entitlement VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum EntitlementVerb {
    /// Which partners may be used: free ones, those with a slot, and how many slots are left.
    List,
    /// Gives a partner a slot. Its queues go on at once where a host serves.
    Add {
        /// The connector's name, as `connector list` shows it.
        partner: String,
    },
    /// Takes a partner's slot away: its queues wait, and nobody is lost. Exit 1 where live canvases use it; then it is done
    /// only with --yes.
    Remove {
        /// The connector's name.
        partner: String,
    },
    /// Writes down how often three slots were bought. From the first time on only free partners and those with a slot may
    /// be used.
    Purchases {
        /// How often.
        purchases: u32,
    },
}
