//! What this version reads, formats and checks, but cannot run yet. Better refused than silently left out.
use super::{Findings, step_path};
use crate::document::Path;
use caravan_model::canvas::{ExitRule, Trigger};
use caravan_model::{Code, Filter};

pub(super) fn check(findings: &mut Findings<'_>) {
    let canvas = findings.canvas();
    let entry = Path::root().key("entry");
    let trigger = match &canvas.entry.trigger {
        Trigger::Event(_) | Trigger::Api(_) => None,
        Trigger::Segment(_) => Some("segment"),
        Trigger::Schedule(_) => Some("schedule"),
        Trigger::List(_) => Some("list"),
    };
    if let Some(kind) = trigger {
        let cure = "let people enter by an event, `{ event: … }`, or by a call, `{ api: true }`";
        not_yet(findings, &entry.key("trigger").key(kind), &format!("a `{kind}` trigger"), cure);
    }
    if let Some(who) = &canvas.entry.who {
        filter(findings, &entry.key("who"), who);
    }
    for (i, rule) in canvas.exit.iter().enumerate() {
        if let ExitRule::Segment(_) = rule {
            let cure = "end entries by an event, `{ event: … }`";
            not_yet(findings, &Path::root().key("exit").index(i).key("segment"), "an exit by segment", cure);
        }
    }
    for (id, step) in &canvas.steps.0 {
        let at = step_path(id.as_str());
        if step.webhook.is_some() {
            let cure = "leave the step out, or lead its arrow to `exit`";
            not_yet(findings, &at.key("webhook"), &format!("`webhook` (step `{id}`)"), cure);
        }
        if step.wait_for.as_ref().is_some_and(|wait| wait.segment.is_some() && wait.event.is_none()) {
            let (at, what) = (at.key("wait_for").key("segment"), format!("a wait for a segment (step `{id}`)"));
            not_yet(findings, &at, &what, "wait for an event, `{ event: …, timeout: … }`");
        }
        for (i, arm) in step.branch.iter().flatten().enumerate() {
            filter(findings, &at.key("branch").index(i).key("if"), &arm.condition);
        }
    }
}

fn not_yet(findings: &mut Findings<'_>, at: &Path, what: &str, cure: &str) {
    findings.add(Code::NotYet, at, format!("this version cannot run {what} yet"), cure);
}

fn filter(findings: &mut Findings<'_>, at: &Path, condition: &Filter) {
    let cure = "use a condition on an attribute, an event or a consent";
    match condition {
        Filter::All(all) => {
            all.all.iter().enumerate().for_each(|(i, below)| filter(findings, &at.key("all").index(i), below));
        }
        Filter::Any(any) => {
            any.any.iter().enumerate().for_each(|(i, below)| filter(findings, &at.key("any").index(i), below));
        }
        Filter::Not(not) => filter(findings, &at.key("not"), &not.not),
        Filter::Segment(_) => not_yet(findings, &at.key("segment"), "a condition on a segment", cure),
        Filter::List(_) => not_yet(findings, &at.key("list"), "a condition on a list", cure),
        Filter::Attr(_) | Filter::Event(_) | Filter::Consent(_) | Filter::Tracking(_) => {}
    }
}
