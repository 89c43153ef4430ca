//! `caravan canvas forecast`: the check before a launch; and the short form of it that publishing shows.
use crate::args::{ForecastArgs, Global};
use crate::check;
use crate::fail::End;
use crate::host::{Host, safe};
use crate::{config, out, verbs};
use caravan_model::port::{Clock, Connectors, SystemClock};
use caravan_model::{Reason, reasons};
use caravan_runner::{Forecast, StepForecast, WebhookForecast, forecast as look};
use std::collections::BTreeSet;

/// Says who would come now, whom each sync could send, and how long that takes.
pub async fn forecast(global: &Global, args: &ForecastArgs) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let checked = check::to_look_at(global, &store, &args.canvas, args.connections.as_deref()).await?;
    let sealed = Some(safe::of(&store));
    let host = Host::unconnected(&checked.connections, &checked.components, &checked.grants, sealed)?;
    // No lab is started for this; where one is needed, what the store knows is counted, and that is said.
    let sealed = Some(safe::of(&store));
    let bound = Host::bind(&checked.connections, &checked.components, &checked.grants, None, sealed);
    let partners = bound.as_ref().map(|host| host as &dyn Connectors);
    let (now, zone) = (SystemClock.now(), config::zone_of(store.workspace()));
    let beside = (&host as &dyn Connectors, &checked.connections.value);
    let found = look(&store, &checked.canvas.value, beside, partners, now, &zone).await?;
    tell(global, &found)
}

/// Shows a forecast; ends with 1 where it warns of something.
///
/// # Errors
/// Standard output is closed.
pub fn tell(global: &Global, found: &Forecast) -> anyhow::Result<End> {
    match global.json {
        true => out::print_json(found)?,
        false => out::print(&in_words(found))?,
    }
    Ok(if found.warns() { End::NeedsYou } else { End::Done })
}

/// The check in few lines, before a canvas is published.
pub fn in_short(found: &Forecast) -> String {
    let (eligible, people) = (out::count(found.eligible), out::people(found.people));
    let mut text = format!("{}: {eligible} of {people} may enter now", found.canvas);
    for step in &found.steps {
        text.push_str(&format!("; {} could be sent at {}", out::count(step.sendable), step.step));
    }
    if let Some(span) = found.drains_in {
        text.push_str(&format!("; quotas make that last {span}"));
    }
    text.push('\n');
    for step in &found.steps {
        step.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {}: {warning}\n", step.step)));
        step.notes.iter().for_each(|note| text.push_str(&format!("note: {}: {note}\n", step.step)));
    }
    text
}

fn in_words(found: &Forecast) -> String {
    let (eligible, people) = (out::count(found.eligible), out::people(found.people));
    let mut text = format!("{}: {eligible} of {people} may enter now", found.canvas);
    if found.control > 0 {
        text.push_str(&format!("; {} of them are held out as control", out::count(found.control)));
    }
    text.push('\n');
    found.steps.iter().for_each(|step| text.push_str(&step_words(step)));
    found.webhooks.iter().for_each(|step| text.push_str(&webhook_words(step)));
    text
}

fn webhook_words(step: &WebhookForecast) -> String {
    let mut text = format!(
        "step {} (webhook {}): {} could be sent, in {}\n",
        step.step,
        step.endpoint,
        out::people(step.sendable),
        out::plural(step.sendable, "call", "calls")
    );
    for (words, n) in &step.lost {
        text.push_str(&format!("  would fail: {} ({words})\n", out::people(*n)));
    }
    text
}

fn step_words(step: &StepForecast) -> String {
    let mut text = format!(
        "step {} ({}): {} could be sent, {} in {}",
        step.step,
        step.partner,
        out::people(step.sendable),
        out::plural(step.rows, "row", "rows"),
        out::plural(step.calls, "call", "calls")
    );
    if let Some(span) = step.drains_in {
        text.push_str(&format!("; the partner's quota makes that last {span}"));
        if !step.shares_with.is_empty() {
            text.push_str(&format!(", together with {}", step.shares_with.join(", ")));
        }
    }
    text.push('\n');
    for (field, n) in &step.fields {
        text.push_str(&format!("  {field}: {} it\n", out::plural(*n, "person has", "people have")));
    }
    // Different codes may have the same words.
    let words: BTreeSet<String> = step
        .lost
        .iter()
        .map(|(code, n)| format!("  not sent: {} ({})\n", out::people(*n), reasons::words_of(&Reason::new(code, ""))))
        .collect();
    text.extend(words);
    step.warnings.iter().for_each(|warning| text.push_str(&format!("  warning: {warning}\n")));
    step.notes.iter().for_each(|note| text.push_str(&format!("  note: {note}\n")));
    text
}
