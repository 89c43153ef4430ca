//! Adding and removing members, and what became of it (contract, section 3).

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::error::{GoogleError, Violation, request_id};
use super::request::{Body, Consent, Destination, Encoding, Known, Said};
use super::state::{Accepted, Deed, Kind, Outcome};
use super::{Answer, GoogleState, ok};
use crate::form::Params;
use crate::reply::Class;
use crate::rows::google_key;
use crate::settings::Settings;
use crate::world::{Damage, World};

const DESTINATIONS: usize = 10;
const DENIED: &str = "PROCESSING_ERROR_REASON_DENIED_CONSENT";
const NO_CONSENT: &str = "PROCESSING_ERROR_REASON_NO_CONSENT";
const INVALID: &str = "PROCESSING_ERROR_REASON_INVALID_FORMAT";

/// The European Economic Area.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// `POST audienceMembers:ingest`, `:remove` and `:removeAll`. One member that is not valid fails the whole request.
pub(super) fn edit(world: &World, deed: Deed, body: Result<Body<'_>, GoogleError>, damage: &Damage) -> Answer {
    let body = body?;
    let settings = world.settings().clone();
    shape(&body, deed)?;
    let kind = kind(&body, &settings, deed)?;
    let encoding = Encoding::of(&body.encoding);
    if kind == Kind::Contact && deed != Deed::RemoveAll && encoding.is_none() {
        return Err(GoogleError::field("encoding", "REQUIRED_FIELD_MISSING", "The encoding is missing."));
    }
    if deed == Deed::Ingest && matches!(kind, Kind::Contact | Kind::Mobile) && !body.terms_of_service.accepted() {
        let field = "terms_of_service.customer_match_terms_of_service_status";
        return Err(GoogleError::field(field, "REQUIRED_FIELD_MISSING", "The terms must be accepted."));
    }
    let mut state = world.google();
    let mut ios = false;
    for (place, destination) in body.destinations.iter().enumerate() {
        ios |= destined(&mut state, place, destination, kind, deed, &settings)?;
    }
    let known = members(&body, encoding, ios, deed, damage, &settings)?;
    if body.validate_only {
        return Ok(ok(&json!({})));
    }
    let mut outcomes = Vec::new();
    for destination in &body.destinations {
        outcomes.push(change(&mut state, destination, &body, &known, (deed, kind), damage, &settings));
    }
    let id = request_id();
    state.accept(id.clone(), Accepted { deed, at: Instant::now(), outcomes });
    let mut answer = json!({"requestId": id});
    if let Some(reason) = damage.reason.as_deref().filter(|reason| reason.starts_with("WARNING_")) {
        let warning = |place: usize| json!({"reason": reason, "description": "Look at this.", "field": format!("audience_members[{place}]")});
        answer["fieldWarnings"] = (0..damage.rows.min(known.len())).map(warning).collect();
    }
    let mut reply = ok(&answer);
    if damage.partial {
        reply.class = Class::Partial;
    }
    Ok(reply)
}

/// What of a body does not depend on the account.
fn shape(body: &Body<'_>, deed: Deed) -> Result<(), GoogleError> {
    let missing = |field: &str| Err(GoogleError::field(field, "REQUIRED_FIELD_MISSING", "The field is missing."));
    match body.destinations.len() {
        0 => return missing("destinations"),
        1..=DESTINATIONS => {}
        _ => return Err(GoogleError::field("destinations", "TOO_MANY_DESTINATIONS", "At most 10.")),
    }
    for (place, destination) in body.destinations.iter().enumerate() {
        let again = body.destinations[..place].iter().any(|other| other.reference == destination.reference);
        if destination.reference.is_some() && again {
            let field = format!("destinations[{place}].reference");
            return Err(GoogleError::field(field, "DUPLICATE_DESTINATION_REFERENCE", "The reference stands twice."));
        }
    }
    let foreign = match deed {
        Deed::Ingest => body.remove_as_of_time.is_some().then_some("removeAsOfTime"),
        Deed::Remove if body.consent.is_some() => Some("consent"),
        Deed::Remove => body.terms_of_service.accepted().then_some("termsOfService"),
        Deed::RemoveAll => (!body.audience_members.is_empty()).then_some("audienceMembers"),
    };
    if let Some(name) = foreign {
        return Err(GoogleError::unknown(name));
    }
    if deed != Deed::RemoveAll && body.audience_members.is_empty() {
        return missing("audience_members");
    }
    Ok(())
}

/// The one kind of data of all members.
fn kind(body: &Body<'_>, settings: &Settings, deed: Deed) -> Result<Kind, GoogleError> {
    if body.audience_members.len() > settings.rows_per_call {
        return Err(GoogleError::field("audience_members", "TOO_MANY_AUDIENCE_MEMBERS", "At most 10,000."));
    }
    let mut kind = None;
    for (place, member) in body.audience_members.iter().enumerate() {
        for found in member.kinds() {
            if kind.is_some_and(|kind| kind != found) {
                let field = format!("audience_members[{place}]");
                return Err(GoogleError::field(
                    field,
                    "MULTIPLE_DATA_TYPES_NOT_ALLOWED",
                    "One kind of data per request.",
                ));
            }
            kind = Some(found);
        }
    }
    match kind {
        Some(kind) => Ok(kind),
        None if deed == Deed::RemoveAll => Ok(Kind::Contact),
        None => Err(GoogleError::field("audience_members[0]", "INVALID_AUDIENCE_MEMBER", "A member has no data.")),
    }
}

