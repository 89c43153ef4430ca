//! `caravan canvas pause | stop | resume | let-out`: each tells what waits, and what becomes of it.
use crate::args::Global;
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{ask, out};
use caravan_model::{Code, Problem, ProfileId};
use caravan_runner::control::{CanvasState, CanvasWaits, what_waits};
use caravan_store::Store as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Stops entries and positions.
pub async fn pause(global: &Global, canvas: &str) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let waits = what_waits(hands.store(), canvas).await?;
        let was = hands.acting().pause_canvas(canvas).await?;
        tell(global, canvas, was, CanvasState::Paused, &waits, 0)
    })
    .await
}

/// Stops entries; at once, it also lets everyone out.
pub async fn stop(global: &Global, canvas: &str, now: bool) -> anyhow::Result<End> {
    if now {
        let waits = what_waits(&crate::verbs::look(global)?, canvas).await?;
        if waits.open > 0 {
            eprint!("{}", in_words(canvas, &waits));
            ask::confirm(global, &format!("this lets {} out of {canvas} at once", out::people(waits.open)))?;
        }
    }
    Hands::with(global, None, async |hands| {
        let waits = what_waits(hands.store(), canvas).await?;
        if now {
            let stopped = hands.acting().stop_now(canvas).await?;
            tell(global, canvas, waits.state, CanvasState::Stopped, &waits, stopped.entries)
        } else {
            let was = hands.acting().stop_entries(canvas).await?;
            tell(global, canvas, was, CanvasState::Closed, &waits, 0)
        }
    })
    .await
}

/// Opens it again.
pub async fn resume(global: &Global, canvas: &str) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let waits = what_waits(hands.store(), canvas).await?;
        let was = hands.acting().resume_canvas(canvas).await?;
        tell(global, canvas, was, CanvasState::Live, &waits, 0)
    })
    .await
}

/// Lets people out.
pub async fn let_out(global: &Global, canvas: &str, identifiers: &[String]) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let (mut people, mut unknown) = (BTreeSet::new(), 0u64);
        for (place, identifier) in (1..).zip(identifiers) {
            match hands.store().find(identifier).await?.as_slice() {
                [] => unknown += 1,
                [one] => drop(people.insert(*one)),
                several => {
                    let words = format!("{} people have the identifier in place {place}", several.len());
                    let cure = "name them by their external ids; nobody was let out";
                    return Err(Problem::new(Code::NotFound, words).cure(cure).into());
                }
            }
        }
        let people: Vec<ProfileId> = people.into_iter().collect();
        let left = hands.acting().let_out(canvas, &people).await?;
        let outside = people.len() as u64 - left;
        if global.json {
            out::print_json(&json!({"canvas": canvas, "let_out": left, "not_inside": outside, "unknown": unknown}))?;
        } else {
            let text =
                format!("{} left {canvas}; {outside} were not inside, {unknown} are not known\n", out::people(left));
            out::print(&text)?;
        }
        Ok(End::Done)
    })
    .await
}

fn tell(
    global: &Global,
    canvas: &str,
    was: CanvasState,
    is: CanvasState,
    waits: &CanvasWaits,
    left: u64,
) -> anyhow::Result<End> {
    // Whoever stops at once is told once everyone has left.
    let word = is.word(if is == CanvasState::Stopped { 0 } else { waits.open });
    if global.json {
        out::print_json(&json!({"canvas": canvas, "was": waits.word, "state": word, "open": waits.open,
            "resting": waits.resting, "queued": waits.queued, "steps": waits.steps, "let_out": left}))?;
        return Ok(End::Done);
    }
    let already = if was == is { " already" } else { "" };
    let mut text = format!("{canvas} is {word}{already}: {}\n", becomes(is, waits.resting, waits.queued));
    text.push_str(&behind(canvas, is, was == CanvasState::Stopped, left));
    out::print(&text)?;
    Ok(End::Done)
}

