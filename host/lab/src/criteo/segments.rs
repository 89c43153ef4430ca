//! Segments at Criteo: search, create, change, delete, sizes (contract, section 2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, CriteoError, body, good, is_contact_list};
use crate::form::Params;
use crate::shelf::{NewShelved, Shelved, page};
use crate::world::World;

/// Segments that one advertiser may have (a peer's figure).
const PER_ACCOUNT: usize = 1_000;
/// The most on a page of a search.
const PAGE_MAX: usize = 100;

/// `{"data":{"attributes":…}}`.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de> + Default")]
struct One<T> {
    data: Entry<T>,
}

/// `{"data":[{"id":…,"attributes":…}]}`.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de> + Default")]
struct Bulk<T> {
    data: Vec<Entry<T>>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de> + Default")]
struct Entry<T> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    attributes: T,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    advertiser_ids: Option<Vec<String>>,
    audience_segment_ids: Option<Vec<String>>,
    audience_segment_types: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Attributes {
    advertiser_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    contact_list: Option<Value>,
    in_market: Option<Value>,
    location: Option<Value>,
    lookalike: Option<Value>,
    prospecting: Option<Value>,
    retargeting: Option<Value>,
}

impl Attributes {
    /// The one kind that is asked for.
    fn kind(&self) -> Result<&'static str, CriteoError> {
        let kinds = [
            (&self.contact_list, "ContactList"),
            (&self.in_market, "InMarket"),
            (&self.location, "Location"),
            (&self.lookalike, "Lookalike"),
            (&self.prospecting, "Prospecting"),
            (&self.retargeting, "Retargeting"),
        ];
        let mut asked = kinds.into_iter().filter(|(value, _)| value.is_some());
        match (asked.next(), asked.next()) {
            (Some((_, kind)), None) => Ok(kind),
            _ => Err(CriteoError::field("invalid", "exactly one segment type")),
        }
    }
}

fn entity(audience: &Shelved) -> Value {
    let mut attributes = json!({
        "name": audience.name,
        "description": audience.description,
        "type": audience.kind,
        "advertiserId": audience.account,
        "createdAt": crate::marketo::date(audience.created),
        "updatedAt": crate::marketo::date(audience.updated),
    });
    if is_contact_list(audience) {
        attributes["contactList"] = json!({"isReadOnly": audience.read_only});
    }
    json!({"id": audience.id, "type": "AudienceSegment", "attributes": attributes})
}

/// `POST audience-segments/search`. Filters are joined by AND.
pub(super) fn search(world: &World, params: &Params<'_>, bytes: &[u8]) -> Answer {
    let filter = body::<One<Filter>>(bytes)?.data.attributes;
    let number = |name: &str, default: usize| match params.filled(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| CriteoError::field("invalid", name)),
    };
    let (limit, offset) = (number("limit", 50)?, number("offset", 0)?);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(CriteoError::field("invalid-ranged", "limit"));
    }
    let settings = world.settings().clone();
    let mut shelf = world.criteo();
    for account in filter.advertiser_ids.iter().flatten() {
        if !shelf.account(account, &settings) {
            return Err(CriteoError::of("authorization-forbidden"));
        }
    }
    let is_in = |list: &Option<Vec<String>>, value: &String| list.as_ref().is_none_or(|list| list.contains(value));
    let found: Vec<Value> = shelf
        .audiences()
        .filter(|audience| {
            is_in(&filter.advertiser_ids, &audience.account)
                && is_in(&filter.audience_segment_ids, &audience.id)
                && is_in(&filter.audience_segment_types, &audience.kind)
        })
        .map(entity)
        .collect();
    let total = found.len();
    let (data, _) = page(found, offset, limit);
    Ok(good(&json!({
        "data": data, "meta": {"totalItems": total, "limit": limit, "offset": offset}, "errors": [], "warnings": [],
    })))
}

