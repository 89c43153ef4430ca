//! What is observed of people and events: names, types and numbers, never a value of anybody.
use caravan_model::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// So many.
    pub at: u64,
    /// These are all that there are; else an even sample.
    pub is_all: bool,
}

/// A field, an attribute or a property that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenName {
    /// As filters name it, nested ones with dots: `email`, `plan.tier`, `consents.advertising`.
    pub name: String,
    /// People, or events, that have it; the fill rate is its part of those looked at.
    pub count: u64,
    /// How many values were `text`, `date`, `number`, `boolean` or `list`.
    pub types: BTreeMap<String, u64>,
}

/// An event that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenEvent {
    /// Its name.
    pub name: String,
    /// How often, among those looked at.
    pub count: u64,
    /// Of how many people.
    pub people: u64,
    /// The earliest.
    pub first: Millis,
    /// The latest.
    pub last: Millis,
    /// Its properties, by name.
    pub properties: Vec<SeenName>,
}

/// All of it, computed when it is asked for. At most 2,000 names of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// People.
    pub people: Looked,
    /// Events that are kept with their properties.
    pub kept_events: Looked,
    /// Fields and attributes, by name.
    pub attributes: Vec<SeenName>,
    /// Events, by name.
    pub events: Vec<SeenEvent>,
    /// There are more fields and attributes than are listed.
    pub more_attributes: bool,
    /// There are more events or properties than are listed.
    pub more_events: bool,
}
