//! How two versions of a connector behave: a kept set of synthetic batches goes through both, against the lab in this process,
//! and the requests that differ are told. Nobody real is in these batches, and nothing leaves the process.
use super::desk::Desk;
use crate::fail::usage;
use crate::host::lab::DryTransport;
use crate::host::workshop::Workshop;
use bytes::Bytes;
use caravan_connectors::{Binding, BoundConnector, Grant, LoadedComponent, LocalVault, Reach, Transport};
use caravan_model::manifest::{Hash, MatchKey};
use caravan_model::port::{Ask, BoxFuture, CallContext, Connector as _, RequestRecord};
use caravan_model::{Action, Column, Digest, Manifest, Millis, Part, Problem, Target};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// People of each batch.
const PEOPLE: u32 = 3;
/// Differences of one batch that are told.
const TOLD: usize = 20;
/// The longest value that is shown.
const SHOWN: usize = 160;

/// What the batches showed.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The version in use.
    pub from: Digest,
    /// The newer one.
    pub to: Digest,
    /// How many batches both were given.
    pub batches: usize,
    /// Batches whose requests differ.
    pub differ: Vec<Differing>,
}

/// A batch whose requests differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// What was sent: `add EMAIL`, `remove EMAIL, refused`.
    pub batch: String,
    /// What differs, in lines: where, what it was, what it is.
    pub lines: Vec<String>,
}

/// Compares the version in use with the one that waits.
///
/// # Errors
/// There are no two versions, or one cannot be loaded.
pub async fn compare(desk: &Desk<'_>, name: &str) -> anyhow::Result<Comparison> {
    let standing = desk.standing(name).await?;
    let (Some(from), Some(to)) = (standing.active, standing.waiting.map(|waiting| waiting.digest)) else {
        let words = format!("there are no two versions of `{name}` to compare: one in use, one that waits");
        return Err(usage(words, "install a newer one: caravan connector install FILE").into());
    };
    let (old, new) = (desk.bytes(from).await?, desk.bytes(to).await?);
    let loaded = tokio::task::spawn_blocking(move || -> Result<_, Problem> {
        let mut workshop = Workshop::open()?;
        Ok((workshop.load(&old)?, workshop.load(&new)?))
    });
    let (old, new) = loaded.await??;
    let (mut batches, mut differ) = (0, Vec::new());
    for (words, part, refused) in kept_set(old.manifest(), new.manifest()) {
        let (was, is) = (requests(&old, &part, refused).await?, requests(&new, &part, refused).await?);
        batches += 1;
        let lines = differences(&was, &is);
        if !lines.is_empty() {
            differ.push(Differing { batch: words, lines });
        }
    }
    Ok(Comparison { from, to, batches, differ })
}

/// The batches that both versions take: each key alone and all of a group, for each action; and one that the partner refuses.
fn kept_set(old: &Manifest, new: &Manifest) -> Vec<(String, Arc<Part>, bool)> {
    let mut set = Vec::new();
    let both = |key: &&MatchKey| new.keys.iter().any(|other| other.key == key.key && other.hash == key.hash);
    for action in old.actions.iter().filter(|action| new.actions.contains(action)) {
        for group in old.groups.iter().filter(|group| new.groups.iter().any(|other| other.name == group.name)) {
            let keys: Vec<&MatchKey> =
                old.keys.iter().filter(both).filter(|key| group.keys.contains(&key.key)).collect();
            let mut sets: Vec<Vec<&MatchKey>> = keys.iter().map(|key| alone(key, &keys)).collect();
            sets.push(keys);
            sets.retain(|keys| !keys.is_empty());
            sets.dedup_by(|a, b| a.iter().map(|key| &key.key).eq(b.iter().map(|key| &key.key)));
            for keys in sets {
                let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
                let words = format!("{} {}", action.word(), names.join(", "));
                set.push((words, Arc::new(part(*action, &group.name, &keys)), false));
            }
        }
    }
    let refused: Vec<_> =
        set.first().map(|(words, part, _)| (format!("{words}, refused"), part.clone(), true)).into_iter().collect();
    set.extend(refused);
    set
}

