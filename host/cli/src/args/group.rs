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
    /// Forgets a list that no live canvas and no segment mentions.
    Remove {
        /// Its name.
        list: String,
    },
}
