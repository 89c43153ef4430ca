//! The command line as people type it.
use caravan_model::{Action, Duration};
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

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
    /// The workspace within the store.
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

/// All verbs: daily work at the top, else NOUN VERB.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lets the people of a file enter a canvas and stays until they are through.
    Run(RunArgs),
    /// Shows the requests that people would cause, without any connection.
    DryRun(DryRunArgs),
    /// Partners' emulators on this machine, and synthetic people.
    Lab(LabArgs),
    /// What an error code means and what to do.
    Explain {
        /// The code of an error (CV020) or of a reason (no-identifier); without it, all of them.
        code: Option<String>,
    },
    /// Canvases: check, format, schema.
    #[command(subcommand)]
    Canvas(CanvasVerb),
    /// People.
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// Connections to partners.
    #[command(subcommand)]
    Connection(ConnectionVerb),
    /// Connectors: the components that speak with partners.
    #[command(subcommand)]
    Connector(ConnectorVerb),
    /// Queues: what waits for an audience.
    #[command(subcommand)]
    Queue(QueueVerb),
    /// Batches: what was sent in one call.
    #[command(subcommand)]
    Batch(BatchVerb),
    /// The workspace's policy: what an add needs of a person, and what labelled data must not be used for.
    #[command(subcommand)]
    Policy(PolicyVerb),
}

/// `caravan policy VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyVerb {
    /// Checks a policy and keeps it in the store, from the next run on. Exit 1 where it refuses live canvases; then it
    /// is kept only with --yes.
    Set {
        /// The policy.
        policy: PathBuf,
    },
    /// Prints the policy of the store.
    Show,
    /// Checks a policy, and where there is a store, says which live canvases it would refuse. Exit 1 if any.
    Check {
        /// The policy.
        policy: PathBuf,
    },
}

/// `caravan run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
    /// The canvas.
    pub canvas: PathBuf,
    /// Files of people: CSV or JSON lines. A row counts as the trigger.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub users: Vec<PathBuf>,
    /// The connections; connections.yaml beside the canvas if not given.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// The workspace's policy, kept in the store as by `policy set`; the store's own if not given.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Events of these people, JSON lines: {external_id, event, at, properties?, message_id?}.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long to stay for people who wait in a delay or for a partner.
    #[arg(long, default_value = "0", value_name = "SPAN")]
    pub wait: Duration,
    /// Treat every delay as over at once.
    #[arg(long)]
    pub skip_delays: bool,
    /// Let people in anew who came in by the same file before.
    #[arg(long)]
    pub again: bool,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
    /// Do not compare with the lab at the end, hash by hash: it takes about as long as half the run.
    #[arg(long)]
    pub no_lab_check: bool,
}

/// `caravan dry-run`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DryRunArgs {
    /// The canvas; with --step.
    #[arg(required_unless_present = "connector", conflicts_with = "connector", requires = "step")]
    pub canvas: Option<PathBuf>,
    /// The audience_sync step whose requests to show.
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

/// `caravan lab`.
#[derive(Clone, Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LabArgs {
    /// The lab's own port; the partners follow on the next ones. Free ports if not given.
    #[arg(long, value_name = "N")]
    pub base_port: Option<u16>,
    /// Any well-formed account and audience exists, and nothing is rate limited.
    #[arg(long)]
    pub permissive: bool,
    /// Where audiences and members are kept: read at the start if the file is there, written when the lab stops.
    #[arg(long, value_name = "FILE")]
    pub state: Option<std::path::PathBuf>,
    /// Something else than the emulators.
    #[command(subcommand)]
    pub verb: Option<LabVerb>,
}

/// `caravan lab VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum LabVerb {
    /// Writes a file of synthetic people.
    People {
        /// How many.
        #[arg(long, value_name = "N")]
        count: u64,
        /// The same seed gives the same people.
        #[arg(long, default_value_t = 1, value_name = "S")]
        seed: u64,
        /// The file; standard output if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// `caravan canvas VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum CanvasVerb {
    /// Says everything that is wrong with a canvas, its connections and match fields.
    Validate {
        /// The canvas.
        canvas: PathBuf,
        /// The connections; connections.yaml beside the canvas if it is there.
        #[arg(long, value_name = "FILE")]
        connections: Option<PathBuf>,
        /// The workspace's policy; that of the canvas's store if not given.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Prints a canvas in its canonical form.
    Fmt {
        /// The canvases.
        #[arg(required = true)]
        canvas: Vec<PathBuf>,
        /// Print nothing; exit 1 where a file is not in canonical form.
        #[arg(long, conflicts_with = "write")]
        check: bool,
        /// Change the files.
        #[arg(long)]
        write: bool,
    },
    /// Prints the JSON Schema of canvases, for editors.
    Schema {
        /// Of connections.yaml instead.
        #[arg(long)]
        connections: bool,
        /// Of policy.yaml instead.
        #[arg(long, conflicts_with = "connections")]
        policy: bool,
    },
}

/// `caravan profile VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ProfileVerb {
    /// The way of a person through all canvases, and where they stand.
    Trace {
        /// An external id, alias, e-mail, phone, device id, or a digest that was sent.
        identifier: String,
        /// Show e-mails, phones and names unmasked.
        #[arg(long)]
        reveal: bool,
    },
}

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

/// `caravan connector VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectorVerb {
    /// What a connector asks for and how it sends, in plain words, without running it.
    Inspect {
        /// A bundled connector's name, or a component's file.
        connector: String,
    },
    /// The connectors inside this program.
    List,
}

/// `caravan queue VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum QueueVerb {
    /// All queues, what waits in them and why.
    List,
    /// Lets a held queue go on with the next `caravan run`.
    Resume {
        /// The queue: its audience as `queue list` shows it.
        queue: String,
    },
}

/// `caravan batch VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum BatchVerb {
    /// A batch: who asked for it, attempts, answers.
    Show {
        /// Its name, as `profile trace` and `queue list` show it.
        name: String,
    },
}
