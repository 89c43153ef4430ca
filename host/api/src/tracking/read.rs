//! A message of the tracking API, read leniently: what is not understood stays an attribute, what cannot stand is said
//! with its place. No value of a person is repeated in a mistake.
use caravan_model::{Code, Consent, Event, Message, Millis, Problem, Profile, Told};
use serde_json::{Map, Value};

/// The calls that take one message.
pub(super) const KINDS: [&str; 6] = ["identify", "track", "page", "screen", "group", "alias"];
/// The longest identifier and event name.
const LONGEST: usize = 1_000;

/// What a batch says for all its messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    context: Map<String, Value>,
    /// When the sender's clock showed the sending.
    pub sent: Option<Millis>,
}

/// When a message came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By our clock.
    pub received: Millis,
    /// By the sender's.
    pub sent: Option<Millis>,
}

impl Envelope {
    pub(super) fn of(batch: &Map<String, Value>) -> Envelope {
        let context = batch.get("context").and_then(Value::as_object).cloned().unwrap_or_default();
        Envelope { context, sent: batch.get("sentAt").and_then(instant) }
    }
}

/// Reads one message with a `type` of its own, as a batch carries them, that comes from a file at some time.
///
/// # Errors
/// What cannot stand in it, with its place; no value of a person is repeated.
pub fn read_message(one: &Value, received: Millis) -> Result<(Option<String>, Message), Problem> {
    message(None, one, &Envelope::default(), Moment { received, sent: None })
}

/// Reads one message; `kind` is what the call names, else the message's `type`.
pub(super) fn message(
    kind: Option<&str>,
    message: &Value,
    envelope: &Envelope,
    moment: Moment,
) -> Result<(Option<String>, Message), Problem> {
    let wrong = |words: &str| Problem::new(Code::BadValue, words);
    let Some(message) = message.as_object() else { return Err(wrong("the message is no JSON object")) };
    let kind = match kind.or_else(|| message.get("type").and_then(Value::as_str)) {
        Some(kind) if KINDS.contains(&kind) => kind,
        _ => return Err(wrong("the message has no known `type`").at_path("type").cure(KINDS.join(", "))),
    };
    let mut context = envelope.context.clone();
    context.extend(message.get("context").and_then(Value::as_object).cloned().unwrap_or_default());
    let mut who = identity(message, kind)?;
    about_context(&mut who, &context);
    for said in [context.get("traits"), message.get("traits").filter(|_| kind == "identify")] {
        if let Some(Value::Object(traits)) = said {
            traits.iter().for_each(|(name, value)| about_trait(&mut who, name, value));
        }
    }
    let at = happened(message, moment);
    who.told = Told::at(at);
    let event = match kind {
        "track" => Some(text(message, "event").ok_or_else(|| {
            wrong("the event has no name").at_path("event").cure("name what happened: `event: Order Completed`")
        })?),
        "page" | "screen" | "group" => Some(kind.to_owned()),
        _ => None,
    };
    if event.as_ref().is_some_and(|name| name.len() > LONGEST) {
        return Err(wrong("the event's name is too long").at_path("event"));
    }
    let event = event.map(|name| Event { name, at, properties: properties(message, kind) });
    let id = text(message, "messageId").filter(|id| id.len() <= LONGEST);
    let merges = match kind {
        "alias" => text(message, "previousId").into_iter().filter(|previous| *previous != who.external_id).collect(),
        _ => Vec::new(),
    };
    Ok((id, Message { who, event, merges, ..Message::default() }))
}

/// Whom a message is about: the user id, else the anonymous one; the other is an alias.
fn identity(message: &Map<String, Value>, kind: &str) -> Result<Profile, Problem> {
    let (user, anonymous) = (text(message, "userId"), text(message, "anonymousId"));
    let previous = text(message, "previousId").filter(|_| kind == "alias");
    let Some(external_id) = user.clone().or_else(|| anonymous.clone()) else {
        return Err(Problem::new(Code::BadValue, "the message names nobody")
            .at_path("userId")
            .cure("send a `userId` or an `anonymousId`"));
    };
    let mut aliases: Vec<String> = previous.into_iter().collect();
    aliases.extend(anonymous.filter(|_| user.is_some()));
    aliases.retain(|alias| *alias != external_id);
    if external_id.len() > LONGEST || aliases.iter().any(|alias| alias.len() > LONGEST) {
        return Err(Problem::new(Code::BadValue, "an id has more than 1,000 bytes").at_path("userId"));
    }
    Ok(Profile { external_id, aliases, ..Profile::default() })
}

