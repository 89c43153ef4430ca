//! What this room asks of whoever composes the host: connections and their components, which it does not know.
use crate::problem::Refused;
use caravan_model::manifest::QuotaCredential;
use caravan_model::policy::SlotChange;
use caravan_model::port::{BoxFuture, Secret};
use caravan_model::{Canvas, Connection, Problem};
use caravan_runner::Forecast;
use caravan_store::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Joins the API to connections and components.
pub trait Bench: Send + Sync {
    /// All that is wrong with a canvas, its connections and match fields; nothing is asked of a partner.
    fn check(&self, canvas: String) -> BoxFuture<'_, Result<Vec<Problem>, Refused>>;
    /// Makes a canvas live, in somebody's name.
    fn publish(&self, who: String, canvas: String) -> BoxFuture<'_, Result<Version, Refused>>;
    /// The check before a launch.
    fn forecast(&self, canvas: String) -> BoxFuture<'_, Result<Forecast, Refused>>;
    /// Publishes the canvas of an activation, in somebody's name.
    fn activate(&self, who: String, activation: Activation) -> BoxFuture<'_, Result<Canvas, Refused>>;
    /// The connections that this host has.
    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionView>, Refused>>;
    /// One of them.
    fn connection(&self, name: String) -> BoxFuture<'_, Result<ConnectionView, Refused>>;
    /// Keeps a connection in the store, a new one or another form of one, in somebody's name.
    fn keep_connection(
        &self,
        who: String,
        name: String,
        connection: Connection,
        is_new: bool,
    ) -> BoxFuture<'_, Result<ConnectionView, Refused>>;
    /// Forgets a connection that the store keeps, in somebody's name.
    fn forget_connection(&self, who: String, name: String) -> BoxFuture<'_, Result<Forgotten, Refused>>;
    /// Switches an account of a connection, in somebody's name.
    fn switch_account(
        &self,
        who: String,
        name: String,
        account: String,
        on: bool,
    ) -> BoxFuture<'_, Result<ConnectionView, Refused>>;
    /// Has a connection ready for the runner, as the file has it now: for what no canvas names.
    fn bind_connection(&self, name: String) -> BoxFuture<'_, Result<(), Refused>>;
    /// Asks a connection's partner how it is, account by account.
    fn check_connection(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>>;
    /// Does something with installed connectors, in somebody's name.
    fn connectors(&self, who: String, act: Registry) -> BoxFuture<'_, Result<Value, Refused>>;
    /// The accounts that a connection's credentials reach.
    fn accounts(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>>;
    /// The audiences of an account, or of a source's folder, whose name contains a text.
    fn audiences(&self, name: String, account: String, named: String) -> BoxFuture<'_, Result<Value, Refused>>;
    /// One person's way through a canvas, with time travel.
    fn preview(&self, wanted: Preview) -> BoxFuture<'_, Result<Value, Refused>>;
    /// The requests that people would cause at a step; nothing is sent.
    fn dry_run(&self, wanted: DryRun) -> BoxFuture<'_, Result<Value, Refused>>;
    /// Sends a test notice to a subscription.
    fn try_subscription(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>>;
    /// What a subscription was told, and what is still to be sent.
    fn subscription(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>>;
    /// The canvases that a policy would refuse; nothing is kept.
    fn check_policy(&self, text: String) -> BoxFuture<'_, Result<PolicyKept, Refused>>;
    /// How the slots of the installation stand; with a change, after it, in somebody's name, unless it refuses live canvases
    /// and `anyway` is not said.
    fn slots(&self, who: String, change: Option<SlotChange>, anyway: bool)
    -> BoxFuture<'_, Result<SlotsView, Refused>>;
    /// Seals or unseals secrets of apps and connections, in somebody's name.
    fn seal(&self, who: String, act: Sealing) -> BoxFuture<'_, Result<Value, Refused>>;
    /// A browser came back from a partner's page of consent with this query; `None` where nobody was asked that.
    fn came_back(&self, query: String) -> BoxFuture<'_, Result<Option<String>, Refused>>;
    /// Keeps a policy, in somebody's name, unless it refuses live canvases and `anyway` is not said.
    fn set_policy(&self, who: String, text: String, anyway: bool) -> BoxFuture<'_, Result<PolicyKept, Refused>>;
}

/// Whose way through which canvas is looked at.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// The canvas, as YAML or JSON.
    pub canvas: String,
    /// An identifier of the person.
    pub profile: String,
    /// When they enter, in milliseconds of UTC; now if not given.
    #[serde(default)]
    pub at: Option<i64>,
    /// What happens as soon as they wait for it: names of events and segments, or `true` for whatever they wait for. One that
    /// an exit rule names ends the entry. Else they wait in vain.
    #[serde(default)]
    pub happens: WhatHappens,
    /// Partners refuse the person where the canvas waits for their answer; else they take them.
    #[serde(default)]
    pub refused: bool,
}

/// What is taken to happen while someone waits.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum WhatHappens {
    /// Whatever is waited for, or nothing.
    Anything(bool),
    /// Events and joins of segments of these names.
    These(Vec<String>),
}

impl Default for WhatHappens {
    fn default() -> Self {
        WhatHappens::Anything(false)
    }
}

/// Who is sent through a step, as a trial.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The canvas, as YAML or JSON.
    pub canvas: String,
    /// The `audience_sync` step.
    pub step: String,
    /// The partner's id of the audience, where it is not known yet.
    pub audience: Option<String>,
    /// The people.
    pub people: Vec<caravan_model::Profile>,
}

/// What is sealed or unsealed. Its debug form shows no secret.
#[derive(Clone, Debug)]
pub enum Sealing {
    /// A connector's app.
    App {
        /// The connector.
        connector: String,
        /// The app's id.
        client_id: String,
        /// The app's secret.
        client_secret: Secret,
    },
    /// A token that somebody brings.
    Token {
        /// The connection.
        connection: String,
        /// The token.
        token: Secret,
        /// Whether it is a service account's key file, where the partner takes one.
        service_account: bool,
        /// What whoever brings it says that it is, where the partner's quotas differ by it.
        called_as: Option<QuotaCredential>,
        /// Whether it may replace what is there.
        replace: bool,
    },
    /// A person is asked for consent.
    Connect {
        /// The connection.
        connection: String,
        /// Whether it may replace what is there.
        replace: bool,
    },
    /// A connector's app is looked at: its id, never its secret.
    ShowApp {
        /// The connector.
        connector: String,
    },
    /// A connector's app is forgotten.
    RemoveApp {
        /// The connector.
        connector: String,
    },
    /// What is sealed for a connection is looked at: its kind and times, no value.
    Show {
        /// The connection.
        connection: String,
    },
    /// What is sealed for a connection ends.
    Disconnect {
        /// The connection.
        connection: String,
    },
}

/// What is done with installed connectors.
#[derive(Clone, Debug)]
pub enum Registry {
    /// All versions, and those inside the program.
    List,
    /// What one asks for.
    Inspect(String),
    /// The newest lines that one logged on this host, so many.
    Logs(String, usize),
    /// How the requests of the version that waits differ from those of the one in use.
    Compare(String),
    /// Keeps a component's bytes; it waits for approval.
    Install(Vec<u8>),
    /// Allows the waiting version: what a grant says, or all that it asks for.
    Grant(String, Option<String>),
    /// Takes the waiting version into use, everywhere or for one connection first.
    Upgrade(String, Option<String>),
    /// Ends a trial, or goes back to the version before.
    RollBack(String),
    /// Keeps a connection at a version, or lets it go with the others again.
    Pin(String, Option<String>),
    /// Removes a connector, or one version.
    Uninstall(String),
}

/// A segment that is to be sent to an audience.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The segment.
    #[serde(default)]
    #[schema(ignore)]
    pub segment: String,
    /// The connection.
    pub connection: String,
    /// Our short name of one of its accounts.
    pub account: String,
    /// `streaming` keeps the audience in step, `once` makes new audiences of today's members, one per field.
    pub mode: Mode,
    /// The fields to match on.
    #[serde(rename = "match")]
    pub match_on: Vec<String>,
    /// The audience's name at the partner; the segment's if not given.
    #[serde(default)]
    pub audience: Option<String>,
    /// The partner's id of an audience that is there.
    #[serde(default)]
    pub id: Option<String>,
    /// One of the connector's kinds of audience.
    #[serde(default)]
    pub kind: Option<String>,
    /// Who is mailed once everyone of `once` is exported; the member who asks if not given.
    #[serde(default)]
    pub mail: Option<String>,
    /// The id of the canvas that is written for it.
    #[serde(default)]
    pub canvas: Option<String>,
}

