//! `caravan workspace VERB`.
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan workspace VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkspaceVerb {
    /// The workspaces of the configuration: store, connections, time zone, and who serves them. Of a serving host
    /// (`--server`) the one that the key belongs to.
    List,
    /// Writes a workspace into the configuration, and makes its store. A host serves it from its next start on.
    Create(CreateArgs),
}

/// `caravan workspace create`.
#[derive(Clone, Debug, clap::Args)]
pub struct CreateArgs {
    /// Its name: lower case letters, digits, `-` and `_`.
    pub name: String,
    /// Its store, from the configuration's folder on; NAME.caravan if not given.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Its connections; connections.yaml if not given.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// The time zone of its days and schedules, such as Europe/Paris; UTC if not given.
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
}
