//! Arguments of apps, tokens and consents.
use caravan_model::manifest::QuotaCredential;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `caravan connector app VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum AppVerb {
    /// Seals an app's id and secret in the store, for all connections of a connector.
    Set {
        /// The connector's name.
        connector: String,
        /// The app's id, which is no secret.
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// Read the app's secret from the standard input.
        #[arg(long, required_unless_present = "client_secret_env", conflicts_with = "client_secret_env")]
        client_secret_stdin: bool,
        /// Take the app's secret from this variable.
        #[arg(long, value_name = "VARIABLE")]
        client_secret_env: Option<String>,
    },
    /// The app's id; never its secret.
    Show {
        /// The connector's name.
        connector: String,
    },
    /// Forgets the app. Consents by it are no longer refreshed.
    Remove {
        /// The connector's name.
        connector: String,
    },
}

/// Which connection.
#[derive(Clone, Debug, ClapArgs)]
pub struct NamedConnection {
    /// Its name.
    pub name: String,
    /// The connections.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// The address of a running lab, for lab connections.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}

/// A token by hand.
#[derive(Clone, Debug, ClapArgs)]
pub struct TokenArgs {
    /// Which connection.
    #[command(flatten)]
    pub of: NamedConnection,
    /// Read the token from the standard input.
    #[arg(long, required_unless_present = "service_account_stdin", conflicts_with = "service_account_stdin")]
    pub token_stdin: bool,
    /// Read a service account's key file from the standard input, where the partner takes one.
    #[arg(long)]
    pub service_account_stdin: bool,
    /// What the token is, where the partner's quotas differ by it: the app's own, or a person's consent. Without, the lower
    /// quota holds.
    #[arg(long = "as", value_name = "KIND", conflicts_with = "service_account_stdin")]
    pub called_as: Option<CalledAs>,
}

/// What a token is that somebody brings.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CalledAs {
    /// The app's own.
    App,
    /// A person's consent.
    Consent,
}

impl From<CalledAs> for QuotaCredential {
    fn from(said: CalledAs) -> QuotaCredential {
        match said {
            CalledAs::App => QuotaCredential::App,
            CalledAs::Consent => QuotaCredential::Consent,
        }
    }
}

/// A person's consent.
#[derive(Clone, Debug, ClapArgs)]
pub struct ConnectArgs {
    /// Which connection.
    #[command(flatten)]
    pub of: NamedConnection,
    /// The port of this machine to which the partner sends the browser back; a free one if not given.
    #[arg(long, default_value_t = 0, conflicts_with = "redirect")]
    pub port: u16,
    /// The address that is registered with the app, where the partner takes no loopback address. What the browser's address
    /// line shows after the consent is then read from the standard input.
    #[arg(long, value_name = "URL")]
    pub redirect: Option<String>,
}
