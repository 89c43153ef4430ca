//! The steps as a graph: targets that exist, no loop without a delay, no dead end, nobody unreachable.
use super::{Findings, step_path};
use crate::delay::DelayRule;
use crate::document::Path;
use crate::suggest;
use caravan_model::canvas::Step;
use caravan_model::{Code, StepId};
use std::collections::HashMap;

/// An arrow of the canvas and where it stands.
struct Arrow<'a> {
    to: &'a StepId,
    at: Path,
}

/// The places of a step's arrows that exist.
struct Graph {
    /// Per step the steps that it leads to, and whether one of its arrows ends the entry.
    next: Vec<(Vec<usize>, bool)>,
    start: Option<usize>,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let canvas = findings.canvas();
    let places: HashMap<&StepId, usize> = (0..).zip(&canvas.steps.0).map(|(place, (id, _))| (id, place)).collect();
    // The place of a target: `None` where there is none of that name, `Some(None)` for `exit`.
    let place_of = |id: &StepId| if id.is_exit() { Some(None) } else { places.get(id).copied().map(Some) };
    let mut sound = true;
    let mut next = Vec::with_capacity(canvas.steps.0.len());
    for (id, step) in &canvas.steps.0 {
        let mut to = (Vec::new(), step.exit == Some(true));
        for arrow in arrows(id, step) {
            match place_of(arrow.to) {
                Some(Some(place)) => to.0.push(place),
                Some(None) => to.1 = true,
                None => {
                    sound = false;
                    missing(findings, &arrow);
                }
            }
        }
        sound &= !dead_end(findings, id, step);
        next.push(to);
    }
    let start = Arrow { to: &canvas.entry.start, at: Path::root().key("entry").key("start") };
    let place = place_of(start.to);
    if place.is_none() {
        sound = false;
        missing(findings, &start);
    }
    let graph = Graph { next, start: place.flatten() };
    loops(findings, &graph);
    // What a missing target would have led to is not known: only a graph without holes is searched for the rest.
    if sound {
        unreachable(findings, &graph);
        if canvas.exit.is_empty() {
            no_way_out(findings, &graph);
        }
    }
}

fn arrows<'a>(id: &StepId, step: &'a Step) -> Vec<Arrow<'a>> {
    let at = step_path(id.as_str());
    let mut arrows = Vec::new();
    let mut arrow = |to: Option<&'a StepId>, at: Path| arrows.extend(to.map(|to| Arrow { to, at }));
    arrow(step.next.as_ref(), at.key("next"));
    // Where another kind of step has these, they are refused as fields without meaning.
    let may_fail = step.audience_sync.is_some() || step.webhook.is_some();
    arrow(step.otherwise.as_ref().filter(|_| may_fail), at.key("otherwise"));
    arrow(step.otherwise_branch.as_ref().filter(|_| step.branch.is_some()), at.key("else"));
    for (i, arm) in step.branch.iter().flatten().enumerate() {
        arrow(Some(&arm.next), at.key("branch").index(i).key("next"));
    }
    for (i, variant) in step.experiment.iter().flatten().enumerate() {
        arrow(Some(&variant.next), at.key("experiment").index(i).key("next"));
    }
    if let Some(wait) = &step.wait_for {
        arrow(wait.on_timeout.as_ref(), at.key("wait_for").key("on_timeout"));
    }
    arrows
}

fn missing(findings: &mut Findings<'_>, arrow: &Arrow<'_>) {
    let steps = findings.canvas().steps.0.iter().map(|(id, _)| id.as_str());
    let cure = suggest::cure(arrow.to.as_str(), steps.chain(std::iter::once("exit")), "steps");
    findings.add(Code::MissingStep, &arrow.at, format!("there is no step `{}`", arrow.to), cure);
}

/// A step that does not say where its people go.
fn dead_end(findings: &mut Findings<'_>, id: &StepId, step: &Step) -> bool {
    let at = step_path(id.as_str());
    let (message, cure) = match step.kinds().as_slice() {
        ["exit" | "experiment"] => return false,
        ["branch"] if step.otherwise_branch.is_none() && step.next.is_none() => (
            format!("branch `{id}` has no `else`: whom no arm takes would stay here for ever"),
            "add `else:` with a step, or `else: exit`",
        ),
        ["branch"] => return false,
        [_] if step.next.is_none() => (
            format!("step `{id}` has no `next`: people would stay here for ever"),
            "add `next:` with the step that follows, or `next: exit`",
        ),
        _ => return false,
    };
    findings.add(Code::DeadEnd, &at, message, cure);
    true
}

