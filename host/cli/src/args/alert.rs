//! `caravan alert VERB`.
use caravan_model::{AlertKind, Severity};
use clap::{Args as ClapArgs, Subcommand};

/// `caravan alert VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum AlertVerb {
    /// Tells someone from now on; the same name again changes the subscription.
    Add(AlertAddArgs),
    /// All subscriptions, and all alerts that are open. Exit 1 where one is.
    List,
    /// A subscription: what it has been told, and what waits to be sent.
    Show {
        /// Its name.
        name: String,
    },
    /// Ends a subscription.
    Remove {
        /// Its name.
        name: String,
    },
    /// Sends a notice that says only that it arrived. Exit 1 where it did not leave.
    Test {
        /// The subscription; all of them if not given.
        name: Option<String>,
    },
}

/// `caravan alert add`.
#[derive(Clone, Debug, ClapArgs)]
pub struct AlertAddArgs {
    /// A name for the subscription.
    pub name: String,
    /// By which way: mailto:ADDRESS, slack:env:NAME, pagerduty:env:NAME, webhook:env:NAME or https://… (`file:PATH` for
    /// `env:NAME` where a file holds the secret).
    #[arg(long, value_name = "CHANNEL")]
    pub to: String,
    /// Only alerts about this canvas (its id).
    #[arg(long, value_name = "CANVAS")]
    pub canvas: Option<String>,
    /// Only alerts about this connection.
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Only alerts of these kinds, with commas between them: queue-held, error-rate, lateness, skip-rate,
    /// connector-trapped, token-ends, owed-removal-refused, endpoint-rests, disk-full.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<AlertKind>,
    /// Only alerts at least as bad: warning or critical.
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    pub at_least: Severity,
}
