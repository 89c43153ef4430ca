//! `canvas.yaml`: a journey as people write it. Unknown fields are refused; `journey` validates it.
use crate::filter::{Compare, SegmentFilter};
use crate::{Action, CanvasId, Duration, Filter, StepId};
use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A canvas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canvas {
    /// The file format: 1.
    pub format: u32,
    /// The canvas's id; it never changes.
    pub canvas: CanvasId,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Audiences that its steps name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub audiences: BTreeMap<String, AudienceSpec>,
    /// Who enters, and where they start.
    pub entry: EntryRule,
    /// What ends an entry at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit: Vec<ExitRule>,
    /// The steps, in the order in which people read them.
    #[schemars(with = "BTreeMap<String, Step>")]
    pub steps: Steps,
}

/// The steps in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps(pub Vec<(StepId, Step)>);

impl Steps {
    /// A step by its id.
    pub fn get(&self, id: &str) -> Option<&Step> {
        self.0.iter().find(|(name, _)| name.as_str() == id).map(|(_, step)| step)
    }

    /// A step's place.
    pub fn index_of(&self, id: &str) -> Option<crate::StepIx> {
        let at = self.0.iter().position(|(name, _)| name.as_str() == id)?;
        u16::try_from(at).ok().map(crate::StepIx)
    }

    /// The step at a place.
    pub fn at(&self, index: crate::StepIx) -> Option<&(StepId, Step)> {
        self.0.get(index.0 as usize)
    }
}

impl Serialize for Steps {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(id, step)| (id, step)))
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Steps;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map from step id to step")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Steps, A::Error> {
                let mut steps = Steps::default();
                while let Some((id, step)) = map.next_entry::<StepId, Step>()? {
                    if steps.get(id.as_str()).is_some() {
                        return Err(serde::de::Error::custom(format!("step `{id}` stands here twice")));
                    }
                    steps.0.push((id, step));
                }
                Ok(steps)
            }
        }
        from.deserialize_map(InOrder)
    }
}

/// An audience that the canvas names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceSpec {
    /// The connection.
    pub connection: String,
    /// Our short name of one of its accounts.
    pub account: String,
    /// Its name at the partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The partner's id, where it exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// One of the manifest's kinds, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What to do where no audience of that name exists.
    #[serde(default)]
    pub if_missing: IfMissing,
}

/// What to do where an audience is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IfMissing {
    /// Say so.
    #[default]
    Fail,
    /// Make it.
    Create,
}

/// Who enters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryRule {
    /// What lets people in.
    pub trigger: Trigger,
    /// Who of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Filter>,
    /// Whether and when someone may enter again; default `never`.
    #[serde(default)]
    pub re_entry: ReEntry,
    /// The first step.
    pub start: StepId,
}

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
}

/// What happens with those who are in a segment already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// They enter at publish.
    Enter,
    /// Only who joins later enters.
    Skip,
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

/// Whether someone may enter again once their entry has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReEntry {
    /// Once in a life.
    #[default]
    Never,
    /// At any time after the last entry ended.
    Always,
    /// So long after the last entry began.
    After(Duration),
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
                "event" => crate::filter::once("event", &mut fields.event, &mut map)?,
                "where" => crate::filter::once("where", &mut fields.properties, &mut map)?,
                "segment" => crate::filter::once("segment", &mut fields.segment, &mut map)?,
                "existing" => crate::filter::once("existing", &mut fields.existing, &mut map)?,
                "schedule" => crate::filter::once("schedule", &mut fields.schedule, &mut map)?,
                "tz" => crate::filter::once("tz", &mut fields.tz, &mut map)?,
                "api" => crate::filter::once("api", &mut fields.api, &mut map)?,
                "list" => crate::filter::once("list", &mut fields.list, &mut map)?,
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
                    fields.only(&["segment", "existing"])?;
                    let existing = fields.existing.ok_or_else(|| A::Error::missing_field("existing"))?;
                    Ok(Trigger::Segment(SegmentTrigger { segment, existing }))
                } else if let Some(api) = fields.api {
                    fields.only(&["api"])?;
                    Ok(Trigger::Api(ApiTrigger { api }))
                } else if let Some(list) = fields.list.clone() {
                    fields.only(&["list"])?;
                    Ok(Trigger::List(ListTrigger { list }))
                } else {
                    fields.only(TRIGGER_KINDS)?;
                    Err(A::Error::custom("a trigger has one of `event`, `segment`, `schedule`, `api` and `list`"))
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
                    Err(A::Error::custom("an exit rule has `event` or `segment`"))
                }
            }
        }
        from.deserialize_map(Shapes)
    }
}

/// A step: exactly one kind, and where people go next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// A decision split: the first arm whose condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Vec<Arm>>,
    /// Where people go whom no arm takes.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise_branch: Option<StepId>,
    /// A weighted, sticky split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Vec<Variant>>,
    /// Waits for an event or a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for: Option<WaitFor>,
    /// Changes attributes of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Map<String, Value>>,
    /// Calls a service of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Adds to or removes from an audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience_sync: Option<AudienceSync>,
    /// Ends the entry; the same as going to `exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<bool>,
    /// The next step, or `exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<StepId>,
    /// Where a sync's skipped, rejected and expired people go; default `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<StepId>,
}

impl Step {
    /// The names of the kinds that it has; a sound step has exactly one.
    pub fn kinds(&self) -> Vec<&'static str> {
        let all = [
            ("delay", self.delay.is_some()),
            ("branch", self.branch.is_some()),
            ("experiment", self.experiment.is_some()),
            ("wait_for", self.wait_for.is_some()),
            ("update", self.update.is_some()),
            ("webhook", self.webhook.is_some()),
            ("audience_sync", self.audience_sync.is_some()),
            ("exit", self.exit.is_some()),
        ];
        all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }
}

/// Exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Delay {
    /// For so long; `2d` is 48 hours.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub span: Option<Duration>,
    /// Until an instant (RFC 3339), or a local date and time in the person's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Until a local time of day in the person's zone, with an optional weekday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_time: Option<LocalTime>,
}

/// `{ at: "09:00", on: [mon, tue] }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalTime {
    /// `HH:MM`.
    pub at: String,
    /// Weekdays (`mon` … `sun`); empty = any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
}

/// An arm of a branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// The condition.
    #[serde(rename = "if")]
    pub condition: Filter,
    /// Where those go who fulfil it.
    pub next: StepId,
}

/// A variant of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its share of all weights.
    pub weight: u32,
    /// Where its people go.
    pub next: StepId,
}

/// Waits for something of the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// An event's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A segment's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// How long at most.
    pub timeout: Duration,
    /// Where those go who waited in vain; default `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<StepId>,
}

/// Calls a service of the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The configured endpoint.
    #[serde(rename = "use")]
    pub endpoint: String,
    /// The body, with `{{ field }}` places.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
}

/// Adds to or removes from an audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceSync {
    /// One of the canvas's audiences.
    pub audience: String,
    /// Add or remove.
    pub action: Action,
    /// Which fields to match on, as the connector's manifest names them.
    #[serde(rename = "match")]
    pub match_on: Vec<String>,
    /// Removed again by itself after so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Duration>,
    /// When the person goes on.
    #[serde(default)]
    pub advance: Advance,
    /// The consent purpose that an add asks for; default `advertising`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// When a person goes on from a sync step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// At once; the operation stays in the queue.
    #[default]
    AtOnce,
    /// Once the visit's status is final.
    WhenSynced,
}
