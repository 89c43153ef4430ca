//! What a reviewer would say otherwise: formatting, file sizes, files named in the docs that are not there.
use anyhow::{Context as _, Result, bail};
use std::{path::Path, process::Command};
use xtask::stage::{cargo, must, root};

/// No source file is longer.
const LINES: usize = 500;
/// Documents whose `paths` in backticks must exist, and whose tests (`FILE::FUNCTION`).
const DOCS: [&str; 5] = [
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/partners/errors.md",
    "docs/partners/traps.md",
    "docs/partners/unsure.md",
];

/// Checks all of it, and names all that is off.
pub fn run() -> Result<()> {
    must(cargo().args(["fmt", "--all", "--check"])).context("run `cargo fmt --all`")?;
    must(cargo().current_dir(root().join("guest-steps")).args(["fmt", "--all", "--check"]))
        .context("run `cargo fmt --all` in guest-steps")?;
    let mut off = Vec::new();
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "*.rs"]).output()?;
    for file in String::from_utf8_lossy(&listed.stdout).lines() {
        if let Ok(text) = std::fs::read_to_string(root().join(file)) {
            let lines = text.lines().count();
            if lines > LINES {
                off.push(format!("{file} has {lines} lines: split it by meaning (at most {LINES})"));
            }
        }
    }
    for doc in DOCS {
        let text = std::fs::read_to_string(root().join(doc)).with_context(|| format!("{doc} cannot be read"))?;
        off.extend(missing_paths(doc, &text));
        off.extend(missing_tests(doc, &text));
    }
    if !off.is_empty() {
        bail!("{} things to tidy:\n  {}", off.len(), off.join("\n  "));
    }
    Ok(())
}

/// Words in backticks that look like paths of this repository and are not there.
fn missing_paths(doc: &str, text: &str) -> Vec<String> {
    const TOPS: [&str; 9] =
        ["host/", "guest-steps/", "wit/", "tests/", "xtask/", "docs/", "examples/", ".ci/", ".cargo/"];
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| TOPS.iter().any(|top| word.starts_with(top)))
        .filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)))
        .filter(|word| !word.contains("/target/") && !Path::new(&root()).join(word).exists())
        .map(|word| format!("{doc} names `{word}`, which is not there"))
        .collect()
}

/// Words in backticks that name a function of a file and are not there.
fn missing_tests(doc: &str, text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|word| Some((word, word.split_once(".rs::")?)));
    named
        .filter(|(_, (file, function))| {
            let text = std::fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            !text.contains(&format!("fn {function}("))
        })
        .map(|(word, _)| format!("{doc} names `{word}`, which is not there"))
        .collect()
}
