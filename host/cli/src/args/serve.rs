//! `caravan serve`.
use clap::Args as ClapArgs;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `caravan serve`.
#[derive(Clone, Debug, ClapArgs)]
pub struct ServeArgs {
    /// Canvases to publish before anything is served; those published earlier stay live.
    #[arg(value_name = "CANVAS")]
    pub canvases: Vec<PathBuf>,
    /// The connections; connections.yaml in this folder if not given.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// Where to listen, 127.0.0.1:8480 if nothing says it; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "CARAVAN_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A file of write keys, one per line, for senders of events; else the variable CARAVAN_WRITE_KEYS, separated by
    /// commas. Keys of `caravan key add NAME --rights send-events` may send, too.
    #[arg(long, value_name = "FILE")]
    pub write_keys: Option<PathBuf>,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}