/// Checks one destination; says whether its list is of Apple's ids.
fn destined(
    state: &mut GoogleState,
    place: usize,
    destination: &Destination,
    kind: Kind,
    deed: Deed,
    settings: &Settings,
) -> Result<bool, GoogleError> {
    let at = format!("destinations[{place}]");
    let wrong = |field: &str, reason: &str, words: &str| GoogleError::field(format!("{at}{field}"), reason, words);
    let operating = &destination.operating_account;
    let ads = operating.account_type == "GOOGLE_ADS" || operating.account_type == 1;
    if !ads && operating.product.as_deref() != Some("GOOGLE_ADS") {
        return Err(wrong(
            ".operating_account",
            "DESTINATION_ACCOUNT_TYPE_MISMATCH",
            "Only Google Ads takes audiences.",
        ));
    }
    if destination.linked_account.is_some() {
        let reason = "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT";
        return Err(wrong(".linked_account", reason, "For data partners."));
    }
    let login = destination.login_account.as_ref().map_or("", |account| account.account_id.as_str());
    if !settings.google.manager.is_empty() && login != settings.google.manager {
        let reason = "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH";
        return Err(wrong(".login_account", reason, "The login account does not reach the operating account."));
    }
    let account = operating.account_id.as_str();
    state.account(account, settings)?;
    if !state.terms(account) {
        return Err(wrong("", "TERMS_AND_CONDITIONS_NOT_SIGNED", "The customer-data terms are not signed."));
    }
    if destination.product_destination_id.is_empty() {
        return Err(wrong(".product_destination_id", "REQUIRED_FIELD_MISSING", "The list is missing."));
    }
    let Some(list) = state.list(account, &destination.product_destination_id, kind) else {
        return Err(wrong(".product_destination_id", "INVALID_USER_LIST_ID", "The account has no such list."));
    };
    if list.read_only {
        return Err(wrong(".product_destination_id", "USER_LIST_MUTATION_NOT_SUPPORTED", "The list is not yours."));
    }
    if list.kind != kind && deed != Deed::RemoveAll {
        return Err(wrong(".product_destination_id", "INVALID_USER_LIST_TYPE", "The list takes another kind of data."));
    }
    Ok(list.ios)
}

/// All members' identifiers, or the refusal that names those that have none.
fn members(
    body: &Body<'_>,
    encoding: Option<Encoding>,
    ios: bool,
    deed: Deed,
    damage: &Damage,
    settings: &Settings,
) -> Result<Vec<Known>, GoogleError> {
    let (mut known, mut violations) = (Vec::with_capacity(body.audience_members.len()), Vec::new());
    let spoilt = if damage.partial { 0 } else { damage.rows };
    for (place, member) in body.audience_members.iter().enumerate() {
        let said = member.consent.or(body.consent).unwrap_or_default();
        let rubbish = said.ad_user_data == Said::Rubbish || said.ad_personalization == Said::Rubbish;
        if place < spoilt {
            let field = format!("audience_members[{place}]");
            violations.push(Violation::new(field, "INVALID_SHA256_FORMAT", "The value is not valid."));
        } else if rubbish || (deed == Deed::Remove && member.consent.is_some()) {
            let field = format!("audience_members[{place}].consent");
            return Err(GoogleError::field(field, "INVALID_ENUM_VALUE", "No such consent."));
        } else {
            match member.known(place, encoding, ios) {
                Ok(found) => known.push(found),
                Err(violation) => violations.push(violation),
            }
        }
    }
    violations.truncate(settings.google.named_rows);
    match violations.is_empty() {
        true => Ok(known),
        false => Err(GoogleError::fields(violations)),
    }
}