/// `POST audience-segments/create`: what fails is told as a warning, and the rest is made.
pub(super) fn create(world: &World, version: &str, bytes: &[u8]) -> Answer {
    let wanted = body::<Bulk<Attributes>>(bytes)?.data;
    let settings = world.settings().clone();
    let (mut made, mut warnings) = (Vec::new(), Vec::new());
    for Entry { attributes, .. } in wanted {
        let account = attributes.advertiser_id.clone().filter(|id| !id.is_empty());
        let account = account.ok_or_else(|| CriteoError::field("required-field", "advertiserId"))?;
        let kind = attributes.kind()?;
        let mut shelf = world.criteo();
        if !shelf.account(&account, &settings) {
            return Err(CriteoError::of("authorization-forbidden"));
        }
        let name = attributes.name.unwrap_or_default();
        let refusal = if name.trim().is_empty() {
            Some("name-must-not-be-empty")
        } else if shelf.audiences_of(&account).any(|other| other.name == name) {
            Some("name-must-be-unique")
        } else if shelf.audiences_of(&account).count() >= PER_ACCOUNT {
            Some("segments-limit-reached")
        } else {
            None
        };
        if let Some(code) = refusal {
            drop(shelf);
            warnings.push(CriteoError::of(code).entry(world));
            continue;
        }
        let new = NewShelved {
            name,
            description: attributes.description.unwrap_or_default(),
            kind: Some(kind.to_string()),
            ..NewShelved::default()
        };
        let id = shelf.create(&account, new);
        // Newer versions tell no more than the id.
        made.push(match shelf.existing(&id) {
            Some(audience) if version < "2027" => entity(audience),
            _ => json!({"id": id, "type": "AudienceSegment"}),
        });
    }
    Ok(good(&json!({"data": made, "errors": [], "warnings": warnings})))
}

/// `PATCH audience-segments`: name and description.
pub(super) fn update(world: &World, bytes: &[u8]) -> Answer {
    let (mut changed, mut warnings) = (Vec::new(), Vec::new());
    for Entry { id, attributes } in body::<Bulk<Attributes>>(bytes)?.data {
        let id = id.ok_or_else(|| CriteoError::field("required-field", "id"))?;
        match world.criteo().audience(None, &id) {
            Some(audience) => {
                audience.name = attributes.name.unwrap_or_else(|| audience.name.clone());
                audience.description = attributes.description.unwrap_or_else(|| audience.description.clone());
                audience.updated = crate::meta::unix_now();
                changed.push(json!({"id": id, "type": "AudienceSegment"}));
            }
            None => warnings.push(CriteoError::of("segment-not-found").entry(world)),
        }
    }
    Ok(good(&json!({"data": changed, "errors": [], "warnings": warnings})))
}

/// `POST audience-segments/delete`.
pub(super) fn delete(world: &World, bytes: &[u8]) -> Answer {
    let (mut gone, mut warnings) = (Vec::new(), Vec::new());
    for Entry { id, .. } in body::<Bulk<Attributes>>(bytes)?.data {
        let id = id.ok_or_else(|| CriteoError::field("required-field", "id"))?;
        let deleted = world.criteo().delete(&id);
        match deleted {
            true => gone.push(json!({"id": id, "type": "AudienceSegment"})),
            false => warnings.push(CriteoError::of("segment-not-found").entry(world)),
        }
    }
    Ok(good(&json!({"data": gone, "errors": [], "warnings": warnings})))
}

/// `POST audience-segments/compute-sizes`.
pub(super) fn sizes(world: &World, bytes: &[u8]) -> Answer {
    let (mut sizes, mut warnings) = (Vec::new(), Vec::new());
    for Entry { id, .. } in body::<Bulk<Attributes>>(bytes)?.data {
        let id = id.ok_or_else(|| CriteoError::field("required-field", "id"))?;
        let size = world.criteo().audience(None, &id).map(|audience| audience.members.len());
        match size {
            Some(size) => sizes.push(json!({"id": id, "type": "AudienceSegmentSize", "attributes": {"size": size}})),
            None => warnings.push(CriteoError::of("segment-not-found").entry(world)),
        }
    }
    Ok(good(&json!({"data": sizes, "errors": [], "warnings": warnings})))
}
