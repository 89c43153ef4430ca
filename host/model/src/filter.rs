//! Filters over people: `who`, branches, segments. Our own language, because it is pushed down to sets, forecast
//! and drawn in a form.
use crate::Duration;
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A condition on one person. Exactly one shape per node; `journey::filter` evaluates it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // A canvas has few conditions, and each is shared by everyone.
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllOf {
    /// The conditions; an empty list is true.
    pub all: Vec<Filter>,
}

/// `{ any: [ … ] }`
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnyOf {
    /// The conditions; an empty list is false.
    pub any: Vec<Filter>,
}

/// `{ not: … }`
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotOf {
    /// The condition.
    pub not: Box<Filter>,
}

/// `{ attr: country, in: [FR, DE] }`: every comparison given must hold.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// The event's name.
    pub event: String,
    /// Only events at most so long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// Only events whose properties compare so: property → comparison.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Compare>,
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentFilter {
    /// The segment's name.
    pub segment: String,
}

/// `{ list: vip }`
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    /// The list's name.
    pub list: String,
}

/// `{ consent: advertising }` or `{ consent: advertising, is: denied }`
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentFilter {
    /// The purpose.
    pub consent: String,
    /// `granted` (default), `denied` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub is: Option<crate::Consent>,
}

/// `{ tracking: true }`
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackingFilter {
    /// The permission that the person's device must have.
    pub tracking: bool,
}

/// Reads the value of a field that may stand once; answers the field's name.
pub(crate) fn once<'de, T, A>(name: &'static str, place: &mut Option<T>, map: &mut A) -> Result<&'static str, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if place.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(name)
}

/// The fields of all shapes; which of them may stand together is decided once all are read, so that a mistake is
/// named where it is, whatever the order of the fields.
#[derive(Default)]
struct Fields {
    given: Vec<&'static str>,
    all: Option<Vec<Filter>>,
    any: Option<Vec<Filter>>,
    not: Option<Box<Filter>>,
    attr: Option<String>,
    event: Option<String>,
    segment: Option<String>,
    list: Option<String>,
    consent: Option<String>,
    tracking: Option<bool>,
    is: Option<crate::Consent>,
    properties: Option<BTreeMap<String, Compare>>,
    count: Option<Compare>,
    first: Option<Compare>,
    last: Option<Compare>,
    within: Option<Duration>,
    compare: Compare,
    unknown: Option<String>,
}

const SHAPES: &[&str] = &["all", "any", "not", "attr", "event", "segment", "list", "consent", "tracking"];
const ATTR: &[&str] = &[
    "attr",
    "eq",
    "ne",
    "in",
    "not_in",
    "gt",
    "gte",
    "lt",
    "lte",
    "contains",
    "starts_with",
    "ends_with",
    "exists",
    "within",
    "before",
];

impl Fields {
    fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut to = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let known = match key.as_str() {
                "all" => once("all", &mut to.all, map)?,
                "any" => once("any", &mut to.any, map)?,
                "not" => once("not", &mut to.not, map)?,
                "attr" => once("attr", &mut to.attr, map)?,
                "event" => once("event", &mut to.event, map)?,
                "segment" => once("segment", &mut to.segment, map)?,
                "list" => once("list", &mut to.list, map)?,
                "consent" => once("consent", &mut to.consent, map)?,
                "tracking" => once("tracking", &mut to.tracking, map)?,
                "is" => once("is", &mut to.is, map)?,
                "where" => once("where", &mut to.properties, map)?,
                "count" => once("count", &mut to.count, map)?,
                "first" => once("first", &mut to.first, map)?,
                "last" => once("last", &mut to.last, map)?,
                "within" => once("within", &mut to.within, map)?,
                "eq" => once("eq", &mut to.compare.eq, map)?,
                "ne" => once("ne", &mut to.compare.ne, map)?,
                "in" => once("in", &mut to.compare.one_of, map)?,
                "not_in" => once("not_in", &mut to.compare.not_in, map)?,
                "gt" => once("gt", &mut to.compare.gt, map)?,
                "gte" => once("gte", &mut to.compare.gte, map)?,
                "lt" => once("lt", &mut to.compare.lt, map)?,
                "lte" => once("lte", &mut to.compare.lte, map)?,
                "contains" => once("contains", &mut to.compare.contains, map)?,
                "starts_with" => once("starts_with", &mut to.compare.starts_with, map)?,
                "ends_with" => once("ends_with", &mut to.compare.ends_with, map)?,
                "exists" => once("exists", &mut to.compare.exists, map)?,
                "before" => once("before", &mut to.compare.before, map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    to.unknown.get_or_insert(key);
                    continue;
                }
            };
            to.given.push(known);
        }
        Ok(to)
    }

    fn only<E: serde::de::Error>(&self, allowed: &'static [&'static str]) -> Result<(), E> {
        let foreign = self.given.iter().copied().find(|field| !allowed.contains(field));
        match self.unknown.as_deref().or(foreign) {
            Some(field) => Err(E::unknown_field(field, allowed)),
            None => Ok(()),
        }
    }

    fn shape<E: serde::de::Error>(mut self) -> Result<Filter, E> {
        let shapes: Vec<&str> = self.given.iter().copied().filter(|field| SHAPES.contains(field)).collect();
        match shapes.as_slice() {
            [] => {
                self.only::<E>(SHAPES)?;
                return Err(E::custom(format!("no condition stands here: write one of {}", SHAPES.join(", "))));
            }
            [_] => {}
            several => {
                return Err(E::custom(format!(
                    "a condition has one shape, and here stand `{}`: join them with `all: [ … ]`",
                    several.join("` and `")
                )));
            }
        }
        Ok(if let Some(all) = self.all.take() {
            self.only(&["all"])?;
            Filter::All(AllOf { all })
        } else if let Some(any) = self.any.take() {
            self.only(&["any"])?;
            Filter::Any(AnyOf { any })
        } else if let Some(not) = self.not.take() {
            self.only(&["not"])?;
            Filter::Not(NotOf { not })
        } else if let Some(attr) = self.attr.take() {
            self.only(ATTR)?;
            if self.given.len() == 1 {
                return Err(E::custom(format!("`attr` needs a comparison: add one of {}", ATTR[1..].join(", "))));
            }
            Filter::Attr(AttrFilter { attr, is: Compare { within: self.within, ..self.compare } })
        } else if let Some(event) = self.event.take() {
            self.only(&["event", "within", "where", "count", "first", "last"])?;
            Filter::Event(EventFilter {
                event,
                within: self.within,
                properties: self.properties.unwrap_or_default(),
                count: self.count,
                first: self.first,
                last: self.last,
            })
        } else if let Some(segment) = self.segment.take() {
            self.only(&["segment"])?;
            Filter::Segment(SegmentFilter { segment })
        } else if let Some(list) = self.list.take() {
            self.only(&["list"])?;
            Filter::List(ListFilter { list })
        } else if let Some(consent) = self.consent.take() {
            self.only(&["consent", "is"])?;
            Filter::Consent(ConsentFilter { consent, is: self.is })
        } else {
            self.only(&["tracking"])?;
            Filter::Tracking(TrackingFilter { tracking: self.tracking.unwrap_or_default() })
        })
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Filter;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a condition: a map with one of {}", SHAPES.join(", "))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filter, A::Error> {
                Fields::read(&mut map)?.shape()
            }
        }
        from.deserialize_map(Shape)
    }
}
