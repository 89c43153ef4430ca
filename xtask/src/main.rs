//! Builds, the demo, the test suite and the benchmark: `cargo xtask demo|test|bench|fuzz|build-guests|tidy`.
//! It names no crate of the host, so that it is there before anything else is built.
mod bench;
mod build;
mod demo;
mod fuzz;
mod help;
mod suite;
mod tidy;

use anyhow::{Result, bail};
use xtask::stage;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (verb, rest) = match arguments.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    // Help is given before anything is built.
    if help::is_asked(rest)
        && let Some(text) = help::of(verb)
    {
        println!("{text}");
        return Ok(());
    }
    match verb {
        "demo" => demo::run(&demo::Options::parse(rest)?),
        "test" => suite::run(rest),
        "bench" => bench::run(&bench::Options::parse(rest)?),
        "fuzz" => fuzz::run(&fuzz::Options::parse(rest)?),
        "build-guests" => alone(verb, rest).and_then(|()| build::guests(&mut stage::Stages::new(1))),
        "tidy" => alone(verb, rest).and_then(|()| tidy::run()),
        "help" | "--help" | "-h" => {
            println!("{}", help::of_all());
            Ok(())
        }
        other => bail!("there is no task `{other}`\n{}", help::of_all()),
    }
}

/// A task that takes no words.
fn alone(verb: &str, rest: &[String]) -> Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(word) => bail!("`cargo xtask {verb}` takes nothing, and was given `{word}`"),
    }
}
