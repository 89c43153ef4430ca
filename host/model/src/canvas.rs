//! `canvas.yaml`: a journey as people write it. Unknown fields are refused; `journey` validates it.
mod delay;
mod share;
mod trigger;

pub use delay::{DateOf, Delay, LocalTime, Offset, Until};
pub use share::Share;
pub use trigger::{
    ApiTrigger, EventTrigger, Existing, ExitRule, ListTrigger, ScheduleTrigger, SegmentTrigger, Trigger,
};

use crate::filter::Compare;
use crate::{Action, CanvasId, Duration, Filter, StepId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

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

impl Canvas {
    /// Whether identifiers of people go to a partner by it: whoever makes it live needs the right to.
    pub fn exports_identities(&self) -> bool {
        self.steps.0.iter().any(|(_, step)| step.audience_sync.is_some())
    }
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
                let mut ids = HashSet::new();
                while let Some((id, step)) = map.next_entry::<StepId, Step>()? {
                    if !ids.insert(id.clone()) {
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
    /// Always make it: one of this name at the partner is refused.
    New,
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
    /// The share of people who are held out for comparison: their entry ends at once as `control`. Who is drawn stays drawn,
    /// over all versions of the canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Share>,
    /// The first step.
    pub start: StepId,
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
    /// Where a sync's skipped, rejected and expired people go, and a webhook's failed ones; default `next`.
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
    /// For people; without one it is `variant 1`, `variant 2`, in the order of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its share of all weights.
    pub weight: u32,
    /// Where its people go.
    pub next: StepId,
}

impl Variant {
    /// What people read, of the variant at this place (from 0).
    pub fn label(&self, place: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("variant {}", place + 1))
    }
}

/// Waits for something of the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// An event's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Property of the event → comparison.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Compare>,
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
    /// The endpoint: a name under `webhooks` in the connections file.
    #[serde(rename = "use")]
    pub endpoint: String,
    /// The JSON body. Its texts are templates over the person: `{{ email }}`, `{{ attributes.plan | upper }}`,
    /// `{{ events['Order Completed'].total }}` (of their newest event of that name); one that is a single `{{ … }}` keeps
    /// the value's type.
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
    /// Whether an add needs more than the policy demands; default `as_policy`.
    #[serde(default, skip_serializing_if = "ConsentNeed::is_as_policy")]
    pub consent: ConsentNeed,
}

/// What an add needs of the person's consent for its purpose. *Denied* always blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentNeed {
    /// *Unknown* blocks only where the workspace's policy names the purpose.
    #[default]
    AsPolicy,
    /// It must be granted, whatever the policy says.
    Required,
}

impl ConsentNeed {
    fn is_as_policy(&self) -> bool {
        *self == ConsentNeed::AsPolicy
    }
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
