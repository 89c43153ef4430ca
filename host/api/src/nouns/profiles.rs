//! `/api/profiles`: people.
use super::{EDIT_PROFILES, VIEW_PROFILES};
use crate::caller::Caller;
use crate::input::{At, Json, Search};
use crate::problem::Refused;
use caravan_model::{Code, Consent, Problem, Profile, Right};
use caravan_runner::control::{Dossier, receipts};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The most people of one call.
pub(super) const MOST: usize = 10_000;
/// The longest id and value, in bytes.
const LONGEST: usize = 1_000;

/// A person as they are told to us; what is left out stays as it is known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonInput {
    /// The customer's own id of the person.
    pub external_id: String,
    /// Further ids: anonymous ids, ECIDs.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// E-mail addresses, or SHA-256 digests of them.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Phone numbers, or digests.
    #[serde(default)]
    pub phones: Vec<String>,
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Gender, in any spelling.
    #[serde(default)]
    pub gender: Option<String>,
    /// Birth date, ISO 8601.
    #[serde(default)]
    pub birth_date: Option<String>,
    /// City.
    #[serde(default)]
    pub city: Option<String>,
    /// State, province or region.
    #[serde(default)]
    pub state: Option<String>,
    /// Postal code.
    #[serde(default)]
    pub zip: Option<String>,
    /// Country.
    #[serde(default)]
    pub country: Option<String>,
    /// Apple's advertising id.
    #[serde(default)]
    pub idfa: Option<String>,
    /// Google's advertising id.
    #[serde(default)]
    pub gaid: Option<String>,
    /// IANA time zone.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// BCP 47 locale.
    #[serde(default)]
    pub locale: Option<String>,
    /// The device's tracking permission.
    #[serde(default)]
    pub ad_tracking_enabled: Option<bool>,
    /// Do not sell or share.
    #[serde(default)]
    pub do_not_sell_or_share: Option<bool>,
    /// Consents by purpose: `granted`, `denied`, `unknown`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub consents: BTreeMap<String, Consent>,
    /// Custom attributes, nested as they are.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

impl PersonInput {
    /// The profile that it says.
    pub(super) fn profile(self) -> Result<Profile, Problem> {
        check_id(&self.external_id).map_err(|problem| problem.at_path("external_id"))?;
        for (name, ids) in [("aliases", &self.aliases), ("emails", &self.emails), ("phones", &self.phones)] {
            if ids.len() > 50 {
                let problem = Problem::new(Code::BadValue, "more than 50 identifiers of one kind stand here");
                return Err(problem.at_path(name));
            }
            for id in ids {
                check_id(id).map_err(|problem| problem.at_path(name))?;
            }
        }
        Ok(Profile {
            external_id: self.external_id.trim().to_owned(),
            aliases: self.aliases,
            emails: self.emails,
            phones: self.phones,
            first_name: self.first_name,
            last_name: self.last_name,
            gender: self.gender,
            birth_date: self.birth_date,
            city: self.city,
            state: self.state,
            zip: self.zip,
            country: self.country,
            idfa: self.idfa,
            gaid: self.gaid,
            time_zone: self.time_zone,
            locale: self.locale,
            ad_tracking_enabled: self.ad_tracking_enabled,
            do_not_sell_or_share: self.do_not_sell_or_share,
            consents: self.consents,
            attributes: self.attributes,
            told: caravan_model::Told::default(),
        })
    }
}

/// Whether this can be an id.
pub(super) fn check_id(id: &str) -> Result<(), Problem> {
    let words = match id.trim() {
        "" => "an id is empty",
        id if id.len() > LONGEST => "an id has more than 1,000 bytes",
        id if id.chars().any(char::is_control) => "an id has control characters",
        _ => return Ok(()),
    };
    Err(Problem::new(Code::BadValue, words))
}

/// Profiles of several inputs; the first mistake is said with its place.
pub(super) fn profiles(people: Vec<PersonInput>) -> Result<Vec<Profile>, Refused> {
    if people.len() > MOST {
        let words = format!("{} people are more than one call takes: {MOST}", people.len());
        return Err(Problem::new(Code::BadValue, words).at_path("people").cure("send several calls").into());
    }
    let one = |(at, person): (usize, PersonInput)| {
        person.profile().map_err(|problem| {
            let below = problem.path.clone().unwrap_or_default();
            Refused::bad(problem.at_path(format!("people[{at}].{below}")))
        })
    };
    people.into_iter().enumerate().map(one).collect()
}

