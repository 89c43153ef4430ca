//! `caravan canvas VERB`.
use clap::Subcommand;
use std::path::PathBuf;

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
    /// Lets people enter and go on again.
    Resume {
        /// The canvas's id.
        canvas: String,
    },
}