/// The same of what a serving host answers.
///
/// # Errors
/// It cannot be written.
pub fn tell_answer(global: &Global, canvas: &str, is: CanvasState, answer: &Value) -> anyhow::Result<End> {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let (waits, was, left) = (&answer["waits"], answer["was"].as_str().unwrap_or_default(), count(&answer["let_out"]));
    let word = waits["state"].as_str().unwrap_or_default();
    let already = if was == word && left == 0 { " already" } else { "" };
    let becomes = becomes(is, count(&waits["resting"]), count(&waits["queued"]));
    let text = format!("{canvas} is {word}{already}: {becomes}\n{}", behind(canvas, is, was == "stopped", left));
    out::say(global, answer, &text)
}

/// What else whoever changed how a canvas stands is told.
fn behind(canvas: &str, is: CanvasState, was_stopped: bool, left: u64) -> String {
    let mut text = String::new();
    if is == CanvasState::Stopped && left > 0 {
        text.push_str(&format!("{} left\n", out::people(left)));
    }
    if is == CanvasState::Live && was_stopped {
        text.push_str("those who were let out stay out; a run lets people in again\n");
    }
    if is != CanvasState::Live {
        text.push_str(&format!("`{} canvas resume {canvas}` opens it again\n", out::called()));
    }
    text
}

/// What becomes of those who wait.
fn becomes(state: CanvasState, resting: u64, queued: u64) -> String {
    let (resting, queued) = (people(resting, "waits", "wait"), operations(queued));
    match state {
        CanvasState::Live => format!("people enter; {resting} at steps and go on; {queued} in queues"),
        CanvasState::Paused => {
            format!("nobody enters; {resting} at steps and stay there; {queued} in queues and go all the same")
        }
        CanvasState::Closed => {
            format!("nobody enters; {resting} at steps and go on to their end; {queued} in queues and go all the same")
        }
        CanvasState::Archived => "it is put away: nobody enters, and nobody is inside".to_owned(),
        CanvasState::Stopped => format!(
            "nobody enters; everyone inside leaves; {queued} in queues: those not sent yet are withdrawn, those under way end as they do"
        ),
    }
}

fn people(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", out::people(n), if n == 1 { one } else { many })
}

fn operations(n: u64) -> String {
    out::plural(n, "operation waits", "operations wait")
}

/// What waits, and what each word would do.
fn in_words(canvas: &str, waits: &CanvasWaits) -> String {
    let mut text = format!("{canvas} is {}; {} inside\n", waits.word, out::people(waits.open));
    for step in &waits.steps {
        let place = if step.in_queue { "in the queue of step" } else { "at step" };
        text.push_str(&format!("  {} {place} {} (version {})\n", out::people(step.n), step.step, step.version));
    }
    for (word, state) in
        [("pause", CanvasState::Paused), ("stop", CanvasState::Closed), ("stop --now", CanvasState::Stopped)]
    {
        text.push_str(&format!("  {word}: {}\n", becomes(state, waits.resting, waits.queued)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_runner::control::StepWaits;

    #[test]
    fn each_word_says_what_becomes_of_those_who_wait() {
        let steps = vec![
            StepWaits { version: 1, step: "pause".into(), in_queue: false, n: 100 },
            StepWaits { version: 2, step: "sync".into(), in_queue: true, n: 1 },
        ];
        let waits = CanvasWaits { state: CanvasState::Live, word: "live", open: 101, resting: 100, queued: 1, steps };
        let text = in_words("win-back", &waits);
        assert!(
            text.starts_with("win-back is live; 101 people inside\n  100 people at step pause (version 1)\n"),
            "{text}"
        );
        assert!(text.contains("1 person in the queue of step sync (version 2)"), "{text}");
        assert!(
            text.contains("pause: nobody enters; 100 people wait at steps and stay there; 1 operation waits"),
            "{text}"
        );
        assert!(text.contains("stop: nobody enters; 100 people wait at steps and go on to their end"), "{text}");
        assert!(text.contains("those not sent yet are withdrawn"), "{text}");
    }
}
