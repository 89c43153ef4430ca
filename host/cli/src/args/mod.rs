//! The command line as people type it, a file for each noun.
mod alert;
mod audience;
mod audit;
mod batch;
mod canvas;
mod catalogue;
mod config;
mod connection;
mod connector;
mod consent;
mod delivery;
mod dry_run;
mod entitlement;
mod event;
mod group;
mod host;
mod lab;
mod member;
mod policy;
mod profile;
mod queue;
mod run;
mod serve;
mod store;
mod workspace;

pub use alert::{AlertAddArgs, AlertVerb};
pub use audience::AudienceVerb;
pub use audit::AuditVerb;
pub use batch::{BatchArgs, BatchVerb};
pub use canvas::{CanvasVerb, CapArgs, DiffArgs, ForecastArgs, NewArgs, PreviewArgs, PublishArgs, ReplayArgs};
pub use catalogue::CatalogueVerb;
pub use config::ConfigVerb;
pub use connection::{AudiencesArgs, ConnectionArgs, ConnectionForm, ConnectionVerb, ConnectionsFile, Switched};
pub use connector::{ConnectorVerb, OciLoginArgs};
pub use consent::{AppVerb, ConnectArgs, NamedConnection, TokenArgs};
pub use delivery::DeliveryArgs;
pub use dry_run::DryRunArgs;
pub use entitlement::EntitlementVerb;
pub use event::EventVerb;
pub use group::{ActivateArgs, ActivationMode, ImportArgs, ListVerb, SegmentVerb};
pub use host::HostVerb;
pub use lab::{LabArgs, LabVerb};
pub use member::{KeyVerb, MemberVerb};
pub use policy::PolicyVerb;
pub use profile::ProfileVerb;
pub use queue::{QueueVerb, ResendArgs, ScopeArgs};
pub use run::RunArgs;
pub use serve::ServeArgs;
pub use store::StoreVerb;
pub use workspace::{CreateArgs, WorkspaceVerb};

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Moves people along canvases into advertising audiences, through WebAssembly connectors.
#[derive(Debug, Parser)]
#[command(name = "caravan", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done · 1 done as far as possible, something needs you · 2 not done: usage or \
    input · 130 interrupted, state kept.\nErrors carry a code; `caravan explain CODE` tells more.")]
pub struct Args {
    /// What every verb understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Clone, Debug, ClapArgs)]
pub struct Global {
    /// The store: a file, or sqlite:PATH.
    #[arg(long, global = true, value_name = "STORE", env = "CARAVAN_STORE")]
    pub store: Option<String>,
    /// The configuration; caravan.toml in this folder if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "CARAVAN_CONFIG")]
    pub config: Option<std::path::PathBuf>,
    /// A serving host to talk to instead of a store: its address; the key stands in CARAVAN_KEY.
    #[arg(long, global = true, value_name = "URL", env = "CARAVAN_SERVER", conflicts_with = "store")]
    pub server: Option<String>,
    /// The workspace: one of the configuration.
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    pub workspace: String,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask before something that deletes, sends or widens.
    #[arg(long, global = true)]
    pub yes: bool,
    /// No progress and no remarks, only data and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

impl Global {
    /// The same for another workspace.
    pub fn of_workspace(&self, name: &str) -> Global {
        Global { workspace: name.to_owned(), ..self.clone() }
    }
}

/// All verbs: daily work at the top, else NOUN VERB.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lets the people of a file enter a canvas and stays until they are through.
    Run(RunArgs),
    /// Takes events in over HTTP, moves people along all live canvases and delivers, until it is stopped.
    Serve(ServeArgs),
    /// Shows the requests that people would cause, without any connection.
    DryRun(DryRunArgs),
    /// Partners' emulators on this machine, and synthetic people.
    Lab(LabArgs),
    /// Looks whether everything is there to work with: program, configuration, stores, connections; of a serving host, how it
    /// is. Exit 1 where something is wrong.
    Doctor,
    /// What an error code means and what to do.
    Explain {
        /// The code of an error (CV020) or of a reason (no-identifier); without it, all of them.
        code: Option<String>,
    },
    /// The configuration: caravan.toml.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Workspaces: each has its own people, connections and store.
    #[command(subcommand)]
    Workspace(WorkspaceVerb),
    /// Hosts: who serves, and asking one to go.
    #[command(subcommand)]
    Host(HostVerb),
    /// Canvases: check, format, schema, pause, stop.
    #[command(subcommand)]
    Canvas(CanvasVerb),
    /// People.
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// Events: what people did.
    #[command(subcommand)]
    Event(EventVerb),
    /// The catalogue: which events, properties and attributes are observed.
    #[command(subcommand)]
    Catalogue(CatalogueVerb),
    /// Segments: rules that say who is in.
    #[command(subcommand)]
    Segment(SegmentVerb),
    /// Lists: people who were put on them.
    #[command(subcommand)]
    List(ListVerb),
    /// Connections to partners.
    #[command(subcommand)]
    Connection(ConnectionVerb),
    /// Connectors: the components that speak with partners.
    #[command(subcommand)]
    Connector(ConnectorVerb),
    /// Audiences: who stands where, fill again, take back, bind anew.
    #[command(subcommand)]
    Audience(AudienceVerb),
    /// Queues: what waits for an audience.
    #[command(subcommand)]
    Queue(QueueVerb),
    /// Batches: what was sent in one call.
    #[command(subcommand)]
    Batch(BatchVerb),
    /// Alerts: who is told of what, and what is wrong now.
    #[command(subcommand)]
    Alert(AlertVerb),
    /// The workspace's policy: what an add needs of a person, and what labelled data must not be used for.
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Slots: which partners the installation may use.
    #[command(subcommand)]
    Entitlement(EntitlementVerb),
    /// Members: people who sign in to a serving host.
    #[command(subcommand)]
    Member(MemberVerb),
    /// Keys: secrets by which machines and the command line speak with a serving host.
    #[command(subcommand)]
    Key(KeyVerb),
    /// The audit chain: who changed what.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// The store itself: back it up, look it through, forget what is old.
    #[command(name = "store", subcommand)]
    Keep(StoreVerb),
}
