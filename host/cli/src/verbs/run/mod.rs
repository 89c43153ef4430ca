//! `caravan run`: the people of files enter a canvas, and the command stays until they are through.
mod bars;
mod events;
mod lab_check;
mod people;
mod report;

use crate::args::{Global, RunArgs};
use crate::check::{self, Checked, Secrets};
use crate::fail::{End, Problems};
use crate::host::hands::actor;
use crate::host::lab::{self, LabHome};
use crate::host::ready::neighbours;
use crate::host::{Host, safe};
use crate::registry::{Shelf, loads};
use crate::users::{Users, events::Events};
use crate::verbs::{policy, tell_opposites};
use crate::{files, policies, stop, stores};
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Millis, Policy};
use caravan_runner::{RunEnd, RunOptions, Runner, control};
use caravan_store::{Sqlite, Store, Version};
use people::{PeopleRows, Seen};
use report::{FileReport, Report};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything that a run needs, without a fault; nothing is written yet.
struct Prepared {
    checked: Checked,
    users: Vec<Users>,
    events: Option<Events>,
    store: PathBuf,
    connections: PathBuf,
}

/// Runs a canvas over files of people.
pub async fn run(global: &Global, args: &RunArgs) -> anyhow::Result<End> {
    let file = args.policy.as_deref().map(policies::read).transpose()?;
    let policy = match &file {
        Some(file) => file.policy.clone(),
        // Only for the sake of lines and of all problems at once: publishing asks the store again.
        None => policies::holding(global, None, &args.canvas).await.unwrap_or_default(),
    };
    let shelf = Shelf::of_canvas(global, &args.canvas).await?;
    let shelf = match &file {
        Some(file) => shelf.under(&file.policy),
        None => shelf,
    };
    let prepared = prepare(global, args, &policy, &shelf)?;
    for warning in prepared.users.iter().flat_map(|users| &users.warnings) {
        eprintln!("note: {warning}");
    }
    let Checked { connections, components, .. } = &prepared.checked;
    let lab = lab::of_connections(&connections.value, components.keys(), args.lab.as_deref()).await?;
    let store = Sqlite::open(&prepared.store, stores::options(global))?;
    let sealed = Some(safe::of(&store));
    let host = Host::bind(connections, components, &prepared.checked.grants, lab.as_ref(), sealed)?;
    if let Some(lab) = &lab {
        lab.adopt_all(&store.audiences().await?);
    }
    if let Some(file) = &file {
        let canvas = prepared.checked.canvas.value.canvas.as_str();
        policy::keep_for_run(global, &store, file, (canvas, &prepared.connections)).await?;
    }
    let started = SystemClock.now();
    let options = host.options(&store).await?;
    let host = Arc::new(host);
    let neighbours = neighbours(store.workspace())?;
    let runner = Runner::new(store.clone(), host.clone(), Arc::new(SystemClock), options);
    runner.meet(Arc::new(neighbours));
    let cancel = stop::listen(global.quiet);
    let ended = go(global, args, prepared, &runner, lab.as_ref(), started, cancel).await;
    let noted = host.note_denials(&runner).await;
    // Also after an error the store is given back; the error is what counts.
    let closed = runner.close().await;
    let end = ended?;
    noted?;
    closed?;
    Ok(end)
}

