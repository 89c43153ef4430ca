//! The benchmark: cases as data, every comparison a ratio within one run, raw results kept with the machine described.
//! `cargo xtask bench [CASE…] [--quick]` builds what it needs and runs it.
mod call;
mod identity;
mod load;
mod machine;
mod neighbour;
mod path;
mod peer;
mod quota;
mod stream;
mod table;
mod waiting;

use anyhow::{Result, bail};
use table::Figure;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Fewer rounds and people: orients, does not prove.
    pub quick: bool,
}

/// A case: its name, and what measures it.
type Case = (&'static str, fn(Effort) -> Result<Vec<Figure>>);

/// All cases, in the order in which they run.
const CASES: [Case; 8] = [
    ("identity", identity::measure),
    ("load", load::measure),
    ("call", call::measure),
    ("neighbour", neighbour::measure),
    ("path", path::measure),
    ("quota", quota::measure),
    ("stream", stream::measure),
    ("waiting", waiting::measure),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "peer") {
        return peer::serve(arguments.get(1).is_some_and(|word| word == peer::COUNTING));
    }
    let effort = Effort { quick: arguments.iter().any(|word| word == "--quick") };
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|word| CASES.iter().all(|(name, _)| name != *word)) {
        bail!("there is no case `{unknown}`: {}", CASES.map(|(name, _)| name).join(", "));
    }
    let mut figures = Vec::new();
    for (name, measure) in CASES {
        if wanted.is_empty() || wanted.iter().any(|word| *word == name) {
            eprintln!("measuring {name} …");
            figures.extend(measure(effort)?);
        }
    }
    table::print(&figures);
    let kept = machine::keep(&figures, effort)?;
    println!("\nraw results: {}", kept.display());
    Ok(())
}
