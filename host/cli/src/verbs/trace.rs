//! `caravan profile trace`: everything about one person.
use crate::args::Global;
use crate::fail::End;
use crate::{mask, out};
use caravan_identity::recorded;
use caravan_model::{Code, Problem, Profile};
use caravan_store::{Membership, Standing, Store, Trace, Version};
use serde_json::{Value, json};

/// Finds people by any identifier and prints what is known of each.
pub async fn trace(global: &Global, store: &impl Store, identifier: &str, reveal: bool) -> anyhow::Result<End> {
    let found = store.find(identifier).await?;
    if found.is_empty() {
        return Err(Problem::new(Code::NotFound, "nobody in this store has this identifier")
            .cure("try another one: external id, alias, e-mail, phone, device id, or a digest that was sent")
            .into());
    }
    let versions = store.versions().await?;
    let audiences = store.audiences().await?;
    let name_of = |key: &caravan_store::LaneKey| {
        let bound = audiences.iter().find(|audience| {
            audience.connector == key.connector
                && audience.account == key.account
                && audience.partner_id.as_deref() == Some(key.audience.as_str())
        });
        bound.map_or_else(|| format!("{} {}", key.connector, key.audience), |audience| audience.name.clone())
    };
    let mut values = Vec::new();
    for (place, id) in found.iter().enumerate() {
        let Some(trace) = store.trace(*id).await? else { continue };
        if global.json {
            values.push(as_json(&trace, &versions, &name_of, reveal));
        } else {
            let gap = if place > 0 { "\n" } else { "" };
            out::print(&format!("{gap}{}", in_words(&trace, &versions, &name_of, reveal)))?;
        }
    }
    if global.json {
        out::print_json(&values)?;
    }
    Ok(End::Done)
}

fn show(value: &str, reveal: bool) -> String {
    if reveal { value.to_owned() } else { mask::identifier(value) }
}

/// The fields of a profile, named as in a users file.
fn fields(profile: &Profile, reveal: bool) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let many = |values: &[String]| values.iter().map(|value| show(value, reveal)).collect::<Vec<_>>().join(", ");
    let secret = |value: &Option<String>| value.as_deref().map(|value| show(value, reveal)).unwrap_or_default();
    let plain = |value: &Option<String>| value.clone().unwrap_or_default();
    let flag = |value: Option<bool>| value.map(|flag| flag.to_string()).unwrap_or_default();
    for (name, value) in [
        ("aliases", many(&profile.aliases)),
        ("emails", many(&profile.emails)),
        ("phones", many(&profile.phones)),
        ("first_name", secret(&profile.first_name)),
        ("last_name", secret(&profile.last_name)),
        ("gender", secret(&profile.gender)),
        ("birth_date", secret(&profile.birth_date)),
        ("city", secret(&profile.city)),
        ("state", plain(&profile.state)),
        ("zip", secret(&profile.zip)),
        ("country", plain(&profile.country)),
        ("idfa", secret(&profile.idfa)),
        ("gaid", secret(&profile.gaid)),
        ("time_zone", plain(&profile.time_zone)),
        ("locale", plain(&profile.locale)),
        ("ad_tracking_enabled", flag(profile.ad_tracking_enabled)),
        ("do_not_sell_or_share", flag(profile.do_not_sell_or_share)),
    ] {
        fields.push((name.to_owned(), value));
    }
    for (purpose, consent) in &profile.consents {
        fields.push((format!("consent {purpose}"), format!("{consent:?}").to_lowercase()));
    }
    for (name, value) in &profile.attributes {
        let value = if reveal { value.to_string() } else { mask::attribute(value) };
        fields.push((name.clone(), value));
    }
    fields.retain(|(_, value)| !value.is_empty());
    fields
}

