//! `caravan lab`.
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// `caravan lab`.
#[derive(Clone, Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LabArgs {
    /// The lab's own port; the partners follow on the next ones. Free ports if not given.
    #[arg(long, value_name = "N")]
    pub base_port: Option<u16>,
    /// Any well-formed account and audience exists, and nothing is rate limited.
    #[arg(long)]
    pub permissive: bool,
    /// The partners' addresses speak HTTPS, too, for SDKs that insist on it. The certificate to trust is written to the
    /// file, or to `caravan-lab-ca.pem` here; its path is in the line that the lab prints.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "caravan-lab-ca.pem")]
    pub tls: Option<PathBuf>,
    /// Where audiences and members are kept: read at the start if the file is there, written when the lab stops.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Something else than the emulators.
    #[command(subcommand)]
    pub verb: Option<LabVerb>,
}

/// `caravan lab VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum LabVerb {
    /// Writes a file of synthetic people.
    People {
        /// How many.
        #[arg(long, value_name = "N")]
        count: u64,
        /// The same seed gives the same people.
        #[arg(long, default_value_t = 1, value_name = "S")]
        seed: u64,
        /// The file; standard output if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}
