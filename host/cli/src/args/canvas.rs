//! `caravan canvas VERB`.
use caravan_runner::control::Side;
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan canvas VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum CanvasVerb {
    /// Writes a canvas to begin with, which is sound: who enters, a pause, and a sync.
    New(NewArgs),
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
    /// Makes canvases live, without letting anyone in: `caravan serve` runs them.
    Publish(PublishArgs),
    /// Walks one person of the store through a canvas with time travel, and shows every decision and what each sync
    /// would send. Changes nothing.
    Preview(PreviewArgs),
    /// The check before a launch: who of the store may enter now, whom each sync could send and whom not and why, in how
    /// many calls, and how long the partner's quota makes that last. Exit 1 where something is worth a warning.
    Forecast(ForecastArgs),
    /// Counts who would have entered a canvas, and come to each step, by the events of the last days that the store still
    /// keeps; says what it takes for granted. Changes nothing.
    Replay(ReplayArgs),
    /// Stops entries and everyone who waits at a step, until it is resumed; what is queued still goes.
    Pause {
        /// The canvas's id.
        canvas: String,
    },
    /// Stops entries; those inside go on to their end. Tells what waits and what becomes of it.
    Stop {
        /// The canvas's id.
        canvas: String,
        /// Lets everyone inside out at once, too; what is queued of them and not sent is withdrawn.
        #[arg(long)]
        now: bool,
    },
    /// Lets people out at once, wherever in the canvas they wait; what is queued of them and not sent is withdrawn. Who is
    /// not inside is passed over.
    LetOut {
        /// The canvas's id.
        canvas: String,
        /// The people: external ids, aliases or, on a store of this machine, any other identifier.
        #[arg(long, value_name = "ID", required = true, num_args = 1..)]
        profile: Vec<String>,
    },
    /// Shows or changes how many may enter, counted over all versions; who is beyond is kept out.
    Cap(CapArgs),
    /// Lets people enter and go on again.
    Resume {
        /// The canvas's id.
        canvas: String,
    },
    /// Keeps a file as the canvas's draft, sound or not; nothing of it runs.
    Save {
        /// The canvas.
        canvas: PathBuf,
    },
    /// All canvases: how they stand, how many are inside, whether a draft is kept.
    List {
        /// Archived ones, too.
        #[arg(long)]
        archived: bool,
    },
    /// Prints a version's text, the newest if none is named.
    Show {
        /// The canvas's id.
        canvas: String,
        /// The version's number.
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// The draft instead.
        #[arg(long, conflicts_with = "version")]
        draft: bool,
    },
    /// How many are where and why: the canvas as a tree with the number of people at each step, by status and reason.
    /// Exit 1 where somebody is not accounted for.
    Numbers {
        /// The canvas's id.
        canvas: String,
        /// The version's number; the newest, and older ones that people are in, if not given.
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    /// All versions of a canvas: when, by whom, how many are inside.
    History {
        /// The canvas's id.
        canvas: String,
    },
    /// Makes a version's text the draft again; publishing it makes a new version.
    Restore {
        /// The canvas's id.
        canvas: String,
        /// The version's number.
        #[arg(long, value_name = "N")]
        version: u32,
    },
    /// What changed, in words and line by line: the draft, else the newest version, against the version before.
    Diff(DiffArgs),
    /// Puts a canvas away that nobody is in any more.
    Archive {
        /// The canvas's id.
        canvas: String,
    },
}

/// `caravan canvas new`.
#[derive(Clone, Debug, clap::Args)]
pub struct NewArgs {
    /// The canvas's id: lower case letters, digits and hyphens; it never changes. The file is ID.yaml.
    pub canvas: String,
    /// The connection of its audience; the first of connections.yaml in this folder if not given.
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// The account, by its short name; the connection's first if not given.
    #[arg(long, value_name = "NAME", requires = "connection")]
    pub account: Option<String>,
}

/// `caravan canvas diff`.
#[derive(Clone, Debug, clap::Args)]
pub struct DiffArgs {
    /// The canvas's id.
    pub canvas: String,
    /// A version's number, or `draft`.
    #[arg(long, value_name = "N")]
    pub from: Option<Side>,
    /// A version's number, `draft`, or a file.
    #[arg(long, value_name = "N|FILE")]
    pub to: Option<String>,
}

/// `caravan canvas replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// The canvas: a file, or the id of a draft that is kept.
    pub canvas: PathBuf,
    /// Events of so many days, as far as they are kept.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
}

/// How many may enter a canvas.
#[derive(Clone, Debug, clap::Args)]
pub struct CapArgs {
    /// The canvas's id.
    pub canvas: String,
    /// Ever; those who entered before count.
    #[arg(long, value_name = "PEOPLE")]
    pub total: Option<u64>,
    /// On a day of the workspace's time zone.
    #[arg(long, value_name = "PEOPLE")]
    pub day: Option<u64>,
    /// From one users file, or by one run of a schedule.
    #[arg(long, value_name = "PEOPLE")]
    pub run: Option<u64>,
    /// Forgets the caps that stand; those named beside it are set.
    #[arg(long)]
    pub off: bool,
}

impl CapArgs {
    /// Whether they change anything.
    pub fn changes(&self) -> bool {
        self.off || self.total.is_some() || self.day.is_some() || self.run.is_some()
    }
}

/// `caravan canvas publish`.
#[derive(Clone, Debug, clap::Args)]
pub struct PublishArgs {
    /// The canvases: files, or ids of drafts that the store keeps.
    #[arg(required = true, value_name = "CANVAS")]
    pub canvases: Vec<PathBuf>,
    /// People inside earlier versions go on in the new one, at the step of the same id and kind; others finish where they
    /// are. Says how many before. Without it and --finish, a terminal is asked; elsewhere --yes lets them finish.
    #[arg(long = "move")]
    pub move_inside: bool,
    /// People inside earlier versions finish there.
    #[arg(long, conflicts_with = "move_inside")]
    pub finish: bool,
    /// Leave out the check before: who may enter now, whom each sync could send, and what to mind.
    #[arg(long)]
    pub no_check: bool,
    /// The connections; connections.yaml in this folder if not given.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}

/// `caravan canvas preview`.
#[derive(Clone, Debug, clap::Args)]
pub struct PreviewArgs {
    /// The canvas.
    pub canvas: PathBuf,
    /// The person: an external id, alias or any other identifier of the store.
    #[arg(long, value_name = "ID")]
    pub profile: String,
    /// When they enter, as 2026-12-24T09:00:00Z; now if not given.
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
    /// What happens as soon as they wait for it: an event's or segment's name, again for each; without one, whatever they
    /// wait for. One that an exit rule names ends the entry. Else they wait in vain.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub happens: Vec<String>,
    /// Partners refuse the person where the canvas waits for their answer; else they take them.
    #[arg(long)]
    pub refused: bool,
    /// The connections; connections.yaml beside the canvas if it is there.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
}

/// `caravan canvas forecast`.
#[derive(Clone, Debug, clap::Args)]
pub struct ForecastArgs {
    /// The canvas.
    pub canvas: PathBuf,
    /// The connections; connections.yaml beside the canvas if it is there.
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
}