/// People.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// At most 10,000.
    pub people: Vec<PersonInput>,
}

/// How people are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// Identifiers in full; needs the right `see-identities`, and is noted.
    #[serde(default)]
    pub reveal: bool,
}

/// What is known under an identifier.
#[derive(Debug, Serialize, ToSchema)]
pub struct Found {
    /// The people: profile, way, audiences, receipts, events.
    #[schema(value_type = Vec<Object>)]
    pub people: Vec<Dossier>,
    /// Receipts of someone with this external id who was erased.
    #[schema(value_type = Vec<Object>)]
    pub erased: Vec<caravan_runner::control::DossierReceipt>,
}

/// What an import did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedPeople {
    /// People merged in.
    pub people: u64,
    /// People in the store who are owed removals that nobody has queued yet.
    pub owing: u64,
}

/// What an erasure did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasedPeople {
    /// People who were erased.
    pub people: u64,
    /// Entries that ended.
    pub entries: u64,
    /// Removals that this owes.
    pub owed: u64,
}

fn nobody() -> Refused {
    let cure = "try another one: external id, alias, e-mail, phone, device id, or a digest that was sent";
    Refused::bad(Problem::new(Code::NotFound, "nobody here has this identifier").cure(cure))
}

/// Everyone with an identifier, of whatever kind: what is known of them, where they went and why.
#[utoipa::path(get, path = "/api/profiles/{identifier}", tag = "profiles",
    params(("identifier" = String, Path), Reveal), security(("key" = ["view-profiles"])),
    responses((status = 200, body = Found)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    At(identifier): At<String>,
    Search(how): Search<Reveal>,
) -> Result<axum::Json<Found>, Refused> {
    if how.reveal {
        caller.need(Right::SeeIdentities)?;
    }
    let store = caller.store();
    let (versions, audiences) = (store.versions().await?, store.audiences().await?);
    let mut found = Found { people: Vec::new(), erased: Vec::new() };
    let ids = store.find(&identifier).await?;
    for id in &ids {
        if let Some(trace) = store.trace(*id).await? {
            found.people.push(Dossier::of(&trace, &versions, &audiences, how.reveal));
        }
    }
    if found.people.is_empty() {
        found.erased = receipts(&store.receipts_of(&identifier).await?, &audiences);
    }
    if found.people.is_empty() && found.erased.is_empty() {
        return Err(nobody());
    }
    if how.reveal {
        let numbers: Vec<String> = ids.iter().map(|id| id.0.to_string()).collect();
        caller.acting().note("profile.reveal", &format!("profiles {}", numbers.join(", ")), json!({})).await?;
    }
    Ok(axum::Json(found))
}

/// Merges people in. Nobody enters a canvas by it.
#[utoipa::path(post, path = "/api/profiles", tag = "profiles", request_body = People,
    security(("key" = ["edit-profiles"])), responses((status = 200, body = ImportedPeople)))]
pub(crate) async fn import<S: Store>(
    caller: Caller<S, EDIT_PROFILES>,
    Json(people): Json<People>,
) -> Result<axum::Json<ImportedPeople>, Refused> {
    let people = profiles(people.people)?;
    let mut order = caller.acting().order("profile.import", "profiles", json!({"people": people.len()})).await?;
    let imported = caller.runner().import_profiles_under(&mut order, people).await?;
    Ok(axum::Json(ImportedPeople { people: imported.people, owing: imported.owing }))
}

/// Erases everyone with an identifier: entries end, what is known goes, and removals from audiences are owed.
#[utoipa::path(delete, path = "/api/profiles/{identifier}", tag = "profiles", params(("identifier" = String, Path)),
    security(("key" = ["edit-profiles"])), responses((status = 200, body = ErasedPeople)))]
pub(crate) async fn erase<S: Store>(
    caller: Caller<S, EDIT_PROFILES>,
    At(identifier): At<String>,
) -> Result<axum::Json<ErasedPeople>, Refused> {
    let found = caller.store().find(&identifier).await?;
    if found.is_empty() {
        return Err(nobody());
    }
    let erased = caller.acting().erase(&found).await?;
    Ok(axum::Json(ErasedPeople { people: found.len() as u64, entries: erased.entries, owed: erased.owed }))
}
