//! `caravan canvas pause | stop | resume`: each tells what waits, and what becomes of it.
use crate::args::Global;
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{ask, out};
use caravan_runner::control::{CanvasState, CanvasWaits, what_waits};
use serde_json::json;

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

fn tell(
    global: &Global,
    canvas: &str,
    was: CanvasState,
    is: CanvasState,
    waits: &CanvasWaits,
    left: u64,
) -> anyhow::Result<End> {
    if global.json {
        out::print_json(&json!({"canvas": canvas, "was": was, "state": is, "open": waits.open,
            "resting": waits.resting, "queued": waits.queued, "steps": waits.steps, "let_out": left}))?;
        return Ok(End::Done);
    }
    let already = if was == is { " already" } else { "" };
    let mut text = format!("{canvas} is {}{already}: {}\n", is.word(), becomes(is, waits));
    if is == CanvasState::Stopped && left > 0 {
        text.push_str(&format!("{} left\n", out::people(left)));
    }
    if is == CanvasState::Live && was == CanvasState::Stopped {
        text.push_str("those who were let out stay out; a run lets people in again\n");
    }
    if is != CanvasState::Live {
        text.push_str(&format!("`{} canvas resume {canvas}` opens it again\n", out::called()));
    }
    out::print(&text)?;
    Ok(End::Done)
}

/// What becomes of those who wait.
fn becomes(state: CanvasState, waits: &CanvasWaits) -> String {
    let (resting, queued) = (people(waits.resting, "waits", "wait"), operations(waits.queued));
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
    let mut text = format!("{canvas} is {}; {} inside\n", waits.state.word(), out::people(waits.open));
    for step in &waits.steps {
        let place = if step.in_queue { "in the queue of step" } else { "at step" };
        text.push_str(&format!("  {} {place} {} (version {})\n", out::people(step.n), step.step, step.version));
    }
    for (word, state) in
        [("pause", CanvasState::Paused), ("stop", CanvasState::Closed), ("stop --now", CanvasState::Stopped)]
    {
        text.push_str(&format!("  {word}: {}\n", becomes(state, waits)));
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
        let waits = CanvasWaits { state: CanvasState::Live, open: 101, resting: 100, queued: 1, steps };
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
