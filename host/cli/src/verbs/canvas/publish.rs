//! `caravan canvas publish`: makes canvases live without letting anyone in; a serving host then runs them.
use crate::args::{Global, PublishArgs};
use crate::check::{self, Secrets};
use crate::fail::{End, Problems};
use crate::host::hands::actor;
use crate::host::ready::Ready;
use crate::registry::Shelf;
use crate::verbs::canvas::forecast;
use crate::{ask, files, out, policies, stores};
use caravan_journey::document;
use caravan_model::Canvas;
use caravan_runner::control::draft;
use caravan_runner::{MovePlan, move_plan};
use caravan_store::Sqlite;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Publishes the canvases of files, or of drafts.
pub async fn publish(global: &Global, args: &PublishArgs) -> anyhow::Result<End> {
    let canvases = read(global, &args.canvases, &args.connections).await?;
    let path = stores::of_workspace(global)?;
    let ready =
        Ready::open(Sqlite::open(&path, stores::options(global))?, &args.connections, &canvases, args.lab.as_deref())
            .await?;
    let published = go(global, args, &ready, canvases).await;
    ready.close().await?;
    let versions: Vec<_> = published?
        .iter()
        .map(|version| json!({"canvas": version.canvas.canvas, "version": version.number, "digest": version.digest.to_string()}))
        .collect();
    if global.json {
        out::print_json(&versions)?;
    }
    Ok(End::Done)
}

async fn go(
    global: &Global,
    args: &PublishArgs,
    ready: &Ready,
    canvases: Vec<Canvas>,
) -> anyhow::Result<Vec<caravan_store::Version>> {
    let mut moving = Vec::new();
    for canvas in &canvases {
        if !args.no_check && !global.quiet {
            // What cannot be looked at is told by publishing.
            if let Ok(found) = ready.forecast(canvas).await {
                eprint!("{}", forecast::in_short(&found));
            }
        }
        let plan = move_plan(ready.runner.store(), canvas).await?;
        if they_move(global, args, &plan)? {
            moving.push(plan.canvas);
        }
    }
    let versions = ready.publish(global, canvases).await?;
    for id in &moving {
        ready.runner.acting(actor()).move_inside(id).await?;
    }
    if args.move_inside || !moving.is_empty() {
        let moved = ready.runner.carry_moves_out().await?;
        if !global.quiet {
            eprintln!("{} went on in the new version", out::people(moved));
        }
    }
    Ok(versions)
}

/// Whether people inside earlier versions go on in the new one: as was said, else as a person says who is asked with the
/// numbers. Where nobody could move there is nothing to ask.
///
/// # Errors
/// Nobody can be asked, or the person does not want it.
pub fn they_move(global: &Global, args: &PublishArgs, plan: &MovePlan) -> anyhow::Result<bool> {
    if plan.inside == 0 {
        return Ok(args.move_inside);
    }
    let (people, could) = (out::people(plan.inside), out::count(plan.could_move));
    let there = format!("{people} inside earlier versions of {}", plan.canvas);
    let note = |words: String| {
        if !global.quiet {
            eprintln!("note: {words}");
        }
    };
    if args.move_inside {
        let stay = out::count(plan.stay);
        ask::confirm(global, &format!("of {there}, {could} go on in this one, and {stay} finish where they are"))?;
        return Ok(true);
    }
    if args.finish || global.yes || plan.could_move == 0 {
        note(format!("{there} finish there; with --move {could} would go on in this one"));
        return Ok(false);
    }
    let steps: Vec<String> = plan.steps.iter().map(|(step, n)| format!("{} at {step}", out::count(*n))).collect();
    let what = format!("of {there}, {could} could move to this one ({}), the others finish there", steps.join(", "));
    ask::choose(&what, ("move", "finish"), "say --move (with --yes), or --finish")
}

/// The canvases without a fault, each under the policy that holds.
///
/// # Errors
/// All that is wrong with any.
pub async fn read(global: &Global, paths: &[PathBuf], connections: &Path) -> anyhow::Result<Vec<Canvas>> {
    let (mut canvases, mut problems) = (Vec::new(), Vec::new());
    let shelf = Shelf::at(&stores::of_workspace(global)?).await?;
    for path in paths {
        let policy = policies::holding(global, None, path).await.unwrap_or_default();
        let canvas = match drafted(global, path).await? {
            Some(text) => document::read_canvas(&format!("the draft of {}", path.display()), &text),
            None => files::canvas(path),
        };
        match check::document_with_connections(canvas, connections, &policy, Secrets::Ask, &shelf) {
            Ok(checked) => canvases.push(checked.canvas.value),
            Err(mut wrong) => problems.append(&mut wrong.0),
        }
    }
    Problems::check(problems)?;
    Ok(canvases)
}

/// The text of a draft, where no file but a draft has this name.
async fn drafted(global: &Global, path: &Path) -> anyhow::Result<Option<String>> {
    let store = stores::of_workspace(global)?;
    let (Some(id), false) = (path.to_str(), path.exists()) else { return Ok(None) };
    let Some(store) = Sqlite::open_if_made(store)? else { return Ok(None) };
    Ok(draft(&store, id).await?.map(|draft| draft.text))
}
