//! `caravan dry-run`.
use caravan_model::Action;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// `caravan dry-run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DryRunArgs {
    /// The canvas; with --step.
    #[arg(required_unless_present = "connector", conflicts_with = "connector", requires = "step")]
    pub canvas: Option<PathBuf>,
    /// The audience_sync or webhook step whose requests to show.
    #[arg(long, value_name = "STEP", conflicts_with = "connector")]
    pub step: Option<String>,
    /// Files of people.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub users: Vec<PathBuf>,
    /// The connections; connections.yaml beside the canvas if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "connector")]
    pub connections: Option<PathBuf>,
    /// The workspace's policy; the store's own if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "connector")]
    pub policy: Option<PathBuf>,
    /// A bundled connector's name or a component's file, instead of a canvas.
    #[arg(
        long,
        value_name = "NAME|FILE",
        requires = "audience",
        requires = "account",
        requires = "action",
        requires = "match_on"
    )]
    pub connector: Option<String>,
    /// The partner's id of the ad account.
    #[arg(long, value_name = "ID", requires = "connector")]
    pub account: Option<String>,
    /// The partner's id of the audience (with a canvas: where it is not known yet).
    #[arg(long, value_name = "ID")]
    pub audience: Option<String>,
    /// add or remove.
    #[arg(long, value_parser = action, requires = "connector")]
    pub action: Option<Action>,
    /// The match fields, with commas between them.
    #[arg(long = "match", value_name = "FIELDS", value_delimiter = ',', requires = "connector")]
    pub match_on: Vec<String>,
    /// The country of phone numbers that name none (ISO alpha-2).
    #[arg(long, value_name = "XX", requires = "connector")]
    pub country: Option<String>,
    /// A match key by which an e-mail, phone or name may leave unhashed, as a connection's `raw` allows it.
    #[arg(long, value_name = "KEY", value_delimiter = ',', requires = "connector")]
    pub raw: Vec<String>,
    /// A setting of the connection, as name=value.
    #[arg(long = "setting", value_name = "K=V", requires = "connector")]
    pub settings: Vec<String>,
}

fn action(text: &str) -> Result<Action, String> {
    match text {
        "add" => Ok(Action::Add),
        "remove" => Ok(Action::Remove),
        _ => Err("write add or remove".to_owned()),
    }
}
