//! `caravan canvas preview`: one person's way through a canvas with time travel, and what each sync and webhook would send.
use crate::args::{Global, PreviewArgs};
use crate::check;
use crate::config;
use crate::fail::{End, usage};
use crate::out;
use crate::out::{instant_of, text_of};
use crate::verbs::{self, dry_run};
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Code, Millis, Problem, ProfileId, Reason, mask, reasons};
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
    tell(global, &as_json(&way, &dry))?;
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

/// Tells a person's way, as [`as_json`] gives it and as a serving host answers.
///
/// # Errors
/// It cannot be written.
pub fn tell(global: &Global, way: &Value) -> anyhow::Result<()> {
    match global.json {
        true => out::print_json(way),
        false => Ok(out::print(&in_words(way))?),
    }
}

fn in_words(way: &Value) -> String {
    let rule = Some(&way["kept_out_by"]).filter(|rule| !rule.is_null());
    let rule = rule.map(|rule| format!("this does not hold: {rule}"));
    let would_not = way["would_not_enter"].as_array().into_iter().flatten().map(text_of);
    let why: Vec<String> = would_not.chain(rule).collect();
    let who = text_of(&way["external_id"]);
    let mut text = match why.is_empty() {
        true => format!("{who} would enter\n"),
        false => format!("{who} would not enter: {}. If they came in:\n", why.join("; ")),
    };
    let rows: Vec<Vec<String>> = way["visits"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|visit| {
            let at = instant_of(&visit["at"]);
            vec![at, text_of(&visit["step"]), text_of(&visit["kind"]), decision(visit)]
        })
        .collect();
    text.push_str(&out::table(&["at", "step", "kind", "what happens"], &rows));
    if way["cut"] == true {
        text.push_str("and so on: the canvas goes round\n");
    }
    text
}

/// What a webhook would send, with identifiers masked.
fn body(visit: &PreviewVisit) -> Option<Value> {
    serde_json::from_str(visit.body.as_deref()?).ok().map(|body| mask::below(&body))
}

fn decision(visit: &Value) -> String {
    let reason: Reason = serde_json::from_value(visit["reason"].clone()).unwrap_or_default();
    let mut words = reasons::words_of(&reason).into_owned();
    if let Some(until) = visit["until"].as_i64() {
        let why = if words.is_empty() { String::new() } else { format!(": {words}") };
        words = format!("waits until {}{why}", out::instant(Millis(until)));
    }
    let body = &visit["body"];
    if !body.is_null() {
        let outcome = if words.is_empty() { "passed".to_owned() } else { words };
        words = format!("{outcome}: sends {body}");
    }
    let sync = &visit["sync"];
    if !sync.is_null() {
        let person = &sync["results"][0];
        let why = match text_of(&person["code"]).is_empty() {
            true => String::new(),
            false => format!(" ({})", text_of(&person["reason"])),
        };
        let requests = sync["requests"].as_array().into_iter().flatten();
        let requests: Vec<String> =
            requests.map(|request| format!("{} {}", text_of(&request["method"]), text_of(&request["url"]))).collect();
        let sends = match requests.is_empty() {
            true => "sends nothing".to_owned(),
            false => format!("sends {}", requests.join(", ")),
        };
        words = format!("{}{why}: {sends}", text_of(&person["status"]));
    }
    words
}
