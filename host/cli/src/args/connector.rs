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
        /// A component's file, a folder of them, or oci://REGISTRY/NAME:TAG (or @sha256:DIGEST).
        from: PathBuf,
        /// Look at the folder again and again, until stopped.
        #[arg(long)]
        watch: bool,
    },
    /// Puts a component into a registry, for others to install by oci://.
    Push {
        /// The component's file.
        file: PathBuf,
        /// oci://REGISTRY/NAME:TAG
        to: String,
    },
    /// Makes a key to sign connectors with: its file stays yours, the public half is for policies.
    Keygen {
        /// The file to write; one that is there already stays.
        file: PathBuf,
    },
    /// Signs a component over its digest and manifest. The signature goes into the file.
    Sign {
        /// The component's file.
        file: PathBuf,
        /// The key's file, as `keygen` wrote it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Write the signed component here; the file itself if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Holds all queues of a connector: nothing is sent by it until it is released. As `queue hold --connector`.
    Hold {
        /// The connector's name.
        name: String,
        /// Why: others read it where people wait.
        #[arg(long, value_name = "WORDS")]
        reason: String,
    },
    /// Lets the queues of a held connector go on. As `queue resume --connector`.
    Release {
        /// The connector's name.
        name: String,
    },
    /// The newest lines that a connector logged on a serving host (--server).
    Logs {
        /// The connector's name.
        name: String,
        /// How many lines.
        #[arg(long, default_value_t = 100, value_name = "N")]
        lines: usize,
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
        /// Take nothing up: send synthetic batches through both versions against the lab in this process, and show the
        /// requests that differ. Exit 1 where some do.
        #[arg(long, conflicts_with = "only")]
        compare: bool,
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