/// How a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Kept in step.
    Streaming,
    /// Once, never updated.
    Once,
}

/// A connection, without anything secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// Its name.
    pub name: String,
    /// The connector as it is named.
    pub connector: String,
    /// Where it is kept and changed: `file` or `store`.
    pub kept_in: String,
    /// For people.
    pub description: Option<String>,
    /// Our short names of accounts, with the partner's ids.
    #[schema(value_type = Object)]
    pub accounts: BTreeMap<String, String>,
    /// Those of them that are switched off.
    pub off: Vec<String>,
    /// The country of phone numbers that name none.
    pub default_country: Option<String>,
    /// Which of a person's fields are sent as which identifiers, where not the partner's defaults.
    #[schema(value_type = Object)]
    pub identities: Value,
    /// Match keys by which an e-mail, phone or name may leave unhashed.
    pub raw: BTreeSet<String>,
    /// Settings that the connector's manifest describes.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Where secrets are kept that are not sealed: `env NAME`, `file PATH`.
    #[schema(value_type = Object)]
    pub secrets: BTreeMap<String, String>,
    /// Whether it leads to the emulator, never to the partner.
    pub lab: bool,
    /// When its token ends, where that is known.
    pub token_ends: Option<String>,
    /// What is sealed for it; nothing where nothing is.
    pub sealed: Option<SealedView>,
    /// What uses it: canvases, lists, queues.
    pub used_by: Vec<String>,
}