/// Loops in which nobody waits: found once each, named in full.
fn loops(findings: &mut Findings<'_>, graph: &Graph) {
    let steps = &findings.canvas().steps.0;
    let waits: Vec<bool> = steps.iter().map(|(_, step)| always_waits(step)).collect();
    // 0 = not met, 1 = on the way here, 2 = done.
    let mut mark = vec![0u8; steps.len()];
    for root in 0..steps.len() {
        // The way here: a step, and which of its arrows is next.
        let mut way: Vec<(usize, usize)> = Vec::new();
        if mark[root] == 0 && !waits[root] {
            mark[root] = 1;
            way.push((root, 0));
        }
        while let Some((here, arrow)) = way.last_mut() {
            let Some(&to) = graph.next[*here].0.get(*arrow) else {
                mark[*here] = 2;
                way.pop();
                continue;
            };
            *arrow += 1;
            if waits[to] || mark[to] == 2 {
                continue;
            }
            if mark[to] == 0 {
                mark[to] = 1;
                way.push((to, 0));
                continue;
            }
            let begin = way.iter().position(|(step, _)| *step == to).unwrap_or(0);
            let names = way[begin..].iter().map(|(step, _)| *step).chain([to]);
            let names: Vec<&str> = names.map(|step| steps[step].0.as_str()).collect();
            let message = format!("people would run in this circle without ever waiting: {}", names.join(" → "));
            let cure =
                "put a delay into the circle (`delay: { for: 1d }` or a local time), or lead one arrow elsewhere";
            findings.add(Code::LoopWithoutDelay, &step_path(names[0]), message, cure);
        }
    }
}

fn always_waits(step: &Step) -> bool {
    let delay = step.delay.as_ref().is_some_and(|delay| match DelayRule::new(delay) {
        Ok(rule) => rule.always_waits(),
        Err(_) => true, // reported as such
    });
    delay || step.wait_for.is_some()
}

fn unreachable(findings: &mut Findings<'_>, graph: &Graph) {
    let mut met = vec![false; graph.next.len()];
    let mut open: Vec<usize> = graph.start.into_iter().collect();
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut met[step], true) {
            open.extend(&graph.next[step].0);
        }
    }
    for ((id, _), met) in findings.canvas().steps.0.iter().zip(met) {
        if !met {
            let cure = "lead an arrow to it (`next`, `else`, `otherwise`, an arm, `entry.start`), or remove it";
            findings.add(Code::Unreachable, &step_path(id.as_str()), format!("nobody reaches step `{id}`"), cure);
        }
    }
}

/// Steps from which no way leads out, on a canvas that nothing else ends: found once per canvas.
fn no_way_out(findings: &mut Findings<'_>, graph: &Graph) {
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); graph.next.len()];
    for (step, (next, _)) in graph.next.iter().enumerate() {
        next.iter().for_each(|to| before[*to].push(step));
    }
    let mut out: Vec<bool> = graph.next.iter().map(|(_, exits)| *exits).collect();
    let mut open: Vec<usize> = (0..out.len()).filter(|step| out[*step]).collect();
    while let Some(step) = open.pop() {
        for &earlier in &before[step] {
            if !std::mem::replace(&mut out[earlier], true) {
                open.push(earlier);
            }
        }
    }
    let steps = &findings.canvas().steps.0;
    let stuck: Vec<&StepId> = steps.iter().zip(&out).filter(|(_, out)| !**out).map(|((id, _), _)| id).collect();
    if let Some(first) = stuck.first() {
        let names = stuck.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("no way leads out of these steps, and the canvas has no `exit` rule: {names}");
        let cure = "lead an arrow to `exit`, or add an exit rule (`exit: [ { event: purchase } ]`)";
        findings.add(Code::DeadEnd, &step_path(first.as_str()), message, cure);
    }
}
