//! One file per verb.
mod activate;
mod alert;
mod audience;
mod audit;
mod batch;
mod canvas;
mod catalogue;
mod connection;
mod connector;
mod dry_run;
mod event;
mod explain;
mod group;
mod lab;
mod policy;
mod profile;
mod queue;
mod run;
mod serve;
mod store;

use crate::args::{Args, BatchVerb, Global, PolicyVerb, Verb};
use crate::fail::{End, usage};
use crate::stores;
use caravan_runner::Runner;
use caravan_store::{Sqlite, Version};

/// Does what the command line says.
pub async fn run(args: Args) -> anyhow::Result<End> {
    let global = args.global;
    if global.workspace != "default" {
        return Err(usage(
            format!("there is no workspace `{}`", global.workspace),
            "this version has one workspace a store, `default`: name another store instead",
        )
        .into());
    }
    match args.verb {
        Verb::Run(args) => run::run(&global, &args).await,
        Verb::Serve(args) => serve::serve(&global, &args).await,
        Verb::DryRun(args) => dry_run::dry_run(&global, &args).await,
        Verb::Lab(args) => lab::lab(&global, args).await,
        Verb::Explain { code } => explain::explain(&global, code.as_deref()),
        Verb::Canvas(verb) => canvas::canvas(&global, verb).await,
        Verb::Connection(verb) => connection::connection(&global, verb).await,
        Verb::Connector(verb) => connector::connector(&global, verb).await,
        Verb::Profile(verb) => profile::profile(&global, verb).await,
        Verb::Audience(verb) => audience::audience(&global, verb).await,
        Verb::Queue(verb) => queue::queue(&global, verb).await,
        Verb::Segment(verb) => group::segment(&global, verb).await,
        Verb::List(verb) => group::lists(&global, verb).await,
        Verb::Alert(verb) => alert::alert(&global, verb).await,
        Verb::Batch(BatchVerb::Show(args)) => batch::show(&global, &look(&global)?, &args).await,
        Verb::Event(verb) => event::event(&global, verb).await,
        Verb::Catalogue(verb) => catalogue::catalogue(&global, verb, &look(&global)?).await,
        Verb::Keep(verb) => store::store(&global, verb).await,
        Verb::Audit(verb) => audit::audit(&global, verb).await,
        Verb::Policy(PolicyVerb::Set { policy }) => policy::set(&global, &policy).await,
        Verb::Policy(PolicyVerb::Check { policy }) => policy::check(&global, &policy).await,
        Verb::Policy(PolicyVerb::Show) => policy::show(&global, &look(&global)?).await,
    }
}

/// The store that is there already, for looking: also while a run owns it.
fn look(global: &Global) -> anyhow::Result<Sqlite> {
    Ok(Sqlite::open_read_only(stores::existing(global)?)?)
}

/// Says on stderr which other canvases undo what this version does.
pub async fn tell_opposites(runner: &Runner<Sqlite>, version: &Version) -> anyhow::Result<()> {
    for opposite in runner.opposites(version).await? {
        eprintln!("note: {opposite}");
    }
    Ok(())
}
