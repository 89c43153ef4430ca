//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, on the pinned compiler.
//!
//! What libFuzzer needs of a compiler is stable: the pass that counts edges, by `-C passes`. So neither a nightly compiler nor
//! `cargo-fuzz` is asked for; a C++ compiler is, for libFuzzer itself.
use crate::suite::host_triple;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use xtask::stage::{Stages, cargo, must, root, target};

/// What `cargo fuzz run --sanitizer none` gives the compiler.
const FLAGS: [&str; 7] = [
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What is fuzzed, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    targets: Vec<String>,
    seconds: u32,
}

impl Options {
    /// Reads the words behind `fuzz`.
    pub fn parse(arguments: &[String]) -> Result<Options> {
        let (mut targets, mut seconds, mut rest) = (Vec::new(), 300, arguments.iter());
        let known = known()?;
        while let Some(word) = rest.next() {
            match word.as_str() {
                "--seconds" => {
                    let value = rest.next().and_then(|value| value.parse().ok()).filter(|seconds| *seconds > 0);
                    seconds = value.context("`--seconds` wants a number from 1 on")?;
                }
                target if known.iter().any(|known| known == target) => targets.push(target.to_owned()),
                other => bail!("there is no fuzz target `{other}`; there are: {}", known.join(", ")),
            }
        }
        Ok(Options { targets: if targets.is_empty() { known } else { targets }, seconds })
    }
}

/// All targets: the files in `fuzz/fuzz_targets`.
fn known() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Builds the targets and runs one after the other, each from its kept corpus on; ends at the first that finds something.
pub fn run(options: &Options) -> Result<()> {
    let mut stages = Stages::new(1 + options.targets.len());
    let (folder, built) = (root().join("fuzz"), target().join("fuzz"));
    // The versions that the suite runs on, where nothing else is there yet.
    let lock = folder.join("Cargo.lock");
    if !lock.exists() {
        std::fs::copy(root().join("Cargo.lock"), &lock).context("the lock file cannot be copied")?;
    }
    stages.step("Building the fuzz targets", || {
        let mut build = cargo();
        // With a target of its own the flags reach neither build scripts nor macros, which run without libFuzzer.
        build.current_dir(&folder).args(["build", "--release", "--target", host_triple(), "--target-dir"]).arg(&built);
        build.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
        must(build.args(options.targets.iter().flat_map(|target| ["--bin", target])))
    })?;
    let programs: PathBuf = built.join(host_triple()).join("release");
    for target in &options.targets {
        let (found, artifacts) = (folder.join("corpus").join(target), folder.join("artifacts").join(target));
        for folder in [&found, &artifacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        stages.step(&format!("Fuzzing {target} for {} s", options.seconds), || {
            let mut fuzz = Command::new(programs.join(target));
            fuzz.args([&found, &root().join("tests/corpora").join(target)]);
            fuzz.args([
                format!("-max_total_time={}", options.seconds),
                format!("-artifact_prefix={}/", artifacts.display()),
            ]);
            fuzz.args([
                "-max_len=4096",
                "-timeout=30",
                "-report_slow_units=2",
                "-rss_limit_mb=2048",
                "-malloc_limit_mb=512",
            ]);
            must(&mut fuzz).context("put the input into tests/corpora once it is mended, so that the suite holds it")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_the_folder_and_each_has_a_kept_corpus() {
        let all = Options::parse(&[]).expect("all of them");
        assert!(all.targets.len() >= 10 && all.seconds == 300);
        for target in &all.targets {
            assert!(root().join("tests/corpora").join(target).is_dir(), "{target}");
        }
        let one = Options::parse(&["url", "--seconds", "9"].map(str::to_owned)).expect("one");
        assert_eq!(one, Options { targets: vec!["url".into()], seconds: 9 });
        assert!(Options::parse(&["nothing".to_owned()]).is_err());
        assert!(Options::parse(&["--seconds".to_owned()]).is_err());
    }
}
