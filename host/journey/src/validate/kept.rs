//! Conditions on events that look back further than events are kept (design, 11.16).
use super::step_path;
use crate::document::{Document, Path};
use caravan_model::{Canvas, Code, Duration, Filter, Policy, Problem};

/// Times of events are known for so long, whatever a policy says.
const TIMED: Duration = Duration::DAY.times(400);

/// What is wrong with a condition at a place of a document: it looks back further than the policy keeps events.
pub fn too_far_back<T>(document: &Document<T>, at: &Path, filter: &Filter, policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    look(document, at, filter, policy, &mut problems);
    problems
}

/// The same for all conditions of a canvas.
pub(super) fn of_canvas(canvas: &Document<Canvas>, policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(who) = &canvas.value.entry.who {
        look(canvas, &Path::root().key("entry").key("who"), who, policy, &mut problems);
    }
    for (id, step) in &canvas.value.steps.0 {
        for (i, arm) in step.branch.iter().flatten().enumerate() {
            let at = step_path(id.as_str()).key("branch").index(i).key("if");
            look(canvas, &at, &arm.condition, policy, &mut problems);
        }
    }
    problems
}

fn look<T>(document: &Document<T>, at: &Path, filter: &Filter, policy: &Policy, problems: &mut Vec<Problem>) {
    match filter {
        Filter::All(all) => {
            let at = at.key("all");
            all.all.iter().enumerate().for_each(|(i, below)| look(document, &at.index(i), below, policy, problems));
        }
        Filter::Any(any) => {
            let at = at.key("any");
            any.any.iter().enumerate().for_each(|(i, below)| look(document, &at.index(i), below, policy, problems));
        }
        Filter::Not(not) => look(document, &at.key("not"), &not.not, policy, problems),
        Filter::Event(event) => {
            let Some(within) = event.within else { return };
            let (most, what, cure) = match event.properties.is_empty() {
                true => (TIMED, "times of events are kept", "ask for a shorter time, or leave `within` out"),
                false => (
                    policy.keep.events,
                    "properties of events are kept",
                    "ask for a shorter time, leave `where` out, or raise `keep: { events: … }` in the policy",
                ),
            };
            if within > most {
                let message = format!("`within: {within}` looks back too far: {what} for {most}");
                problems.push(document.problem(Code::BadValue, &at.key("within"), message).cure(cure));
            }
        }
        _ => {}
    }
}
