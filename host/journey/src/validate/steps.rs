//! Each step by itself: one kind, only the fields of its kind, a delay that can be read, an audience that is named.
use super::{Findings, step_path};
use crate::delay::DelayRule;
use crate::document::Path;
use crate::suggest;
use crate::update;
use caravan_model::canvas::{ConsentNeed, Delay, Step, Until, Variant};
use caravan_model::changes::Changes;
use caravan_model::{Action, Code, StepId};

const KINDS: &str = "delay, branch, experiment, wait_for, update, webhook, audience_sync, exit";

/// The longest name of a variant, in characters: it stands in reasons and tables.
const LONGEST_NAME: usize = 40;

pub(super) fn check(findings: &mut Findings<'_>) {
    for (id, step) in &findings.canvas().steps.0 {
        let at = step_path(id.as_str());
        if id.is_exit() {
            let cure = "give the step another id; `next: exit` ends an entry without a step of its own";
            findings.add(Code::BadValue, &at, "`exit` is a reserved target and cannot be a step's id", cure);
        }
        match step.kinds().as_slice() {
            [] => findings.add(
                Code::StepKind,
                &at,
                format!("step `{id}` has no kind: it does not say what it does"),
                format!("give it exactly one of: {KINDS}"),
            ),
            [kind] => {
                foreign_fields(findings, &at, kind, step);
                of_kind(findings, &at, id, step);
            }
            several => findings.add(
                Code::StepKind,
                &at,
                format!("step `{id}` has several kinds: {}", several.join(", ")),
                "make a step of each, and join them by `next`",
            ),
        }
    }
}

/// Fields that have no meaning in a step of this kind, and would be ignored without a word.
fn foreign_fields(findings: &mut Findings<'_>, at: &Path, kind: &str, step: &Step) {
    let fields = [
        ("else", step.otherwise_branch.is_some(), kind == "branch"),
        ("otherwise", step.otherwise.is_some(), matches!(kind, "audience_sync" | "webhook")),
        ("next", step.next.is_some(), !matches!(kind, "exit" | "experiment")),
    ];
    for (field, there, belongs) in fields {
        if there && !belongs {
            let message = format!("`{field}` has no meaning in a step of kind `{kind}`");
            findings.add(Code::UnknownField, &at.key(field), message, format!("remove `{field}`"));
        }
    }
    if kind == "branch" && step.otherwise_branch.is_some() && step.next.is_some() {
        let message = "a branch with `else` has no use for `next`: nobody would take it";
        findings.add(Code::UnknownField, &at.key("next"), message, "remove `next`");
    }
}

