//! `caravan`: the command line, where all rooms are joined.
//!
//! Data goes to stdout, all else to stderr. An error prints its code, place and cure; `caravan explain CODE` tells
//! more. Exit codes: 0 done, 1 something needs you, 2 not done, 130 interrupted with state kept.
mod args;
mod ask;
mod bundle;
mod check;
mod config;
mod connections;
mod exchange;
mod fail;
mod files;
mod host;
mod https;
mod installation;
mod kept;
mod mapped;
mod memory;
mod out;
mod policies;
mod progress;
mod raw;
mod registry;
mod remote;
mod rows;
mod stop;
mod stores;
mod summary;
mod telemetry;
mod verbs;

use caravan_files::users;
use caravan_runner::control::names;
use clap::Parser as _;
use std::process::ExitCode;

/// What nobody types: this program again, as the compiler of a component ([`caravan_connectors::compile`]).
const COMPILE: &str = "__compile";

fn main() -> ExitCode {
    memory::few_heaps();
    if std::env::args_os().nth(1).is_some_and(|verb| verb == COMPILE) {
        return match caravan_connectors::compile(std::io::stdin().lock(), std::io::stdout().lock()) {
            Ok(()) => fail::End::Done.into(),
            Err(problem) => {
                eprintln!("{}", problem.message);
                fail::End::NotDone.into()
            }
        };
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // A reader that left early is no error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { fail::End::NotDone.code() } else { fail::End::Done.code() });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail::report(&anyhow::Error::new(error).context("no threads can be started")).into(),
    };
    let end = match runtime.block_on(run(args)) {
        Ok(end) => end,
        Err(error) => fail::report(&error),
    };
    // Work in the background, such as a lab's last answers, is not waited for: all that counts is committed.
    runtime.shutdown_background();
    end.into()
}

async fn run(args: args::Args) -> anyhow::Result<fail::End> {
    config::load(args.global.config.as_deref())?;
    let serves = matches!(args.verb, args::Verb::Serve(_));
    let telemetry = telemetry::Telemetry::start(args.global.quiet, serves)?;
    let end = verbs::run(args).await;
    telemetry.end().await;
    end
}
