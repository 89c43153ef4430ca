//! `caravan canvas forecast`: the check before a launch.
use crate::args::{ForecastArgs, Global};
use crate::check;
use crate::fail::End;
use crate::host::Host;
use crate::{config, out, verbs};
use caravan_journey::document::token_end;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Duration, Millis, Reason, reasons};
use caravan_runner::{Forecast, StepForecast, WebhookForecast, forecast as look};
use std::collections::BTreeSet;

/// How long before its end a token is worth a warning.
const SOON: Duration = Duration::DAY.times(30);

/// Says who would come now, whom each sync could send, and how long that takes.
pub async fn forecast(global: &Global, args: &ForecastArgs) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let checked = check::to_look_at(global, &store, &args.canvas, args.connections.as_deref()).await?;
    let canvas = &checked.canvas.value;
    let host = Host::unconnected(&checked.connections, &checked.components, &checked.grants)?;
    let (now, zone) = (SystemClock.now(), config::zone_of(store.workspace()));
    let mut found = look(&store, canvas, &host, now, &zone).await?;
    for step in &mut found.steps {
        let spec = canvas.steps.get(&step.step).and_then(|step| step.audience_sync.as_ref());
        let spec = spec.and_then(|sync| canvas.audiences.get(&sync.audience));
        let connection = spec.and_then(|spec| checked.connections.value.connections.get(&spec.connection));
        let ends = connection.and_then(|connection| connection.token_ends.as_deref()).and_then(token_end);
        if let Some(ends) = ends.filter(|ends| *ends < now.after(SOON)) {
            step.warnings.push(token_words(ends, now));
        }
    }
    if global.json {
        out::print_json(&found)?;
    } else {
        out::print(&in_words(&found, canvas.canvas.as_str()))?;
    }
    let warned = found.steps.iter().any(|step| !step.warnings.is_empty());
    Ok(if warned { End::NeedsYou } else { End::Done })
}

fn token_words(ends: Millis, now: Millis) -> String {
    match ends <= now {
        true => format!("the connection's token ended at {}", out::instant(ends)),
        false => format!("the connection's token ends at {}", out::instant(ends)),
    }
}

fn in_words(found: &Forecast, canvas: &str) -> String {
    let mut text = format!("{canvas}: {} of {} may enter now", out::count(found.eligible), out::people(found.people));
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
    text
}
