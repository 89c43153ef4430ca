//! `caravan connector VERB`.
use super::consent::AppVerb;
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan connector VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectorVerb {
    /// What a connector asks for and how it sends, in plain words, without running it.
    Inspect {
        /// The name of an installed or bundled connector, or a component's file.
        connector: String,
    },
    /// The connectors in the store, and those inside this program.
    List,
    /// Keeps a component in the store, or all of a folder. It is then installed, and waits for approval.
    Install {
        /// A component's file, or a folder of them.
        from: PathBuf,
        /// Look at the folder again and again, until stopped.
        #[arg(long)]
        watch: bool,
    },
    /// Allows a version that waits: writes grants/NAME.yaml, or takes the grant of a file that was reviewed.
    Grant {
        /// The connector's name.
        name: String,
        /// Allow all that its manifest asks for.
        #[arg(long, conflicts_with = "file")]
        as_asked: bool,
        /// A grant that was written or changed by hand.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Takes the newest installed version into use, or shows what it would widen. Exit 1 where it waits for approval.
    Upgrade {
        /// The connector's name.
        name: String,
        /// Try it with one connection first; say it again without --only to take it up everywhere.
        #[arg(long, value_name = "CONNECTION")]
        only: Option<String>,
    },
    /// Goes back to the version that was in use before.
    Rollback {
        /// The connector's name.
        name: String,
    },
    /// Keeps a connection at one version, whatever is upgraded.
    Pin {
        /// The connection.
        connection: String,
        /// NAME@sha256:DIGEST; without it, the pin is taken away.
        version: Option<String>,
    },
    /// Your app at the partner, by which people consent: its id, and its secret, sealed.
    #[command(subcommand)]
    App(AppVerb),
    /// Removes a connector from the store; refused while a connection is pinned to it or a queue needs it.
    Uninstall {
        /// The connector's name, or NAME@sha256:DIGEST for one version that is not in use.
        name: String,
    },
}