/// Changes one list; says what became of the members.
fn change(
    state: &mut GoogleState,
    destination: &Destination,
    body: &Body<'_>,
    known: &[Known],
    (deed, kind): (Deed, Kind),
    damage: &Damage,
    settings: &Settings,
) -> Outcome {
    let account = destination.operating_account.account_id.clone();
    let id = destination.product_destination_id.clone();
    let mut outcome = Outcome {
        account: account.clone(),
        list: id.clone(),
        kind,
        records: 0,
        identifiers: 0,
        errors: BTreeMap::new(),
    };
    let Some(list) = state.list(&account, &id, kind) else { return outcome };
    list.changed = Some(Instant::now());
    if deed == Deed::RemoveAll {
        list.members = Default::default();
        return outcome;
    }
    // A dial's reason that is about processing; warnings process all the same.
    let reason = damage.reason.as_deref().filter(|reason| reason.starts_with("PROCESSING_"));
    let failing = if damage.partial && !is_warning(damage) { damage.rows } else { 0 };
    for (place, (member, found)) in body.audience_members.iter().zip(known).enumerate() {
        if !member.goes_to(destination.reference.as_deref()) {
            continue;
        }
        outcome.records += 1;
        outcome.identifiers += found.identifiers as u64;
        let said = member.consent.or(body.consent).unwrap_or_default();
        let dropped = match place < failing {
            true => Some(reason.unwrap_or(INVALID)),
            false => dropped(said, found, deed, settings),
        };
        if let Some(reason) = dropped {
            *outcome.errors.entry(reason.to_string()).or_default() += 1;
            list.refused += 1;
            continue;
        }
        for row in rows(&found.cells) {
            let keys: Vec<_> = row.iter().filter_map(|(key, _)| google_key(key)).collect();
            let values: Vec<&str> = row.iter().map(|(_, value)| *value).collect();
            if deed == Deed::Ingest {
                let schema = list.members.schema(&keys);
                list.members.add(schema, &values);
            } else {
                list.members.remove(&keys, &values);
            }
        }
    }
    outcome
}

fn is_warning(damage: &Damage) -> bool {
    damage.reason.as_deref().is_some_and(|reason| reason.starts_with("WARNING_"))
}

/// Why a member is dropped while it is processed.
fn dropped(said: Consent, found: &Known, deed: Deed, settings: &Settings) -> Option<&'static str> {
    if deed != Deed::Ingest {
        return None;
    }
    let both = [said.ad_user_data, said.ad_personalization];
    let eea = found.region.as_deref().is_some_and(|region| EEA.contains(&region));
    if both.contains(&Said::Denied) {
        Some(DENIED)
    } else if (eea || settings.google.consent_for_all) && both.contains(&Said::Nothing) {
        Some(NO_CONSENT)
    } else {
        None
    }
}

/// A member as rows: one value of each key; single ones are repeated beside several of another key.
fn rows<'a>(cells: &'a [(&'static str, String)]) -> Vec<Vec<(&'static str, &'a str)>> {
    let mut keys: Vec<(&'static str, Vec<&'a str>)> = Vec::new();
    for (key, value) in cells {
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value),
            None => keys.push((key, vec![value])),
        }
    }
    let count = keys.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let row = |at: usize| {
        let of = |values: &[&'a str]| if values.len() == 1 { values.first() } else { values.get(at) }.copied();
        keys.iter().filter_map(|(key, values)| Some((*key, of(values)?))).collect()
    };
    (0..count).map(row).collect()
}

/// `GET requestStatus:retrieve`.
pub(super) fn status(world: &World, params: &Params<'_>) -> Answer {
    let settings = world.settings().clone();
    let state = world.google();
    let request = params
        .filled("requestId")
        .and_then(|id| state.request(id))
        .ok_or_else(|| GoogleError::field("request_id", "INVALID_REQUEST_ID", "There is no such request."))?;
    let done = world.has_passed(request.at, settings.google.processing_seconds);
    let shown: Vec<Value> = request.outcomes.iter().map(|outcome| shown(outcome, request.deed, done)).collect();
    Ok(ok(&json!({"requestStatusPerDestination": shown})))
}

fn shown(outcome: &Outcome, deed: Deed, done: bool) -> Value {
    let errors: u64 = outcome.errors.values().sum();
    let status = match (done, errors) {
        (false, _) => "PROCESSING",
        (true, 0) => "SUCCESS",
        (true, errors) if errors >= outcome.records => "FAILED",
        (true, _) => "PARTIAL_SUCCESS",
    };
    let records = outcome.records.to_string();
    let identifiers = outcome.identifiers.to_string();
    let mut shown = json!({
        "destination": {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": outcome.account},
            "productDestinationId": outcome.list,
        },
        "requestStatus": status,
    });
    if !done {
        return shown;
    }
    if errors > 0 {
        let counts: Vec<Value> = outcome
            .errors
            .iter()
            .map(|(reason, count)| json!({"recordCount": count.to_string(), "reason": reason}))
            .collect();
        shown["errorInfo"] = json!({"errorCounts": counts});
    }
    let (stem, counted) = match outcome.kind {
        Kind::Mobile => ("mobileData", json!({"recordCount": records, "mobileIdCount": identifiers})),
        Kind::User => ("userIdData", json!({"recordCount": records, "userIdCount": identifiers})),
        _ => ("userData", json!({"recordCount": records, "userIdentifierCount": identifiers})),
    };
    match deed {
        Deed::RemoveAll => shown["removeAllAudienceMembersStatus"] = json!({}),
        Deed::Remove => {
            shown["audienceMembersRemovalStatus"] = json!({format!("{stem}RemovalStatus"): counted});
        }
        Deed::Ingest => {
            let mut counted = counted;
            if stem == "userData" {
                counted["uploadMatchRateRange"] = "MATCH_RATE_RANGE_NOT_ELIGIBLE".into();
            }
            shown["audienceMembersIngestionStatus"] = json!({format!("{stem}IngestionStatus"): counted});
        }
    }
    shown
}
