//! `caravan audit VERB`.
use clap::Subcommand;

/// `caravan audit VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditVerb {
    /// Who changed what, oldest first.
    List {
        /// Only records after this number.
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// Computes the chain anew, and names the first record that was changed, moved or left out. Exit 1 if any.
    Verify,
}
