//! `caravan canvas replay`: how many would have entered a draft, by the events that are still kept.
use crate::args::{Global, ReplayArgs};
use crate::fail::{End, Problems};
use crate::{files, out, policies, verbs};
use caravan_journey::document::read_canvas;
use caravan_journey::validate::{Facts, validate};
use caravan_model::port::{Clock, SystemClock};
use caravan_runner::control::draft;
use caravan_runner::{Replay, ReplayStep, RunnerOptions, replay as look};

/// Counts, and says what it takes for granted.
pub async fn replay(global: &Global, args: &ReplayArgs) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let named = args.canvas.to_str().filter(|_| !args.canvas.exists());
    let drafted = match named {
        Some(id) => draft(&store, id).await?,
        None => None,
    };
    let canvas = match drafted {
        Some(draft) => read_canvas(&format!("the draft of {}", args.canvas.display()), &draft.text)?,
        None => files::canvas(&args.canvas)?,
    };
    let policy = policies::holding(global, None, &args.canvas).await?;
    Problems::check(validate(&canvas, &Facts { policy: Some(&policy), ..Facts::default() }))?;
    let zone = RunnerOptions::default().workspace_zone;
    let found = look(&store, &canvas.value, args.days, SystemClock.now(), &zone).await?;
    if global.json {
        out::print_json(&found)?;
    } else {
        out::print(&in_words(&found))?;
    }
    Ok(End::Done)
}

/// A replay for people.
pub fn in_words(found: &Replay) -> String {
    let mut text = format!(
        "{}: from {} on, {} would have entered",
        found.canvas,
        out::instant(found.from),
        out::people(found.people_entered)
    );
    if found.entered != found.people_entered {
        text.push_str(&format!(", {} times in all", out::count(found.entered)));
    }
    text.push_str(&format!(
        "; {} ended, {} left by an exit, {} would still be inside\n",
        out::count(found.ended),
        out::count(found.exited),
        out::count(found.inside)
    ));
    let others = [
        (found.kept_out, "kept out by `who`"),
        (found.not_again, "not let in again"),
        (found.control, "of the control group"),
    ];
    for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
        text.push_str(&format!("  {}: {what}\n", out::plural(n, "time", "times")));
    }
    if let Some(since) = found.kept_since.filter(|since| *since > found.from) {
        text.push_str(&format!("  the oldest event that is kept is of {}\n", out::instant(since)));
    }
    let row = |step: &ReplayStep| {
        vec![step.step.clone(), step.kind.clone(), out::count(step.reached), out::count(step.waiting)]
    };
    let rows: Vec<Vec<String>> = found.steps.iter().map(row).collect();
    text.push_str(&out::table(&["STEP", "KIND", "CAME TO IT", "STILL WAIT"], &rows));
    text.push_str("taken for granted:\n");
    found.assumes.iter().for_each(|words| text.push_str(&format!("  {words}\n")));
    text
}