fn of_kind(findings: &mut Findings<'_>, at: &Path, id: &StepId, step: &Step) {
    if let Some(delay) = &step.delay
        && let Err(why) = DelayRule::new(delay)
    {
        let place = delay_place(&at.key("delay"), delay);
        findings.add(Code::BadValue, &place, why, "for instance { for: 2d } or { local_time: { at: \"09:00\" } }");
    }
    if step.branch.as_ref().is_some_and(Vec::is_empty) {
        let cure = "write at least one arm: [ { if: { … }, next: … } ]";
        findings.add(Code::BadValue, &at.key("branch"), format!("branch `{id}` has no arm"), cure);
    }
    if let Some(changes) = &step.update {
        for (path, words, cure) in update::flaws(&Changes(changes.clone())) {
            let at = at.key("update");
            let at = if path.is_empty() { at } else { at.key(&path) };
            findings.add(Code::BadValue, &at, words, cure);
        }
    }
    if let Some(variants) = &step.experiment {
        experiment(findings, &at.key("experiment"), id, variants);
    }
    if let Some(wait) = &step.wait_for {
        let at = at.key("wait_for");
        let for_instance = "for instance { event: app_open, timeout: 3d }";
        match (&wait.event, &wait.segment) {
            (None, None) => {
                findings.add(Code::BadValue, &at, format!("step `{id}` does not say what it waits for"), for_instance);
            }
            (Some(_), Some(_)) => {
                let message = format!("step `{id}` waits for two things: an event and a segment");
                findings.add(Code::BadValue, &at, message, "make a step of each");
            }
            (Some(event), None) if event.trim().is_empty() => {
                findings.add(Code::BadValue, &at.key("event"), "an event has a name", for_instance);
            }
            (None, Some(_)) if !wait.properties.is_empty() => {
                let message = "`where` compares properties of an event, and there is none here";
                findings.add(Code::UnknownField, &at.key("where"), message, "remove `where`");
            }
            _ => {}
        }
        if wait.timeout.0 == 0 {
            findings.add(Code::BadValue, &at.key("timeout"), "`timeout` is no time at all", for_instance);
        }
    }
    if step.exit == Some(false) {
        findings.add(Code::BadValue, &at.key("exit"), "`exit: false` says nothing", "write `exit: true`, or remove it");
    }
    if let Some(sync) = &step.audience_sync
        && let Some(span) = sync.keep_for
    {
        let at = at.key("audience_sync").key("keep_for");
        if sync.action == Action::Remove {
            let cure = "remove `keep_for`; it belongs to the step that adds";
            findings.add(Code::BadValue, &at, format!("step `{id}` removes people, and keeps nobody"), cure);
        } else if span.0 == 0 {
            findings.add(Code::BadValue, &at, "`keep_for` is no time at all", "for instance 60d; or remove it");
        }
    }
    let audiences = &findings.canvas().audiences;
    if let Some(sync) = &step.audience_sync
        && !audiences.contains_key(&sync.audience)
    {
        let message = format!("the canvas names no audience `{}`", sync.audience);
        let cure = suggest::cure(&sync.audience, audiences.keys().map(String::as_str), "audiences of this canvas");
        findings.add(Code::UnknownAudience, &at.key("audience_sync").key("audience"), message, cure);
    }
    if let Some(sync) = &step.audience_sync
        && sync.action == Action::Remove
        && sync.consent == ConsentNeed::Required
    {
        let place = at.key("audience_sync").key("consent");
        let message = "`consent` has no meaning in a step that removes: nobody's removal needs consent";
        findings.add(Code::UnknownField, &place, message, "remove `consent`");
    }
}

fn experiment(findings: &mut Findings<'_>, at: &Path, id: &StepId, variants: &[Variant]) {
    if variants.iter().all(|variant| variant.weight == 0) {
        let message = format!("nobody could take any variant of experiment `{id}`");
        let cure = "give at least one variant a weight above 0: [ { name: a, weight: 1, next: … } ]";
        findings.add(Code::BadValue, at, message, cure);
    }
    let labels: Vec<String> = variants.iter().enumerate().map(|(i, variant)| variant.label(i)).collect();
    for (i, label) in labels.iter().enumerate() {
        let place = || at.index(i).key("name");
        if label.trim().is_empty() || label.chars().count() > LONGEST_NAME {
            let message = format!("a variant's name has 1 to {LONGEST_NAME} characters");
            findings.add(Code::BadValue, &place(), message, "for instance `short`; or remove `name`");
        } else if labels[..i].contains(label) {
            let message = format!("two variants of experiment `{id}` are called `{label}`");
            findings.add(
                Code::BadValue,
                &place(),
                message,
                "give each another name, so that their numbers are told apart",
            );
        }
    }
}

/// The innermost place of a delay's mistake.
fn delay_place(at: &Path, delay: &Delay) -> Path {
    match (delay.span, &delay.until, &delay.local_time) {
        (None, Some(Until::Written(_)), None) => at.key("until"),
        (None, Some(Until::Attribute(date)), None) => {
            let is_attr = date.attr.split('.').any(|name| name.trim().is_empty());
            at.key("until").key(if is_attr { "attr" } else { "at" })
        }
        (None, None, Some(local)) => {
            let without_days = Delay {
                local_time: Some(caravan_model::canvas::LocalTime { at: local.at.clone(), on: Vec::new() }),
                ..Delay::default()
            };
            at.key("local_time").key(if DelayRule::new(&without_days).is_ok() { "on" } else { "at" })
        }
        _ => at.clone(),
    }
}