/// What the context says of a person: time zone, locale, device, further ids, consent.
fn about_context(who: &mut Profile, context: &Map<String, Value>) {
    who.time_zone = text(context, "timezone").or(who.time_zone.take());
    who.locale = text(context, "locale").or(who.locale.take());
    if let Some(device) = context.get("device").and_then(Value::as_object) {
        who.ad_tracking_enabled = device.get("adTrackingEnabled").and_then(Value::as_bool).or(who.ad_tracking_enabled);
        let apple = text(device, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("ios"));
        match text(device, "advertisingId") {
            Some(id) if apple => who.idfa = Some(id),
            Some(id) => who.gaid = Some(id),
            None => {}
        }
    }
    for id in context.get("externalIds").and_then(Value::as_array).into_iter().flatten() {
        let Some(value) = id.get("id").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty()) else {
            continue;
        };
        match id.get("type").and_then(Value::as_str).unwrap_or_default() {
            "ios.idfa" => who.idfa = Some(value.to_owned()),
            "android.idfa" => who.gaid = Some(value.to_owned()),
            "user_id" => {}
            // An ECID, or any other name of the same person.
            _ if value != who.external_id && !who.aliases.iter().any(|known| known == value) => {
                who.aliases.push(value.to_owned());
            }
            _ => {}
        }
    }
    let preferences = context.get("consent").and_then(|consent| consent.get("categoryPreferences"));
    for (purpose, given) in preferences.and_then(Value::as_object).into_iter().flatten() {
        if let Some(given) = given.as_bool() {
            let consent = if given { Consent::Granted } else { Consent::Denied };
            who.consents.insert(purpose.to_lowercase(), consent);
        }
    }
}

/// A trait: one of those that the API reserves, or an attribute.
fn about_trait(who: &mut Profile, name: &str, value: &Value) {
    let words = || value.as_str().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
    match (name, words()) {
        ("email", Some(email)) => who.emails = vec![email],
        ("phone", Some(phone)) => who.phones = vec![phone],
        ("firstName" | "first_name", Some(name)) => who.first_name = Some(name),
        ("lastName" | "last_name", Some(name)) => who.last_name = Some(name),
        ("gender", Some(gender)) => who.gender = Some(gender),
        ("birthday", Some(day)) => who.birth_date = Some(day.get(..10).unwrap_or(&day).to_owned()),
        ("address", _) if value.is_object() => {
            let part = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
            who.city = part("city").or(who.city.take());
            who.state = part("state").or(who.state.take());
            who.zip = part("postalCode").or(who.zip.take());
            who.country = part("country").or(who.country.take());
        }
        _ => {
            who.attributes.insert(name.to_owned(), value.clone());
        }
    }
}

/// When it happened: the sender's timestamp, put right by how far its clock is off; never in the future.
fn happened(message: &Map<String, Value>, moment: Moment) -> Millis {
    let stated = message.get("timestamp").and_then(instant);
    let sent = message.get("sentAt").and_then(instant).or(moment.sent);
    let at = match (stated, sent) {
        (Some(stated), Some(sent)) => Millis(moment.received.0.saturating_sub(sent.0.saturating_sub(stated.0))),
        (Some(stated), None) => stated,
        (None, _) => moment.received,
    };
    at.min(moment.received)
}

fn properties(message: &Map<String, Value>, kind: &str) -> Map<String, Value> {
    let field = if kind == "group" { "traits" } else { "properties" };
    let mut properties = message.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    for name in ["name", "category", "groupId"] {
        if let Some(value) = message.get(name).filter(|value| value.is_string()) {
            properties.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    properties
}

fn instant(value: &Value) -> Option<Millis> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(|at| Millis(at.as_millisecond()))
}

/// A text that says something; numbers are taken as their digits, because ids come that way too.
fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
