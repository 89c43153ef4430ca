//! `cargo xtask bench`: builds, then hands over to the `bench` program of `tests/`, which knows the rooms.
use crate::build;
use anyhow::{Result, bail};
use xtask::stage::{Stages, cargo, must};

/// The cases that the program knows, in the order in which they run.
const CASES: [&str; 8] = ["identity", "load", "call", "neighbour", "path", "quota", "stream", "waiting"];

/// What is measured, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Options(Vec<String>);

impl Options {
    /// Reads the words behind `bench`, before anything is built.
    pub fn parse(arguments: &[String]) -> Result<Options> {
        for word in arguments {
            match word.as_str() {
                "--quick" => {}
                flag if flag.starts_with('-') => bail!("the benchmark has no flag `{flag}`: --quick"),
                case if CASES.contains(&case) => {}
                other => bail!("there is no case `{other}`: {}", CASES.join(", ")),
            }
        }
        Ok(Options(arguments.to_vec()))
    }
}

/// Runs the benchmark.
pub fn run(options: &Options) -> Result<()> {
    let mut stages = Stages::new(3);
    build::guests(&mut stages)?;
    build::host(&mut stages)?;
    stages.step("Measuring", || {
        must(
            cargo()
                .args(["run", "--quiet", "--locked", "--package", "caravan-bench", "--bin", "bench", "--"])
                .args(&options.0),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask::stage::root;

    #[test]
    fn words_that_the_benchmark_does_not_know_are_refused_before_it_is_built() {
        let parse = |words: &[&str]| Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(parse(&[]).is_ok() && parse(&["stream", "--quick"]).is_ok());
        for bad in [&["--people"][..], &["-q"], &["steam"]] {
            assert!(parse(bad).unwrap_err().to_string().contains(bad[0]), "{bad:?}");
        }
    }

    #[test]
    fn the_cases_are_those_of_the_program() {
        let source = std::fs::read_to_string(root().join("tests/bench/src/main.rs")).expect("the program");
        let known: Vec<&str> = source
            .lines()
            .filter(|line| line.contains("::measure),"))
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        assert_eq!(known, CASES);
        let help = crate::help::of("bench").expect("a task");
        assert!(CASES.iter().all(|case| help.contains(case)), "{help}");
    }
}