/// What is sealed for a connection, without any value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SealedView {
    /// A token by hand, a person's consent, a service account.
    pub kind: String,
    /// When it ends, in milliseconds of UTC.
    pub ends: Option<i64>,
    /// Scopes that were asked for and not given: nothing is sent without them.
    pub lacks: Vec<String>,
}

/// A connection that is forgotten.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Forgotten {
    /// Its name.
    pub connection: String,
    /// Audiences that stay at the partner as they are.
    pub audiences: Vec<String>,
}

/// What became of a policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PolicyKept {
    /// Whether it is kept.
    pub kept: bool,
    /// Live canvases that it refuses, with what is wrong with each.
    #[schema(value_type = Object)]
    pub refuses: Value,
    /// Connections whose match fields were not looked at.
    pub unseen: Vec<String>,
}

/// The slots of the installation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SlotsView {
    /// The workspace that keeps them, for all.
    pub workspace: String,
    /// Whether partners are limited at all; else every one may be used.
    pub limited: bool,
    /// How often three slots were bought.
    pub purchases: u32,
    /// How many slots that makes.
    pub bought: u64,
    /// How many of them are left.
    pub left: u64,
    /// Partners that are free, have a slot, or have queues.
    pub partners: Vec<SlotUse>,
    /// Whether a change is kept; none where only a look was asked for.
    pub kept: Option<bool>,
    /// Live canvases that a change refuses: workspace, canvas, and what is wrong.
    #[schema(value_type = Vec<Object>)]
    pub refuses: Value,
}

/// A partner among them.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SlotUse {
    /// Its connector's name.
    pub partner: String,
    /// `free`, `slot`, `not entitled`; `allowed` where partners are not limited.
    pub state: String,
    /// Its queues, over all workspaces.
    pub queues: u64,
    /// People who wait in them.
    pub waiting: u64,
}
