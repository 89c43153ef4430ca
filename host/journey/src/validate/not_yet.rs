//! What this version reads, formats and checks, but cannot run yet. Better refused than silently left out.
use super::{Findings, step_path};
use caravan_model::Code;

pub(super) fn check(findings: &mut Findings<'_>) {
    let canvas = findings.canvas();
    for (id, step) in &canvas.steps.0 {
        if step.webhook.is_some() {
            let (at, cure) = (step_path(id.as_str()).key("webhook"), "leave the step out, or lead its arrow to `exit`");
            findings.add(Code::NotYet, &at, format!("this version cannot run `webhook` (step `{id}`) yet"), cure);
        }
    }
}