/// The canvas, version and step of a visit.
fn place(versions: &[Version], visit: &caravan_store::TraceVisit) -> (String, String) {
    let version = versions.iter().find(|version| version.id == visit.version);
    let canvas =
        version.map_or_else(|| "?".to_owned(), |version| format!("{} v{}", version.canvas.canvas, version.number));
    let step = version.and_then(|version| version.canvas.steps.at(visit.step)).map(|(id, _)| id.to_string());
    (canvas, step.unwrap_or_else(|| "?".to_owned()))
}

fn standing(membership: &Membership) -> &'static str {
    match membership.standing {
        Standing::In => "in",
        Standing::Out => "out",
        Standing::Maybe => "maybe in",
        Standing::Unknown => "not known",
    }
}

/// The keys under which a membership's identifiers were sent.
fn keys(membership: &Membership) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for column in membership.recorded.iter().filter_map(|set| recorded::decode(set).ok()).flatten() {
        if !keys.contains(&column.key) {
            keys.push(column.key);
        }
    }
    keys
}

fn in_words(
    trace: &Trace,
    versions: &[Version],
    name_of: &dyn Fn(&caravan_store::LaneKey) -> String,
    reveal: bool,
) -> String {
    let mut text = format!("{}\n", trace.profile.external_id);
    let fields = fields(&trace.profile, reveal);
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in fields {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    if !trace.visits.is_empty() {
        text.push_str("\nway\n");
        let rows: Vec<Vec<String>> = trace
            .visits
            .iter()
            .map(|visit| {
                let (canvas, step) = place(versions, visit);
                let words =
                    if visit.reason.words.is_empty() { visit.reason.code.clone() } else { visit.reason.words.clone() };
                let until = visit.until.as_deref().map(|until| format!("until {until}"));
                let why: Vec<String> =
                    [Some(words).filter(|words| !words.is_empty()), until].into_iter().flatten().collect();
                let batch = visit.part.clone().unwrap_or_default();
                vec![out::instant(visit.at), canvas, step, visit.status.word().to_owned(), why.join(", "), batch]
            })
            .collect();
        text.push_str(&indented(&out::table(&["WHEN", "CANVAS", "STEP", "STATUS", "WHY", "BATCH"], &rows)));
    }
    if !trace.memberships.is_empty() {
        text.push_str("\naudiences\n");
        let rows: Vec<Vec<String>> = trace
            .memberships
            .iter()
            .map(|(lane, membership)| {
                let keys = keys(membership).join(", ");
                vec![
                    name_of(lane),
                    lane.audience.clone(),
                    standing(membership).to_owned(),
                    out::instant(membership.at),
                    keys,
                ]
            })
            .collect();
        text.push_str(&indented(&out::table(&["AUDIENCE", "ID", "STANDING", "SINCE", "SENT AS"], &rows)));
    }
    if !trace.events.is_empty() {
        text.push_str("\nevents\n");
        for event in &trace.events {
            text.push_str(&format!("  {}  {}\n", out::instant(event.at), event.name));
        }
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn as_json(
    trace: &Trace,
    versions: &[Version],
    name_of: &dyn Fn(&caravan_store::LaneKey) -> String,
    reveal: bool,
) -> Value {
    let fields: serde_json::Map<String, Value> =
        fields(&trace.profile, reveal).into_iter().map(|(name, value)| (name, value.into())).collect();
    let visits: Vec<Value> = trace
        .visits
        .iter()
        .map(|visit| {
            let (canvas, step) = place(versions, visit);
            json!({"at": visit.at, "canvas": canvas, "step": step, "status": visit.status, "reason": visit.reason,
                "until": visit.until, "batch": visit.part})
        })
        .collect();
    let memberships: Vec<Value> = trace
        .memberships
        .iter()
        .map(|(lane, membership)| {
            json!({"audience": name_of(lane), "id": lane.audience, "account": lane.account, "connector": lane.connector,
                "standing": membership.standing, "since": membership.at, "keys": keys(membership)})
        })
        .collect();
    let events: Vec<Value> = trace.events.iter().map(|event| json!({"at": event.at, "event": event.name})).collect();
    json!({"external_id": trace.profile.external_id, "profile": fields, "visits": visits, "memberships": memberships,
        "events": events})
}
