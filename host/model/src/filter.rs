//! Filters over people: `who`, branches, segments. Our own language, because it is pushed down to sets, forecast
//! and drawn in a form.
use crate::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A condition on one person. Exactly one shape per node; `journey::filter` evaluates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Filter {
    /// All of these.
    All(AllOf),
    /// Any of these.
    Any(AnyOf),
    /// Not this.
    Not(NotOf),
    /// A profile field or attribute, compared.
    Attr(AttrFilter),
    /// An event, counted.
    Event(EventFilter),
    /// In a segment.
    Segment(SegmentFilter),
    /// In a list.
    List(ListFilter),
    /// Consent for a purpose is granted (or what `is` says).
    Consent(ConsentFilter),
    /// The device's tracking permission.
    Tracking(TrackingFilter),
}

/// `{ all: [ … ] }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllOf {
    /// The conditions; an empty list is true.
    pub all: Vec<Filter>,
}

/// `{ any: [ … ] }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnyOf {
    /// The conditions; an empty list is false.
    pub any: Vec<Filter>,
}

/// `{ not: … }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotOf {
    /// The condition.
    pub not: Box<Filter>,
}

/// `{ attr: country, in: [FR, DE] }`: every comparison given must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttrFilter {
    /// A profile field (`country`, `first_name`, `email`) or an attribute; nested ones with dots (`plan.tier`).
    pub attr: String,
    /// The comparisons.
    #[serde(flatten)]
    pub is: Compare,
}

/// Comparisons of one value; an absent value fulfils none of them but `exists: false`, `ne` and `not_in`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// Equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<Value>,
    /// Not equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ne: Option<Value>,
    /// One of.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// None of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<Value>>,
    /// Greater than: numbers, ISO dates and texts with their like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<Value>,
    /// Greater or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<Value>,
    /// Less than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<Value>,
    /// Less or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<Value>,
    /// Contains: text in text, or an element in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<Value>,
    /// Begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// Ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_with: Option<String>,
    /// Whether there is a value at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// A date at most so long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// A date longer ago than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,
}

/// `{ event: app_open, within: 7d, count: { gte: 3 }, where: { … } }`; without `count`: at least once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// The event's name.
    pub event: String,
    /// Only events at most so long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// Only events whose properties compare so: property → comparison.
    #[serde(default, rename = "where", skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Compare>")]
    pub properties: Map<String, Value>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Compare>,
    /// When the first such event was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Compare>,
    /// When the last such event was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Compare>,
}

/// `{ segment: lapsed }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentFilter {
    /// The segment's name.
    pub segment: String,
}

/// `{ list: vip }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    /// The list's name.
    pub list: String,
}

/// `{ consent: advertising }` or `{ consent: advertising, is: denied }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentFilter {
    /// The purpose.
    pub consent: String,
    /// `granted` (default), `denied` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

/// `{ tracking: true }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackingFilter {
    /// The permission that the person's device must have.
    pub tracking: bool,
}
