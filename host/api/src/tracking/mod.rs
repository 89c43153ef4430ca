//! Segment's HTTP tracking API under `/v1`, as the official libraries call it: `identify`, `track`, `page`, `screen`,
//! `group`, `alias`, one by one or as a `batch`; by their first letters, as browsers call them, too.
//!
//! Answered with 200 once everything is durable. Mistakes in one message of a batch do not lose the others: they are
//! taken in, and the answer says which were not. 429 and 503 mean *later*, with `Retry-After`: the libraries repeat, and
//! `messageId` keeps a repetition from counting twice.
mod browser;
mod read;
mod sent;

pub use read::read_message;
pub use sent::unpacked;

use crate::keys::key_of;
use crate::metrics::Counts;
use crate::problem::Refused;
use crate::routes::not_so;
use crate::server::{ServerOptions, State as Shared};
use crate::workspace::Workspace;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytesize::ByteSize;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Message, Problem};
use caravan_store::Store;
use read::{Envelope, KINDS, Moment};
use sent::Sent;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most mistakes that one answer lists.
const LISTED: usize = 20;

/// The routes under `/v1`.
pub(crate) fn routes<S: Store>(options: &ServerOptions) -> Router<Arc<Shared<S>>> {
    Router::new()
        .route("/v1/{kind}", post(one::<S>))
        .route("/v1/batch", post(batch::<S>))
        .route("/v1/b", post(batch::<S>))
        .route("/v1/import", post(batch::<S>))
        .route("/v1/projects/{key}/settings", get(browser::settings::<S>))
        // A little more than the limit itself: what is beyond it is answered in our own words.
        .layer(DefaultBodyLimit::max(options.most_bytes * 2))
        // Set before the layer of origins, which otherwise would not see what browsers ask beforehand.
        .method_not_allowed_fallback(not_so)
        .layer(browser::origins(options))
}

