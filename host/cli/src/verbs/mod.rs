//! One file per verb.
mod batch;
mod canvas;
mod connection;
mod connector;
mod dry_run;
mod explain;
mod inspect;
mod lab;
mod policy;
mod queue;
mod run;
mod trace;

use crate::args::{Args, BatchVerb, Global, PolicyVerb, ProfileVerb, QueueVerb, Verb};
use crate::fail::{End, usage};
use crate::stores;
use caravan_store::{OpenOptions, Sqlite};

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
        Verb::DryRun(args) => dry_run::dry_run(&global, &args).await,
        Verb::Lab(args) => lab::lab(&global, args).await,
        Verb::Explain { code } => explain::explain(&global, code.as_deref()),
        Verb::Canvas(verb) => canvas::canvas(&global, verb).await,
        Verb::Connection(verb) => connection::connection(&global, verb).await,
        Verb::Connector(verb) => connector::connector(&global, verb),
        Verb::Profile(ProfileVerb::Trace { identifier, reveal }) => {
            trace::trace(&global, &look(&global)?, &identifier, reveal).await
        }
        Verb::Queue(QueueVerb::List) => queue::list(&global, &look(&global)?).await,
        Verb::Queue(QueueVerb::Resume { queue }) => queue::resume(&global, &own(&global)?, &queue).await,
        Verb::Policy(PolicyVerb::Set { policy }) => policy::set(&global, &policy).await,
        Verb::Policy(PolicyVerb::Check { policy }) => policy::check(&global, &policy).await,
        Verb::Policy(PolicyVerb::Show) => policy::show(&global, &look(&global)?).await,
        Verb::Batch(BatchVerb::Show { name }) => batch::show(&global, &look(&global)?, &name).await,
    }
}

/// The store that is there already, for looking: also while a run owns it.
fn look(global: &Global) -> anyhow::Result<Sqlite> {
    Ok(Sqlite::open_read_only(stores::existing(global)?)?)
}

/// The store that is there already, for changing it.
fn own(global: &Global) -> anyhow::Result<Sqlite> {
    Ok(Sqlite::open(stores::existing(global)?, OpenOptions::default())?)
}
