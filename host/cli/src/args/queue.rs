//! `caravan queue VERB`.
use super::DeliveryArgs;
use caravan_model::Status;
use clap::{Args as ClapArgs, Subcommand};

/// `caravan queue VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum QueueVerb {
    /// All queues, what waits in them and why, and what people hold.
    List,
    /// One queue: its state, since and until when, what it owes, its newest batches, and what to do.
    Show {
        /// The queue: its audience as `queue list` shows it.
        queue: String,
    },
    /// Holds a queue, or all of something: nothing is sent until it is resumed. Time held does not count against retries.
    Hold {
        #[command(flatten)]
        scope: ScopeArgs,
        /// Why: others read it where people wait.
        #[arg(long, value_name = "WORDS")]
        because: String,
    },
    /// Lets a held queue go on at once, or ends a hold of the same scope.
    Resume {
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Sends people again whose visits ended without success: to their audience, or to the endpoint of a webhook.
    Resend(ResendArgs),
    /// Sends what is queued, moves everyone on, and ends when nothing is left or what is left waits.
    Deliver {
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
}

/// What to hold, or to let go on.
#[derive(Clone, Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct ScopeArgs {
    /// A queue: its audience as `queue list` shows it.
    pub queue: Option<String>,
    /// The queue of an audience by its registered name, CANVAS/NAME.
    #[arg(long, value_name = "A")]
    pub audience: Option<String>,
    /// All queues of a connection.
    #[arg(long, value_name = "C")]
    pub connection: Option<String>,
    /// All queues of a connector.
    #[arg(long, value_name = "X")]
    pub connector: Option<String>,
    /// All queues.
    #[arg(long)]
    pub everything: bool,
}

impl ScopeArgs {
    /// All queues of a connector.
    pub fn of_connector(name: String) -> ScopeArgs {
        ScopeArgs { queue: None, audience: None, connection: None, connector: Some(name), everything: false }
    }
}

/// `caravan queue resend`.
#[derive(Clone, Debug, ClapArgs)]
pub struct ResendArgs {
    /// The canvas's id: over all its versions.
    pub canvas: String,
    /// Only this step.
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
    /// expired, rejected or skipped; failed for those of webhook steps, whose endpoints are called again.
    #[arg(long, value_parser = status)]
    pub status: Status,
    /// Only with this reason, as `run` prints it.
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub delivery: DeliveryArgs,
}

fn status(text: &str) -> Result<Status, String> {
    match text {
        "expired" => Ok(Status::Expired),
        "rejected" => Ok(Status::Rejected),
        "skipped" => Ok(Status::Skipped),
        "failed" => Ok(Status::Failed),
        _ => Err("write expired, rejected, skipped or failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::args::Args;
    use clap::Parser as _;

    #[test]
    fn a_hold_names_exactly_one_scope_and_words() {
        let parse = |rest: &[&str]| Args::try_parse_from([&["caravan", "queue", "hold"][..], rest].concat());
        for good in
            [&["list"][..], &["--audience", "a"], &["--connection", "c"], &["--connector", "meta"], &["--everything"]]
        {
            assert!(parse(&[good, &["--because", "x"]].concat()).is_ok(), "{good:?}");
            assert!(parse(good).is_err(), "{good:?} without words");
        }
        assert!(parse(&["--because", "x"]).is_err());
        assert!(parse(&["list", "--everything", "--because", "x"]).is_err());
    }

    #[test]
    fn only_visits_without_success_are_sent_again() {
        let parse = |status| Args::try_parse_from(["caravan", "queue", "resend", "one", "--status", status]);
        assert!(["expired", "rejected", "skipped", "failed"].into_iter().all(|status| parse(status).is_ok()));
        assert!(["synced", "waiting", ""].into_iter().all(|status| parse(status).is_err()));
    }
}
