//! `caravan canvas preview`: one person's way through a canvas with time travel, and what each sync and webhook would send.
use crate::args::{Global, PreviewArgs};
use crate::check;
use crate::config;
use crate::fail::{End, usage};
use crate::out;
use crate::verbs::{self, dry_run};
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Code, Millis, Problem, ProfileId, mask, reasons};
use caravan_runner::{Assumed, DryRunResult, Happens, Preview, PreviewVisit, preview as walk};
use caravan_store::{Sqlite, Store};
use serde_json::{Value, json};

/// Shows every decision, and each sync as a dry run.
pub async fn preview(global: &Global, args: &PreviewArgs) -> anyhow::Result<End> {
    let from = match &args.at {
        Some(text) => instant(text)?,
        None => SystemClock.now(),
    };
    let store = verbs::look(global)?;
    let checked = check::to_look_at(global, &store, &args.canvas, args.connections.as_deref()).await?;
    let who = one_person(&store, &args.profile).await?;
    let assumed = Assumed { happens: Happens::of(args.happens.clone()), synced: !args.refused };
    let zone = config::zone_of(store.workspace());
    let way = walk(&store, &checked.canvas.value, who, from, &zone, assumed).await?;
    let mut dry = Vec::with_capacity(way.visits.len());
    for visit in &way.visits {
        dry.push(match visit.kind {
            "audience_sync" if !way.control => Some(sent(global, args, visit).await?),
            _ => None,
        });
    }
    if global.json {
        out::print_json(&as_json(&way, &dry))?;
    } else {
        out::print(&in_words(&way, &dry))?;
    }
    Ok(End::Done)
}

/// Whom an identifier names.
///
/// # Errors
/// Nobody, or several.
pub async fn one_person(store: &Sqlite, identifier: &str) -> anyhow::Result<ProfileId> {
    let found = store.find(identifier).await?;
    if let [who] = found.as_slice() {
        return Ok(*who);
    }
    let words = match found.len() {
        0 => "nobody in the store has this identifier".to_owned(),
        several => format!("{several} people in the store have this identifier"),
    };
    Err(Problem::new(Code::NotFound, words).cure("name an external id of one person").into())
}

/// An instant as people write it.
///
/// # Errors
/// It is none.
pub fn instant(text: &str) -> anyhow::Result<Millis> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    let at = read.map_err(|_| usage(format!("`{text}` is no instant"), "write --at 2026-12-24T09:00:00Z"))?;
    Ok(Millis(at.as_millisecond()))
}

/// What a sync would send for the person as they are then.
async fn sent(global: &Global, args: &PreviewArgs, visit: &PreviewVisit) -> anyhow::Result<DryRunResult> {
    let of = dry_run::StepOf {
        canvas: &args.canvas,
        step: &visit.step,
        connections: args.connections.as_deref(),
        policy: None,
        audience: None,
        at: visit.at,
    };
    dry_run::of_one(global, &of, visit.person.clone()).await
}

/// A person's way as data.
pub fn as_json(way: &Preview, dry: &[Option<DryRunResult>]) -> Value {
    let visits: Vec<Value> = way
        .visits
        .iter()
        .zip(dry)
        .map(|(visit, dry)| {
            json!({"at": visit.at, "step": visit.step, "kind": visit.kind, "reason": visit.reason,
            "until": visit.until, "sync": dry.as_ref().map(dry_run::as_json), "body": body(visit)})
        })
        .collect();
    json!({"external_id": way.external_id, "kept_out_by": way.kept_out_by,
        "would_not_enter": way.would_not_enter, "control": way.control, "visits": visits,
        "cut": way.cut})
}

fn in_words(way: &Preview, dry: &[Option<DryRunResult>]) -> String {
    let rule = way.kept_out_by.as_ref().map(|filter| serde_json::to_string(filter).unwrap_or_default());
    let rule = rule.map(|rule| format!("this does not hold: {rule}"));
    let why: Vec<String> = way.would_not_enter.iter().cloned().chain(rule).collect();
    let mut text = match why.is_empty() {
        true => format!("{} would enter\n", way.external_id),
        false => format!("{} would not enter: {}. If they came in:\n", way.external_id, why.join("; ")),
    };
    let rows: Vec<Vec<String>> = way
        .visits
        .iter()
        .zip(dry)
        .map(|(visit, dry)| {
            vec![out::instant(visit.at), visit.step.clone(), visit.kind.to_owned(), decision(visit, dry.as_ref())]
        })
        .collect();
    text.push_str(&out::table(&["at", "step", "kind", "what happens"], &rows));
    if way.cut {
        text.push_str("and so on: the canvas goes round\n");
    }
    text
}

/// What a webhook would send, with identifiers masked.
fn body(visit: &PreviewVisit) -> Option<Value> {
    serde_json::from_str(visit.body.as_deref()?).ok().map(|body| mask::below(&body))
}

fn decision(visit: &PreviewVisit, dry: Option<&DryRunResult>) -> String {
    let mut words = reasons::words_of(&visit.reason).into_owned();
    if let Some(until) = visit.until {
        words = format!(
            "waits until {}{}",
            out::instant(until),
            if words.is_empty() { "".into() } else { format!(": {words}") }
        );
    }
    if let Some(body) = body(visit) {
        let outcome = if words.is_empty() { "passed".to_owned() } else { words };
        words = format!("{outcome}: sends {body}");
    }
    if let Some(dry) = dry {
        let person = dry.results.first();
        let status = person.map_or("", |person| person.status.word());
        let why = person.map(|person| &person.reason).filter(|why| !why.code.is_empty());
        let why = why.map_or(String::new(), |why| format!(" ({})", reasons::words_of(why)));
        let requests: Vec<String> =
            dry.requests.iter().map(|request| format!("{} {}", request.method, request.url)).collect();
        let sends =
            if requests.is_empty() { "sends nothing".to_owned() } else { format!("sends {}", requests.join(", ")) };
        words = format!("{status}{why}: {sends}");
    }
    words
}
