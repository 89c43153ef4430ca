//! `caravan store VERB`.
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan store VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreVerb {
    /// Copies the store to a new file, also while a host owns it and writes. The copy is looked through before it gets its
    /// name.
    Backup {
        /// The file to make; none is replaced.
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Copies the store to another one, which goes on in its place. Refused while a host owns it: what is written after the
    /// copy would be in neither.
    Copy {
        /// The store to make: a file, or sqlite:PATH; none is replaced.
        #[arg(value_name = "TO")]
        to: String,
    },
    /// Brings the store up to the format of this version, once; any command that writes does so, too.
    Upgrade,
    /// Looks the store through: the file's structure, and all sums against the rows. Exit 1 where something is off.
    Check,
    /// Drops and folds at once what is older than the policy's `keep` says. A host that serves does so once a day.
    Prune,
}
