//! `caravan connection VERB`.
use super::consent::{ConnectArgs, NamedConnection, TokenArgs};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// `caravan connection VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectionVerb {
    /// A checklist with cures: token, rights, accounts, terms. Exit 1 where something fails.
    Check(ConnectionArgs),
    /// The ad accounts that the credentials reach.
    Accounts(ConnectionArgs),
    /// The audiences of an account, or of a source's folder.
    Audiences(AudiencesArgs),
    /// A person consents at the partner, by your app: prints the address to open. Keeps name, audiences, waiting people.
    Connect(ConnectArgs),
    /// Seals a token of your own; it goes before the one that the file names.
    Token(TokenArgs),
    /// What is sealed for a connection: kind, end, scopes; never a value.
    Show(NamedConnection),
    /// Ends what is sealed, at the partner too where it has a way. People wait until it is connected again.
    Disconnect(NamedConnection),
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

/// Whose audiences are listed.
#[derive(Clone, Debug, ClapArgs)]
pub struct AudiencesArgs {
    /// Which connection.
    #[command(flatten)]
    pub of: ConnectionArgs,
    /// The account, or the source's folder: our short name, or the partner's id.
    #[arg(long, visible_alias = "folder", value_name = "NAME")]
    pub account: String,
    /// Only those whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub named: String,
}
