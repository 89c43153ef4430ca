//! `POST segment/mapping/`: members by id type (contract, section 3).

use serde::Deserialize;
use serde_json::json;

use super::slots::Slots;
use super::state::PARTNER;
use super::{Answer, TikTokError, ok, partial};
use crate::values::is_hex;
use crate::world::{Damage, World};

/// Values of `id_schema`. The alias `GAID_SHA256` is unsure in the contract, so it is refused.
pub(super) const TYPES: [&str; 6] =
    ["EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256", "AAID_SHA256", "IDFA_MD5", "AAID_MD5"];

#[derive(Deserialize)]
struct Wire<'a> {
    advertiser_ids: Option<Vec<String>>,
    action: Option<String>,
    id_schema: Option<Vec<String>>,
    #[serde(borrow)]
    batch_data: Option<Slots<'a>>,
}

/// A mapping whose form is right.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    advertisers: Vec<String>,
    delete: bool,
    schema: Vec<&'static str>,
    people: Slots<'a>,
}

impl<'a> Mapping<'a> {
    /// Reads a body and checks its form: known action and types, and one slot per type for each person.
    pub(super) fn parse(body: &'a [u8]) -> Result<Mapping<'a>, TikTokError> {
        let wire: Wire<'a> = serde_json::from_slice(body)
            .map_err(|error| TikTokError::parameter(format!("Invalid JSON body: {error}")))?;
        let missing = |name: &str| TikTokError::parameter(format!("{name}: Missing data for required field."));
        let advertisers = wire.advertiser_ids.filter(|ids| !ids.is_empty()).ok_or_else(|| missing("advertiser_ids"))?;
        let delete = match wire.action.as_deref() {
            Some("add") => false,
            Some("delete") => true,
            Some(_) => return Err(TikTokError::parameter("action: Must be one of: add, delete.")),
            None => return Err(missing("action")),
        };
        let names = wire.id_schema.filter(|names| !names.is_empty()).ok_or_else(|| missing("id_schema"))?;
        let known = |name: &String| TYPES.into_iter().find(|known| known == name);
        let Some(schema) = names.iter().map(known).collect::<Option<Vec<_>>>() else {
            return Err(TikTokError::parameter(format!("id_schema: Must be one of: {}.", TYPES.join(", "))));
        };
        let people = wire.batch_data.filter(|people| people.len() > 0).ok_or_else(|| missing("batch_data"))?;
        for (place, slots) in people.iter().enumerate() {
            if slots.len() != schema.len() {
                let (has, needs) = (slots.len(), schema.len());
                return Err(TikTokError::parameter(format!(
                    "batch_data.{place}: has {has} ids, id_schema has {needs}; use {{}} for a missing id."
                )));
            }
            if slots.iter().any(|slot| slot.id.is_some() != slot.audiences.is_some()) {
                return Err(TikTokError::parameter(format!("batch_data.{place}: id and audience_ids go together.")));
            }
        }
        if people.lists.iter().any(Vec::is_empty) {
            return Err(missing("audience_ids"));
        }
        Ok(Mapping { advertisers, delete, schema, people })
    }

    /// The first advertiser named.
    pub(super) fn advertiser(&self) -> Option<&str> {
        self.advertisers.first().map(String::as_str)
    }

    /// Whether ids are taken out.
    pub(super) fn deletes(&self) -> bool {
        self.delete
    }

    /// All audiences named, each once.
    pub(super) fn audiences(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.people.lists.iter().flatten().cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Does what the mapping says. Ids that are no digests are dropped without a word, as the contract supposes.
pub(super) fn apply(world: &World, mapping: Mapping<'_>, damage: Damage) -> Answer {
    let settings = world.settings().clone();
    if mapping.people.len() > settings.rows_per_call {
        let most = settings.rows_per_call;
        return Err(TikTokError::parameter(format!("batch_data: Longer than maximum length {most}.")));
    }
    let mut state = world.tiktok();
    let accounts: Vec<&str> = mapping.advertisers.iter().map(String::as_str).collect();
    for account in &accounts {
        state.account(account, &settings)?;
    }
    // Nothing is taken unless all audiences are there and were made through the API.
    for id in mapping.audiences() {
        if state.audience(&accounts, &id)?.kind != PARTNER {
            return Err(TikTokError::parameter(format!("audience_ids: {id} was not created by open api.")));
        }
    }
    for (list, ids) in mapping.people.lists.iter().enumerate() {
        for id in ids {
            let audience = state.audience(&accounts, id)?;
            for (place, slots) in mapping.people.iter().enumerate() {
                for (slot, kind) in slots.iter().zip(&mapping.schema) {
                    let Some(value) = slot.id.as_deref().filter(|_| slot.audiences == Some(list)) else { continue };
                    let length = if kind.ends_with("MD5") { 32 } else { 64 };
                    if place < damage.rows || !is_hex(value, length) {
                        audience.ignored += 1;
                    } else if mapping.delete {
                        audience.members.remove(kind, value);
                    } else {
                        audience.members.add(kind, value);
                    }
                }
            }
        }
    }
    match damage.partial {
        true => Ok(partial()),
        false => Ok(ok(json!({}))),
    }
}
