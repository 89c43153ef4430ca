//! One file per verb.
pub mod activate;
pub mod alert;
pub mod audience;
pub mod audit;
pub mod batch;
pub mod canvas;
pub mod catalogue;
mod config;
pub mod connection;
pub mod connector;
pub mod consent;
mod doctor;
pub mod dry_run;
mod dry_webhook;
pub mod entitlement;
mod event;
mod explain;
pub mod group;
mod host;
mod import;
mod lab;
pub mod looked;
pub mod member;
mod policy;
pub mod profile;
pub mod queue;
mod run;
mod serve;
pub mod store;
mod workspace;

use crate::args::{Args, BatchVerb, ConfigVerb, Global, PolicyVerb, Verb};
use crate::fail::End;
use crate::{remote, stores};
use caravan_runner::Runner;
use caravan_store::{Sqlite, Version};

/// Does what the command line says.
pub async fn run(args: Args) -> anyhow::Result<End> {
    let global = args.global;
    if let Some(server) = &global.server {
        return remote::run(&global, server, args.verb).await;
    }
    here(global, args.verb).await
}

/// Does a verb on this machine: on a store, or on files alone.
pub async fn here(global: Global, verb: Verb) -> anyhow::Result<End> {
    match verb {
        Verb::Run(args) => run::run(&global, &args).await,
        Verb::Serve(args) => serve::serve(&global, &args).await,
        Verb::DryRun(args) => dry_run::dry_run(&global, &args).await,
        Verb::Lab(args) => lab::lab(&global, args).await,
        Verb::Explain { code } => explain::explain(&global, code.as_deref()),
        Verb::Config(ConfigVerb::Check) => config::check(&global).await,
        Verb::Doctor => doctor::doctor(&global).await,
        Verb::Workspace(verb) => workspace::workspace(&global, verb).await,
        Verb::Host(verb) => host::host(&global, &verb),
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
        Verb::Member(verb) => member::member(&global, verb).await,
        Verb::Key(verb) => member::key(&global, verb).await,
        Verb::Entitlement(verb) => entitlement::entitlement(&global, verb).await,
        Verb::Policy(PolicyVerb::Set { policy, connections }) => policy::set(&global, &policy, &connections).await,
        Verb::Policy(PolicyVerb::Check { policy, connections }) => policy::check(&global, &policy, &connections).await,
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
