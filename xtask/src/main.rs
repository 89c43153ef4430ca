//! Builds, the demo, the test suite and the benchmark: `cargo xtask demo|test|bench|fuzz|build-guests|tidy`.
//! It names no crate of the host, so that it is there before anything else is built.
mod bench;
mod build;
mod demo;
mod fuzz;
mod suite;
mod tidy;

use anyhow::{Result, bail};
use xtask::stage;

const USAGE: &str = "\
cargo xtask demo [--trouble] [--people N] [--again]   100,000 people through two sandboxed components to the lab
cargo xtask test [--full]                             the whole suite, as CI runs it
cargo xtask bench [CASE…] [--quick]                   measure: call, identity, path, load, neighbour, quota
cargo xtask fuzz [TARGET…] [--seconds N]              the properties of strangers' inputs, led by coverage
cargo xtask build-guests                              the connectors, for wasm32-wasip2
cargo xtask tidy                                      formatting, file sizes, paths named in the docs";

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
    match verb {
        "demo" => demo::run(&demo::Options::parse(rest)?),
        "test" => suite::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(&fuzz::Options::parse(rest)?),
        "build-guests" => build::guests(&mut stage::Stages::new(1)),
        "tidy" => tidy::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no task `{other}`\n{USAGE}"),
    }
}
