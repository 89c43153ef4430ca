//! `/api/events`: what people did, in sets. The tracking API under `/v1` takes single messages.
use super::SEND_EVENTS;
use super::entries::TakenIn;
use super::profiles::{PersonInput, profiles};
use crate::caller::Caller;
use crate::input::Json;
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Event, Message, Millis, Problem, Profile, Told};
use caravan_store::Store;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// The longest name or id, in bytes.
const LONGEST: usize = 1_000;

/// What people did.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Happenings {
    /// At most 10,000.
    pub events: Vec<Happening>,
}

/// What one person did.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// Makes a repetition harmless for seven days.
    #[serde(default)]
    pub id: Option<String>,
    /// Who, with what is told of them.
    pub who: PersonInput,
    /// The event; without one, only what is told of the person counts.
    #[serde(default)]
    pub event: Option<String>,
    /// When, in milliseconds of UTC; never later than now.
    pub at: i64,
    /// The event's properties.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub properties: serde_json::Map<String, serde_json::Value>,
    /// Names that are the same person's for certain.
    #[serde(default)]
    pub merges: Vec<String>,
}

/// Takes events in. The call is answered once they are durable.
#[utoipa::path(post, path = "/api/events", tag = "events", request_body = Happenings,
    security(("key" = ["send-events"])), responses((status = 202, body = TakenIn)))]
pub(crate) async fn receive<S: Store>(
    caller: Caller<S, SEND_EVENTS>,
    Json(input): Json<Happenings>,
) -> Result<(StatusCode, axum::Json<TakenIn>), Refused> {
    crate::tracking::has_room(&caller.host, &caller.place).await?;
    let now = SystemClock.now();
    let (mut people, mut rest) = (Vec::new(), Vec::new());
    for (at, happening) in input.events.into_iter().enumerate() {
        let texts = happening.id.iter().chain(&happening.event).chain(&happening.merges);
        if let Some(wrong) = texts.into_iter().find(|text| text.trim().is_empty() || text.len() > LONGEST) {
            let words = if wrong.is_empty() { "a name or id is empty" } else { "a name or id is empty or too long" };
            return Err(Problem::new(Code::BadValue, words).at_path(format!("events[{at}]")).into());
        }
        let happened = Millis(happening.at.max(0)).min(now);
        people.push(happening.who);
        rest.push((happening.id, happening.event, happened, happening.properties, happening.merges));
    }
    let offered = rest.len() as u64;
    let people = profiles(people)?;
    let message = |(who, (id, name, at, properties, merges)): (Profile, _)| {
        let name: Option<String> = name;
        let who = Profile { told: Told::at(at), ..who };
        let event = name.map(|name| Event { name, at, properties });
        (id, Message { who, event, merges, ..Message::default() })
    };
    // The tracking API's streams are no change by somebody; a set of events that somebody brings is.
    let mut order = caller.acting().order("event.import", "events", json!({"events": offered})).await?;
    let messages = people.into_iter().zip(rest).map(message).collect();
    let taken_in = caller.runner().receive_under(&mut order, messages).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(TakenIn { taken_in, known: offered - taken_in })))
}
