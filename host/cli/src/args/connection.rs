//! `caravan connection VERB`.
use super::consent::{ConnectArgs, NamedConnection, TokenArgs};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `caravan connection VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectionVerb {
    /// All connections: those of the file, and those that the store keeps.
    List(ConnectionsFile),
    /// One connection: settings, accounts, what uses it, and what is sealed for it; never a value.
    Show(NamedConnection),
    /// Keeps a new connection in the store. Its token is sealed apart: `connection token` or `connection connect`.
    Create(ConnectionForm),
    /// Changes a connection that the store keeps; what is not named stays.
    Set(ConnectionForm),
    /// Forgets a connection that the store keeps, and what is sealed for it. Refused while something uses it.
    Delete(NamedConnection),
    /// Switches one account of a connection on or off. Nothing is sent to one that is off: its people wait.
    Account {
        /// Which connection.
        #[command(flatten)]
        of: NamedConnection,
        /// Our short name of the account.
        account: String,
        /// Whether anything may be sent to it.
        state: Switched,
    },
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
    /// Ends what is sealed, at the partner too where it has a way. People wait until it is connected again.
    Disconnect(NamedConnection),
}

/// How an account is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switched {
    /// Things are sent to it.
    On,
    /// Nothing is sent to it.
    Off,
}

/// Where connections are that the store does not keep.
#[derive(Clone, Debug, ClapArgs)]
pub struct ConnectionsFile {
    /// The connections.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
}

/// What a connection is, or becomes.
#[derive(Clone, Debug, ClapArgs)]
pub struct ConnectionForm {
    /// Its name.
    pub name: String,
    /// Takes it, by its name, from a connections file; whatever else is named goes before what stands there.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The connector: one that is bundled or installed.
    #[arg(long)]
    pub connector: Option<String>,
    /// For people.
    #[arg(long)]
    pub description: Option<String>,
    /// An account: our short name of it, and the partner's id. `NAME=` takes it away.
    #[arg(long = "account", value_name = "NAME=ID")]
    pub accounts: Vec<String>,
    /// A setting of the connector. `NAME=` takes it away.
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// A field of people that is sent as a match key: `email=traits.loyalty_email`, `phone=sha256:traits.phone_hash`; several
    /// for one key count together. `KEY=` takes all of a key away.
    #[arg(long = "identity", value_name = "KEY=FIELD")]
    pub identities: Vec<String>,
    /// A match key by which an e-mail, phone or name may leave unhashed (`EMAIL` at Marketo). `KEY=` forbids it again.
    #[arg(long, value_name = "KEY")]
    pub raw: Vec<String>,
    /// The variable of the host's environment that holds a further secret of the connector. `NAME=` takes it away.
    #[arg(long = "secret-env", value_name = "NAME=VARIABLE")]
    pub secrets: Vec<String>,
    /// The country of phone numbers that name none (ISO alpha-2).
    #[arg(long, value_name = "COUNTRY")]
    pub default_country: Option<String>,
    /// When its token ends: a day or an instant.
    #[arg(long, value_name = "WHEN")]
    pub token_ends: Option<String>,
    /// To the partner's emulator, never to the partner.
    #[arg(long)]
    pub lab: bool,
    /// The workspace's connections file, which has no connection of this name.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
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
