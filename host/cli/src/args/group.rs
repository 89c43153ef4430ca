//! `caravan segment VERB` and `caravan list VERB`.
use clap::Subcommand;
use std::path::PathBuf;

/// `caravan segment VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum SegmentVerb {
    /// Checks a segment and keeps it, new or changed; a serving host then asks everyone its rule.
    Set {
        /// The segment.
        segment: PathBuf,
    },
    /// Lists segments, with how many are in them.
    List,
    /// Prints a segment's rule and who is in it.
    Show {
        /// Its name.
        segment: String,
        /// The external ids of its members as well, in this number at most.
        #[arg(long, value_name = "N", default_value_t = 0)]
        members: usize,
    },
    /// Counts who fulfils a segment's rule at this moment, without keeping anything: reads everyone.
    Count {
        /// A file, or the name of a segment that is kept.
        segment: String,
    },
    /// Keeps an audience in step with a segment, or exports its members once: publishes a canvas that does it.
    Activate(Box<ActivateArgs>),
    /// Forgets a segment that no live canvas and no other segment mentions.
    Remove {
        /// Its name.
        segment: String,
    },
    /// Prints the JSON Schema of segments, for editors.
    Schema,
}

/// `caravan list VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum ListVerb {
    /// Makes an empty list.
    Create {
        /// Its name.
        list: String,
    },
    /// Puts the people of files on a list; they are merged in, as `profile import` does.
    Add {
        /// The list.
        list: String,
        /// CSV or JSONL.
        #[arg(required = true)]
        users: Vec<PathBuf>,
    },
    /// Takes the people of files off a list.
    Take {
        /// The list.
        list: String,
        /// CSV or JSONL.
        #[arg(required = true)]
        users: Vec<PathBuf>,
    },
    /// Lists all lists, with how many are on them.
    List,
    /// Says who is on a list.
    Show {
        /// Its name.
        list: String,
        /// The external ids of its members as well, in this number at most.
        #[arg(long, value_name = "N", default_value_t = 0)]
        members: usize,
    },
    /// Has the members of an external audience put on a list, now and whenever somebody joins it; a serving host does it.
    Import(Box<ImportArgs>),
    /// Says how the imports of a list stand.
    Imports {
        /// The list.
        list: String,
    },
    /// Ends an import; who is on the list stays there.
    EndImport {
        /// The list.
        list: String,
        /// The import's id, as `list imports` prints it.
        import: String,
    },
    /// Names members of imported audiences whom nobody here is, each with the reason. They join once they become known.
    Unlinked {
        /// The list.
        list: String,
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Forgets a list that no live canvas and no segment mentions.
    Remove {
        /// Its name.
        list: String,
    },
}

/// `caravan list import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The list.
    pub list: String,
    /// Makes the list where it is not there.
    #[arg(long)]
    pub create: bool,
    /// The connection of the source.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "from_files",
        requires = "folder",
        requires = "audience"
    )]
    pub from: Option<String>,
    /// A folder in which files of members are handed over, by its name in caravan.toml on the host's machine
    /// (`[workspaces.W.hand_overs.NAME]`): CSV or tab-delimited, as file destinations of Experience Platform write them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "folder", "full_every"])]
    pub from_files: Option<String>,
    /// The source's folder, one of the connection's accounts. At Experience Platform it is the sandbox: folders of its
    /// Audience Library are no folders of the API, and their audiences are listed with the sandbox's.
    #[arg(long, value_name = "ID")]
    pub folder: Option<String>,
    /// The source's id of the audience. Of files: what their column of audiences holds; where they have none, files are read
    /// whose name contains it, and all without it.
    #[arg(long, value_name = "ID")]
    pub audience: Option<String>,
    /// How often the source is asked anew.
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub every: caravan_model::Duration,
    /// How often everyone is read anew, so that whatever was not told in between comes right; `1d` if not given.
    #[arg(long, value_name = "SPAN")]
    pub full_every: Option<caravan_model::Duration>,
    /// Takes whoever leaves the audience off the list, too.
    #[arg(long)]
    pub leavers: bool,
    /// The connections; connections.yaml in this folder if not given.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}

impl ImportArgs {
    /// What they name as source: a connection, or a folder of files.
    pub fn source(&self) -> String {
        match (&self.from_files, &self.from) {
            (Some(name), _) => format!("{}{name}", caravan_runner::FOLDER),
            (None, from) => from.clone().unwrap_or_default(),
        }
    }
}

/// `caravan segment activate`.
#[derive(Clone, Debug, clap::Args)]
pub struct ActivateArgs {
    /// The segment.
    pub segment: String,
    /// The connection of the partner.
    #[arg(long, value_name = "NAME")]
    pub connection: String,
    /// Our short name of one of its accounts.
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// The audience's name at the partner; the segment's name if not given.
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,
    /// The partner's id of an audience that is there already.
    #[arg(long, value_name = "ID", conflicts_with = "audience")]
    pub id: Option<String>,
    /// One of the connector's kinds of audience, where there are several.
    #[arg(long)]
    pub kind: Option<String>,
    /// The fields to match on.
    #[arg(long = "match", value_name = "FIELDS", value_delimiter = ',', required = true)]
    pub match_on: Vec<String>,
    /// `streaming`: who joins is added, who leaves is removed, who changes is replaced. `once`: the members of this moment
    /// go into new audiences, one for each field, named by segment, field and date; they are never changed later.
    #[arg(long, value_enum, default_value_t = ActivationMode::Streaming)]
    pub mode: ActivationMode,
    /// Who is mailed once everyone is exported, with what became of them.
    #[arg(long, value_name = "ADDRESS")]
    pub mail: Option<String>,
    /// The id of the canvas that does it; made from segment and connection if not given.
    #[arg(long, value_name = "ID")]
    pub canvas: Option<String>,
    /// The connections; connections.yaml in this folder if not given.
    #[arg(long, value_name = "FILE", default_value = "connections.yaml")]
    pub connections: PathBuf,
    /// The address of a running lab, for lab connections; without it one starts in the process.
    #[arg(long, env = "CARAVAN_LAB", value_name = "URL")]
    pub lab: Option<String>,
}

/// How a segment is activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ActivationMode {
    /// Kept in step.
    Streaming,
    /// Exported once.
    Once,
}