/// `POST /v1/{kind}`: one message.
async fn one<S: Store>(
    State(state): State<Arc<Shared<S>>>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Result<Json<Value>, Refused> {
    // Each kind begins with a letter of its own, by which the library for browsers calls it.
    let known = KINDS.into_iter().find(|known| *known == kind || known.get(..1) == Some(kind.as_str()));
    let Some(kind) = known.map(str::to_owned) else {
        let problem = Problem::new(Code::NotFound, format!("there is no call /v1/{kind}"))
            .cure(format!("call one of {}, batch", KINDS.join(", ")));
        return Err(Refused::bad(problem).with(StatusCode::NOT_FOUND));
    };
    let (message, place) = object(&state, &headers, &body, state.options.most_message_bytes).await?;
    take_in(&state, &place, &Envelope::default(), vec![(Some(kind), Value::Object(message))]).await
}

/// `POST /v1/batch`: many messages, each of which names its `type`.
async fn batch<S: Store>(
    State(state): State<Arc<Shared<S>>>,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Result<Json<Value>, Refused> {
    let (mut batch, place) = object(&state, &headers, &body, state.options.most_bytes).await?;
    let Some(Value::Array(messages)) = batch.remove("batch") else {
        let problem = Problem::new(Code::BadValue, "the request has no list of messages").at_path("batch");
        return Err(Refused::bad(problem.cure("send {\"batch\": [ … ]}, or call /v1/track and the like")));
    };
    let envelope = Envelope::of(&batch);
    take_in(&state, &place, &envelope, messages.into_iter().map(|message| (None, message)).collect()).await
}

/// The body of a request by someone who may send, as a JSON object.
async fn object<S: Store>(
    state: &Shared<S>,
    headers: &HeaderMap,
    body: &[u8],
    most: usize,
) -> Result<(Map<String, Value>, Arc<Workspace<S>>), Refused> {
    if body.len() > most {
        let problem =
            Problem::new(Code::BadValue, format!("the request has {} bytes; at most {most} are taken", body.len()));
        return Err(Refused::bad(problem.cure("send fewer messages at a time")).with(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let read = serde_json::from_slice::<Value>(body);
    // The key may stand in the body too, as some of the libraries send it.
    let key = key_of(headers).or_else(|| Some(read.as_ref().ok()?.get("writeKey")?.as_str()?.to_owned()));
    let place = match &key {
        Some(key) => state.sends_to(key).await?,
        None => None,
    };
    let Some(place) = place else {
        let problem = Problem::new(Code::BadValue, "the write key is missing or unknown")
            .cure("send a write key of this host as the user name of basic authentication");
        return Err(Refused::bad(problem).with(StatusCode::UNAUTHORIZED));
    };
    match read {
        Ok(Value::Object(object)) => Ok((object, place)),
        Ok(_) => Err(Refused::bad(Problem::new(Code::BadValue, "the request is no JSON object"))),
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
            Err(Refused::bad(Problem::new(Code::BadValue, "the request is no JSON").at_line(line)))
        }
    }
}

async fn take_in<S: Store>(
    state: &Shared<S>,
    place: &Workspace<S>,
    envelope: &Envelope,
    messages: Vec<(Option<String>, Value)>,
) -> Result<Json<Value>, Refused> {
    has_room(state, place).await?;
    let moment = Moment { received: SystemClock.now(), sent: envelope.sent };
    let (mut good, mut wrong) = (Vec::with_capacity(messages.len()), Vec::new());
    for (at, (kind, message)) in messages.iter().enumerate() {
        match one_of(state, envelope, moment, kind.as_deref(), message) {
            Ok(message) => good.push(message),
            // The call names the kind of a message that came alone.
            Err(problem) if kind.is_some() => wrong.push(problem),
            Err(problem) => {
                let below = problem.path.as_deref().map(|path| format!(".{path}")).unwrap_or_default();
                wrong.push(problem.at_path(format!("batch[{at}]{below}")));
            }
        }
    }
    Counts::add(&state.counts.unreadable, wrong.len() as u64);
    if let (true, Some(first)) = (good.is_empty(), wrong.first()) {
        return Err(Refused::bad(first.clone()));
    }
    let offered = good.len() as u64;
    let new = place.runner.receive(good).await?;
    Counts::add(&state.counts.received, new);
    Counts::add(&state.counts.repeated, offered - new);
    let mut answer = json!({"success": true});
    if !wrong.is_empty() {
        let count = wrong.len();
        wrong.truncate(LISTED);
        answer["refused"] = json!({"count": count, "problems": wrong});
    }
    Ok(Json(answer))
}

/// Whether there is room for more; else the sender comes again, and nothing is lost.
pub(crate) async fn has_room<S: Store>(state: &Shared<S>, place: &Workspace<S>) -> Result<(), Refused> {
    if state.is_leaving() {
        let problem = Problem::new(Code::Internal, "the host is on its way out").cure("send it again in a moment");
        return Err(Refused::bad(problem).with(StatusCode::SERVICE_UNAVAILABLE).again_after(5));
    }
    let space = place.space().await?;
    let (free, least, largest) =
        (space.free.unwrap_or(u64::MAX), state.options.least_free, state.options.largest_store);
    if free < least || (largest > 0 && space.bytes >= largest) {
        Counts::add(&state.counts.put_off, 1);
        let words = if free < least {
            format!("the store's disk has {} left; below {} nothing is taken in", ByteSize(free), ByteSize(least))
        } else {
            format!("the store takes {}, of {} that it may", ByteSize(space.bytes), ByteSize(largest))
        };
        let problem =
            Problem::new(Code::NoRoom, words).cure("send it again once there is room; nothing is lost by that");
        return Err(Refused::bad(problem).with(StatusCode::TOO_MANY_REQUESTS).again_after(60));
    }
    let backlog = place.backlog().await?;
    let now = SystemClock.now();
    let late = backlog.oldest.is_some_and(|oldest| now.since(oldest).0 > state.options.longest_wait.as_millis() as u64);
    if late || backlog.messages >= state.options.most_waiting {
        Counts::add(&state.counts.put_off, 1);
        let words = format!("{} messages wait to be worked off", backlog.messages);
        let problem = Problem::new(Code::Internal, words).cure("send it again after a while; nothing is lost by that");
        return Err(Refused::bad(problem).with(StatusCode::TOO_MANY_REQUESTS).again_after(10));
    }
    Ok(())
}

fn one_of<S: Store>(
    state: &Shared<S>,
    envelope: &Envelope,
    moment: Moment,
    kind: Option<&str>,
    message: &Value,
) -> Result<(Option<String>, Message), Problem> {
    let size = message.to_string().len();
    if size > state.options.most_message_bytes {
        let words = format!("the message has {size} bytes; at most {} are taken", state.options.most_message_bytes);
        return Err(Problem::new(Code::BadValue, words).cure("leave out what nobody needs"));
    }
    read::message(kind, message, envelope, moment)
}
