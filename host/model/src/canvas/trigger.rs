//! What lets people into a canvas and what ends their entry. Read by hand, so that a mistake is named where it is.
use crate::filter::{Compare, SegmentFilter, once};
use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// What lets people in; exactly one shape.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Trigger {
    /// Someone did something.
    Event(EventTrigger),
    /// Someone joined a segment.
    Segment(SegmentTrigger),
    /// The clock.
    Schedule(ScheduleTrigger),
    /// A call of our API.
    Api(ApiTrigger),
    /// A list's members.
    List(ListTrigger),
}

/// `{ event: subscription_lapsed, where: { plan: { in: [pro, team] } } }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The event's name.
    pub event: String,
    /// Property → comparison.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Compare>,
}

/// `{ segment: lapsed, existing: enter }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentTrigger {
    /// The segment.
    pub segment: String,
    /// What about those who are in it already; must be said.
    pub existing: Existing,
    /// Keeps the canvas's audiences in step with the segment: whoever leaves it leaves the canvas, and the claims that its
    /// steps gave them end; whoever changes is sent anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_step: bool,
}

/// What happens with those who are in a segment already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// They enter at publish.
    Enter,
    /// Only who joins later enters.
    Skip,
    /// They enter at publish, and nobody later.
    Only,
}

/// `{ schedule: "0 9 * * MON", tz: Europe/Paris, segment: s }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleTrigger {
    /// A cron expression.
    pub schedule: String,
    /// Its time zone.
    pub tz: String,
    /// Whose members enter at each run.
    pub segment: String,
}

/// `{ api: true }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTrigger {
    /// Always true.
    pub api: bool,
}

/// `{ list: vip }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListTrigger {
    /// The list.
    pub list: String,
}

/// What ends an entry at once, also from a delay and from anything of it still unsent.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ExitRule {
    /// The person did something.
    Event(EventTrigger),
    /// The person joined a segment.
    Segment(SegmentFilter),
}

/// The fields of all triggers; which of them may stand together is decided once all are read.
#[derive(Default)]
struct TriggerFields {
    given: Vec<&'static str>,
    event: Option<String>,
    properties: Option<BTreeMap<String, Compare>>,
    segment: Option<String>,
    existing: Option<Existing>,
    in_step: Option<bool>,
    schedule: Option<String>,
    tz: Option<String>,
    api: Option<bool>,
    list: Option<String>,
    unknown: Option<String>,
}

const TRIGGER_KINDS: &[&str] = &["event", "schedule", "segment", "api", "list"];

impl TriggerFields {
    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut fields = TriggerFields::default();
        while let Some(key) = map.next_key::<String>()? {
            let known = match key.as_str() {
                "event" => once("event", &mut fields.event, &mut map)?,
                "where" => once("where", &mut fields.properties, &mut map)?,
                "segment" => once("segment", &mut fields.segment, &mut map)?,
                "existing" => once("existing", &mut fields.existing, &mut map)?,
                "in_step" => once("in_step", &mut fields.in_step, &mut map)?,
                "schedule" => once("schedule", &mut fields.schedule, &mut map)?,
                "tz" => once("tz", &mut fields.tz, &mut map)?,
                "api" => once("api", &mut fields.api, &mut map)?,
                "list" => once("list", &mut fields.list, &mut map)?,
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                    fields.unknown.get_or_insert(key);
                    continue;
                }
            };
            fields.given.push(known);
        }
        Ok(fields)
    }

    /// Refuses what does not belong to the chosen kind.
    fn only<E: serde::de::Error>(&self, allowed: &'static [&'static str]) -> Result<(), E> {
        let foreign = self.given.iter().copied().find(|field| !allowed.contains(field));
        match self.unknown.as_deref().or(foreign) {
            Some(field) => Err(E::unknown_field(field, allowed)),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Trigger;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a trigger: a map with one of `event`, `segment`, `schedule`, `api` and `list`")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trigger, A::Error> {
                let fields = TriggerFields::read(map)?;
                if let Some(schedule) = fields.schedule.clone() {
                    fields.only(&["schedule", "tz", "segment"])?;
                    let tz = fields.tz.ok_or_else(|| A::Error::missing_field("tz"))?;
                    let segment = fields.segment.ok_or_else(|| A::Error::missing_field("segment"))?;
                    Ok(Trigger::Schedule(ScheduleTrigger { schedule, tz, segment }))
                } else if let Some(event) = fields.event.clone() {
                    fields.only(&["event", "where"])?;
                    Ok(Trigger::Event(EventTrigger { event, properties: fields.properties.unwrap_or_default() }))
                } else if let Some(segment) = fields.segment.clone() {
                    fields.only(&["segment", "existing", "in_step"])?;
                    let existing = fields.existing.ok_or_else(|| A::Error::missing_field("existing"))?;
                    Ok(Trigger::Segment(SegmentTrigger { segment, existing, in_step: fields.in_step.unwrap_or(false) }))
                } else if let Some(api) = fields.api {
                    fields.only(&["api"])?;
                    Ok(Trigger::Api(ApiTrigger { api }))
                } else if let Some(list) = fields.list.clone() {
                    fields.only(&["list"])?;
                    Ok(Trigger::List(ListTrigger { list }))
                } else {
                    fields.only(TRIGGER_KINDS)?;
                    Err(A::Error::custom(
                        "no trigger stands here: write one of `event`, `segment`, `schedule`, `api` and `list`",
                    ))
                }
            }
        }
        from.deserialize_map(Shapes)
    }
}

impl<'de> Deserialize<'de> for ExitRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = ExitRule;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an exit rule: a map with `event` or `segment`")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ExitRule, A::Error> {
                let fields = TriggerFields::read(map)?;
                if let Some(event) = fields.event.clone() {
                    fields.only(&["event", "where"])?;
                    Ok(ExitRule::Event(EventTrigger { event, properties: fields.properties.unwrap_or_default() }))
                } else if let Some(segment) = fields.segment.clone() {
                    fields.only(&["segment"])?;
                    Ok(ExitRule::Segment(SegmentFilter { segment }))
                } else {
                    fields.only(&["event", "segment"])?;
                    Err(A::Error::custom("no exit rule stands here: write `event` or `segment`"))
                }
            }
        }
        from.deserialize_map(Shapes)
    }
}
