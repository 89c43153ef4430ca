//! What verbs that queue something need to send it at once.
use caravan_model::Duration;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// How to reach the partners.
#[derive(Clone, Debug, ClapArgs)]
pub struct DeliveryArgs {
    /// The connections; connections.yaml in this folder if it is there. Without them things are queued only.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
    /// How long to stay for what waits for a partner.
    #[arg(long, default_value = "0", value_name = "SPAN")]
    pub wait: Duration,
}
