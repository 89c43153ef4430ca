//! How two versions of a connector behave: synthetic questions go through both, against the lab in this process, and the
//! requests that differ are told. Nobody real is in them, and nothing leaves the process.
mod cases;
mod differences;

use super::desk::Desk;
use super::loads;
use super::takeover::connections;
use crate::bundle;
use crate::fail::usage;
use crate::host::lab::DryTransport;
use crate::host::workshop::Workshop;
use crate::kept::Kept;
use bytes::Bytes;
use caravan_connectors::{Binding, BoundConnector, Grant, LoadedComponent, LocalVault, Reach, Transport};
use caravan_model::port::{Answer, BoxFuture, CallContext, CallOutcome, Connector as _};
use caravan_model::{Digest, Problem};
use cases::{Case, MadeUp, Question, cases};
use differences::differences;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Settings of connections that are tried beside the defaults.
const SETTINGS: usize = 4;
/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a comparison beside an upgrade may take: one that takes longer is asked for on its own.
const IN_PASSING: Duration = Duration::from_secs(20);

/// What the questions showed.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The version in use.
    pub from: Digest,
    /// The newer one.
    pub to: Digest,
    /// How many calls both were asked for: batches, and the other questions of the contract.
    pub batches: usize,
    /// Calls whose requests differ.
    pub differ: Vec<Differing>,
}

/// A call whose requests differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// What was asked: `add EMAIL`, `check`, `remove EMAIL, refused`.
    pub batch: String,
    /// What differs, in lines: where, what it was, what it is.
    pub lines: Vec<String>,
}

/// The same in short, beside an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Short {
    /// How many calls both were asked for.
    pub calls: usize,
    /// How many of them differ in what is sent to the partner.
    pub differ: usize,
    /// The first difference.
    pub first: Option<String>,
}

/// Compares the version in use with the one that waits, in short; nothing where that takes long or cannot be done.
pub async fn in_short(desk: &Desk<'_>, name: &str, file: &Path) -> Option<Short> {
    let compared = tokio::time::timeout(IN_PASSING, compare(desk, name, file)).await.ok()?.ok()?;
    let first = compared.differ.first().map(|one| {
        let line = one.lines.first().map(String::as_str).unwrap_or_default();
        format!("{}: {line}", one.batch)
    });
    Some(Short { calls: compared.batches, differ: compared.differ.len(), first })
}

/// Compares the version in use with the one that waits, under the default settings and those of connections that use it.
///
/// # Errors
/// There are no two versions, or one cannot be loaded.
pub async fn compare(desk: &Desk<'_>, name: &str, file: &Path) -> anyhow::Result<Comparison> {
    let standing = desk.standing(name).await?;
    let active = standing.active.or(bundle::digest_of(name));
    let (Some(from), Some(to)) = (active, standing.waiting.map(|waiting| waiting.digest)) else {
        let words = format!("there are no two versions of `{name}` to compare: one in use, one that waits");
        return Err(usage(words, "install a newer one: caravan connector install FILE").into());
    };
    let old = match standing.active {
        Some(active) => desk.bytes(active).await?,
        None => bundle::find(name, Path::new(""))?.into_owned(),
    };
    let new = desk.bytes(to).await?;
    let loaded = tokio::task::spawn_blocking(move || -> Result<_, Problem> {
        let mut workshop = Workshop::open()?;
        Ok((workshop.load(&old)?, workshop.load(&new)?))
    });
    let (old, new) = loaded.await??;
    loads::note_for(&desk.acting(), "comparison", [&old, &new]).await?;
    let made_up = MadeUp::anew();
    let (mut batches, mut differ) = (0, Vec::new());
    for (whose, settings) in settings(desk, name, file).await? {
        let mut asked = cases(old.manifest(), new.manifest(), &made_up);
        let mut next = 0;
        while let Some(case) = asked.get(next).cloned() {
            next += 1;
            batches += 1;
            let words = format!("{}{whose}", case.words);
            let both = (outcome(&old, &case, &made_up, &settings), outcome(&new, &case, &made_up, &settings));
            let lines = match (both.0.await, both.1.await) {
                (Ok(was), Ok(is)) => {
                    // What the partner judges later is asked about, by the reference that it gave to the old version.
                    if let Some(reference) = pending(&was).filter(|_| !case.refused) {
                        asked.push(Case::new(format!("{}, follow-up", case.words), Question::FollowUp(reference)));
                    }
                    differences(&was.requests, &is.requests)
                }
                (Ok(_), Err(problem)) => vec![format!("the newer version cannot be set so: {}", problem.message)],
                (Err(_), Ok(_)) => vec!["only the newer version can be set so".to_owned()],
                (Err(_), Err(_)) => Vec::new(),
            };
            if !lines.is_empty() {
                differ.push(Differing { batch: words, lines });
            }
        }
    }
    Ok(Comparison { from, to, batches, differ })
}

/// The defaults, and the settings of connections that use the connector, each once.
async fn settings(desk: &Desk<'_>, name: &str, file: &Path) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
    let mut all = vec![(String::new(), Map::new())];
    for (connection, known) in connections(file, &Kept::of(desk.store()).await?) {
        let own = known.settings;
        let is_new = all.iter().all(|(_, settings)| *settings != own);
        if known.connector.split('@').next() == Some(name) && is_new && all.len() <= SETTINGS {
            all.push((format!(" (as `{connection}` is set)"), own));
        }
    }
    Ok(all)
}

/// What a version makes of a question.
async fn outcome(
    component: &Arc<LoadedComponent>,
    case: &Case,
    made_up: &MadeUp,
    settings: &Map<String, Value>,
) -> Result<CallOutcome, Problem> {
    let manifest = component.manifest();
    let lab: Arc<dyn Transport> = match case.refused {
        true => Arc::new(Refusing),
        false => Arc::new(DryTransport::new(manifest)),
    };
    let binding = Binding {
        connection: "compare".to_owned(),
        grant: Grant::as_asked(manifest),
        settings: settings.clone(),
        accounts: None,
        vault: Arc::new(LocalVault::default()),
        reach: Reach::InProcess(lab),
    };
    let connector = BoundConnector::new(component.clone(), binding)?;
    let ask = case.ask(made_up, Value::Object(connector.settings().clone()).to_string());
    let seed = made_up.seed(&case.words);
    let context = CallContext { at: made_up.at, seed, deadline: DEADLINE, record_bodies: true };
    Ok(connector.call(context, ask).await)
}

/// The reference by which a batch is asked about later.
fn pending(outcome: &CallOutcome) -> Option<String> {
    match &outcome.answer {
        Ok(Answer::Report(report)) => report.pending.clone(),
        _ => None,
    }
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