/// A key with those that it must not be without, in the manifest's order.
fn alone<'a>(key: &'a MatchKey, all: &[&'a MatchKey]) -> Vec<&'a MatchKey> {
    let identifying = all.iter().find(|other| other.identifies).filter(|_| !key.identifies);
    let wanted = |other: &&MatchKey| {
        other.key == key.key
            || key.with.contains(&other.key)
            || identifying.is_some_and(|identifying| identifying.key == other.key)
    };
    all.iter().copied().filter(wanted).collect()
}

fn part(action: Action, group: &str, keys: &[&MatchKey]) -> Part {
    let column = |key: &&MatchKey| {
        let mut column = Column::with_capacity(&key.key, PEOPLE as usize, 64);
        (0..PEOPLE).for_each(|row| column.push(&value(key.hash, row)));
        column
    };
    Part {
        id: "compare".to_owned(),
        action,
        group: group.to_owned(),
        rows: PEOPLE,
        person_ends: (1..=PEOPLE).collect(),
        columns: keys.iter().map(column).collect(),
        flags: Vec::new(),
    }
}

/// Nobody's value.
fn value(hash: Hash, row: u32) -> String {
    match hash {
        Hash::None => format!("1000{row}"),
        Hash::Sha256Hex | Hash::Sha256OfMd5 => format!("{row:064x}"),
        Hash::Sha256Base64 => format!("{row:043}="),
        Hash::Md5Hex => format!("{row:032x}"),
    }
}

/// What a version asks the partner for a batch.
async fn requests(
    component: &Arc<LoadedComponent>,
    part: &Arc<Part>,
    refused: bool,
) -> Result<Vec<RequestRecord>, Problem> {
    let manifest = component.manifest();
    let lab: Arc<dyn Transport> = match refused {
        true => Arc::new(Refusing),
        false => Arc::new(DryTransport::new(manifest)),
    };
    let binding = Binding {
        connection: "compare".to_owned(),
        grant: Grant::as_asked(manifest),
        settings: Map::new(),
        accounts: None,
        vault: Arc::new(LocalVault::default()),
        reach: Reach::InProcess(lab),
    };
    let connector = BoundConnector::new(component.clone(), binding)?;
    let target = Target {
        account: "1000000001".to_owned(),
        audience: "2000000002".to_owned(),
        audience_parts: Vec::new(),
        settings: Value::Object(connector.settings().clone()).to_string(),
    };
    let context = CallContext {
        at: Millis(1_795_000_000_000),
        seed: part.id.clone(),
        deadline: Duration::from_secs(30),
        record_bodies: true,
    };
    Ok(connector.call(context, Ask::Sync { target, part: part.clone() }).await.requests)
}

/// A partner that refuses whatever it is asked.
struct Refusing;

impl Transport for Refusing {
    fn send(&self, _: &str, _: http::Request<Bytes>) -> BoxFuture<'static, http::Response<Bytes>> {
        let mut answer = http::Response::new(Bytes::from_static(b"{\"error\":{\"code\":100,\"message\":\"refused\"}}"));
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Box::pin(std::future::ready(answer))
    }
}

/// Where requests differ.
fn differences(was: &[RequestRecord], is: &[RequestRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    let head = |one: &RequestRecord| format!("{} {}", one.method, one.url);
    for at in 0..was.len().max(is.len()) {
        let place = format!("request {}", at + 1);
        match (was.get(at), is.get(at)) {
            (Some(was), Some(is)) => {
                differ(&place, &Value::from(head(was)), &Value::from(head(is)), &mut lines);
                differ(&format!("{place}, header "), &headers(was), &headers(is), &mut lines);
                differ(&format!("{place}, body "), &body(was), &body(is), &mut lines);
                let outcome = |one: &RequestRecord| {
                    Value::from(one.outcome.clone().map_or_else(|no| no, |status| status.to_string()))
                };
                differ(&format!("{place}, answer"), &outcome(was), &outcome(is), &mut lines);
            }
            (Some(was), None) => lines.push(format!("{place}: {} is made no more", head(was))),
            (None, Some(is)) => lines.push(format!("{place}: {} is new", head(is))),
            (None, None) => {}
        }
    }
    if let Some(more) = lines.len().checked_sub(TOLD).filter(|more| *more > 0) {
        lines.truncate(TOLD);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn headers(request: &RequestRecord) -> Value {
    let pairs = request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(pairs.collect())
}

fn body(request: &RequestRecord) -> Value {
    let bytes = request.body.as_deref().unwrap_or_default();
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
}

fn differ(place: &str, was: &Value, is: &Value, lines: &mut Vec<String>) {
    match (was, is) {
        _ if was == is => {}
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differ(&format!("{place}/{name}"), a, b, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{place}/{at}"), a, b, lines);
            }
        }
        _ => lines.push(format!("{place}: {} → {}", shown(was), shown(is))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => value.to_string().chars().take(SHOWN).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, body: &str) -> RequestRecord {
        RequestRecord { body: Some(body.as_bytes().to_vec()), outcome: Ok(200), ..RequestRecord::unsent(method, url) }
    }

    #[test]
    fn requests_that_differ_are_told_where_and_equal_ones_are_not() {
        let was = [request("POST", "https://a/x", r#"{"schema":["EMAIL"],"data":[1,2]}"#)];
        assert!(differences(&was, &was).is_empty());
        let is = [
            request("POST", "https://a/y", r#"{"schema":["PHONE"],"data":[1,2],"new":true}"#),
            request("GET", "https://a/z", ""),
        ];
        assert_eq!(
            differences(&was, &is),
            [
                r#"request 1: "POST https://a/x" → "POST https://a/y""#,
                "request 1, body /new: nothing → true",
                r#"request 1, body /schema/0: "EMAIL" → "PHONE""#,
                "request 2: GET https://a/z is new",
            ]
        );
        assert_eq!(differences(&was, &[]), ["request 1: POST https://a/x is made no more"]);
    }

    #[test]
    fn the_kept_set_has_every_key_of_both_versions_each_action_and_a_refusal() {
        let text = include_str!("../../../../guest-steps/template/manifest.json");
        let manifest: Manifest = serde_json::from_str(text).expect("a manifest");
        let set = kept_set(&manifest, &manifest);
        for key in &manifest.keys {
            for action in &manifest.actions {
                let has = |(_, part, _): &(String, Arc<Part>, bool)| {
                    part.action == *action && part.columns.iter().any(|column| column.key == key.key)
                };
                assert!(set.iter().any(has), "{} {}", action.word(), key.key);
            }
        }
        assert_eq!(set.iter().filter(|(_, _, refused)| *refused).count(), 1);
        let mut less = manifest.clone();
        less.keys.clear();
        assert!(kept_set(&manifest, &less).is_empty());
    }
}