/// Checks everything: canvas, connections, connectors, secrets, the heads of all files.
fn prepare(global: &Global, args: &RunArgs, policy: &Policy, shelf: &Shelf) -> Result<Prepared, Problems> {
    let connections = files::connections_path(args.connections.as_deref(), &args.canvas);
    let mut problems = Vec::new();
    let checked = check::canvas_with_connections(&args.canvas, &connections, policy, Secrets::Ask, shelf);
    let checked = checked.map_err(|mut wrong| problems.append(&mut wrong.0)).ok();
    let mut users = Vec::new();
    for path in &args.users {
        match Users::open(path) {
            Ok(file) => users.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    let events =
        args.events.as_deref().and_then(|path| Events::open(path).map_err(|problem| problems.push(problem)).ok());
    let store =
        checked.as_ref().map(|checked| stores::of_canvas(global, checked.canvas.value.canvas.as_str(), &args.canvas));
    let store = store.and_then(|store| store.map_err(|problem| problems.push(problem)).ok());
    match (checked, store) {
        (Some(checked), Some(store)) if problems.is_empty() => {
            Ok(Prepared { checked, users, events, store, connections })
        }
        _ => Err(Problems(problems)),
    }
}

/// Publishes, takes events and people in, and reports.
async fn go(
    global: &Global,
    args: &RunArgs,
    prepared: Prepared,
    runner: &Runner<Sqlite>,
    lab: Option<&LabHome>,
    started: Millis,
    mut cancel: watch::Receiver<bool>,
) -> anyhow::Result<End> {
    let Prepared { checked, users, events, store: path, connections } = prepared;
    control::states(runner.store()).await?.admit(&checked.canvas.value.canvas)?;
    let acting = runner.acting(actor());
    let publish = acting.publish(checked.canvas.value.clone(), &checked.connections.value);
    let version = tokio::select! {
        version = publish => version?,
        _ = cancel.wait_for(|cancelled| *cancelled) => return Ok(End::Interrupted),
    };
    loads::note(&acting, &checked.components).await?;
    tell_opposites(runner, &version).await?;
    let bad_events = match events {
        Some(events) => events::record(runner, events).await?,
        None => Vec::new(),
    };
    let bars = bars::Bars::new(global.quiet, users.iter().map(|file| file.size).sum());
    let (reports, end) = files_in(args, users, runner, &version, &bars, &cancel).await?;
    bars.finish();
    let check = match lab {
        Some(lab) if !args.no_lab_check && !matches!(end, RunEnd::Interrupted(_)) => {
            lab_check::check(runner.store(), &version, &checked, lab, started).await?
        }
        _ => Vec::new(),
    };
    let report = Report {
        version: &version,
        end: &end,
        files: &reports,
        bad_events: &bad_events,
        lab: &check,
        store: &path,
        connections: &connections,
        args,
    };
    let books = report.books()?;
    report.remarks(global);
    report.print(global, &books)?;
    Ok(report.end(&books))
}

/// Takes the files in, one after the other: each is a source of its own, known by its digest.
async fn files_in(
    args: &RunArgs,
    users: Vec<Users>,
    runner: &Runner<Sqlite>,
    version: &Version,
    bars: &bars::Bars,
    cancel: &watch::Receiver<bool>,
) -> anyhow::Result<(Vec<FileReport>, RunEnd)> {
    let mut reports: Vec<FileReport> = Vec::new();
    let mut last = None;
    let count = users.len();
    for (place, file) in users.into_iter().enumerate() {
        let seen = Arc::new(Seen::default());
        let options = RunOptions {
            // Only the last file's run stays: the others leave what waits to it.
            wait: if place + 1 == count { args.wait.into() } else { std::time::Duration::ZERO },
            skip_delays: args.skip_delays,
            source: format!("file:{}", file.digest),
            again: args.again,
        };
        let (tell, told) = watch::channel(caravan_runner::Progress::default());
        let bar = bars.follow(told, seen.clone(), file.size);
        let path = file.path.clone();
        let rows = PeopleRows::new(file, seen.clone());
        let end = runner.run(version.id, rows, options, tell, cancel.clone()).await;
        bar.abort();
        let end = end?;
        if let Some(problem) = seen.broken() {
            eprintln!("{problem}");
        }
        reports.push(FileReport::new(path, &end, &seen));
        let interrupted = matches!(end, RunEnd::Interrupted(_));
        last = Some(end);
        if interrupted {
            break;
        }
    }
    let end = last.ok_or_else(|| anyhow::anyhow!("a run without a file of people"))?;
    Ok((reports, end))
}
