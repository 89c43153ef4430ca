//! `caravan connection VERB`.
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// `caravan connection VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectionVerb {
    /// A checklist with cures: token, rights, accounts, terms. Exit 1 where something fails.
    Check(ConnectionArgs),
    /// The ad accounts that the credentials reach.
    Accounts(ConnectionArgs),
}

/// Which connection.
#[derive(Clone, Debug, ClapArgs)]
pub struct ConnectionArgs {
    /// Its name.
    pub name: String,
    /// The connections.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// The address of a running lab, for lab connections.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}
