//! What sealing and settling know of one sync step: its key groups, its purpose, where people go afterwards.
use caravan_identity::{Plan, PlanError, check_mapping};
use caravan_journey::plan::{CompiledCanvas, DEFAULT_PURPOSE, Target};
use caravan_model::{Code, Duration, Identities, Manifest, Millis, Policy, Problem, Status, StepIx, VersionId};
use caravan_store::{Claim, GoesTo};
use std::{collections::HashMap, sync::Arc};

/// The steps that operations of a lane come from.
pub type Steps = HashMap<(VersionId, StepIx), Arc<StepFacts>>;

/// One sync step, ready to seal for.
#[derive(Clone, Debug)]
pub struct StepFacts {
    /// What is sent, one plan per key group of the manifest.
    pub groups: Vec<GroupPlan>,
    /// The consent purpose that an add asks for.
    pub purpose: String,
    /// What the policy and the step demand of a person.
    pub demands: Demands,
    /// For how long an add keeps the person there, from its acknowledgement on.
    pub keep_for: Option<Duration>,
    /// Where a parked entry goes on `synced` and `unchanged`.
    pub next: GoesTo,
    /// Where it goes otherwise.
    pub otherwise: GoesTo,
}

/// What must be granted by a person; else only what they denied is kept from leaving (design, 11.15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// Consent for the step's purpose, before an add.
    pub consent: bool,
    /// Tracking, before a device id leaves.
    pub tracking: bool,
}

impl Demands {
    /// What the policy demands of adds for this purpose, and `required` by their step.
    pub fn of(policy: &Policy, purpose: &str, required: bool) -> Demands {
        Demands { consent: required || policy.demands_consent(purpose), tracking: policy.tracking.demand }
    }
}

/// The keys of a step that share requests.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// The group's name in the manifest; empty where it names none.
    pub group: String,
    /// The keys.
    pub plan: Plan,
}

impl StepFacts {
    /// The facts of a step that leads nowhere: a dry run's.
    pub fn alone(groups: Vec<GroupPlan>) -> StepFacts {
        StepFacts {
            groups,
            purpose: DEFAULT_PURPOSE.to_owned(),
            demands: Demands::default(),
            keep_for: None,
            next: GoesTo::Stays,
            otherwise: GoesTo::Stays,
        }
    }

    /// The facts of a canvas's step under the workspace's policy.
    pub fn of(canvas: &CompiledCanvas, step: StepIx, groups: Vec<GroupPlan>, policy: &Policy) -> StepFacts {
        let to = |target| match target {
            Target::Step(step) => GoesTo::Step(step),
            Target::Exit => GoesTo::End,
        };
        let sync = canvas.sync(step);
        let purpose = sync.map_or_else(|| DEFAULT_PURPOSE.to_owned(), |sync| sync.purpose.clone());
        StepFacts {
            groups,
            demands: Demands::of(policy, &purpose, sync.is_some_and(|sync| sync.consent_required)),
            purpose,
            keep_for: sync.and_then(|sync| sync.keep_for),
            next: to(canvas.after_sync(step, Status::Synced)),
            otherwise: to(canvas.after_sync(step, Status::Skipped)),
        }
    }

    /// The claim that an add of this step makes, acknowledged at `now` (design, 11.17).
    pub fn claim(&self, step: (VersionId, StepIx), now: Millis) -> Claim {
        Claim { until: self.keep_for.map(|span| now.after(span)), ..Claim::from(step) }
    }

    /// Where an entry goes whose visit ended with this status (design, 11.1).
    pub fn goes(&self, parks: bool, status: Status) -> GoesTo {
        match status {
            _ if !parks => GoesTo::Stays,
            Status::Exited => GoesTo::End,
            status if status.is_success() => self.next,
            _ => self.otherwise,
        }
    }
}

/// The plans of a step's match words, one per key group: the first group that takes all chosen keys, else as few as
/// cover them.
///
/// # Errors
/// What is wrong with the choice of keys.
pub fn group_plans(
    manifest: &Manifest,
    words: &[String],
    settings: &serde_json::Map<String, serde_json::Value>,
    default_country: Option<&str>,
    identities: &Identities,
) -> Result<Vec<GroupPlan>, PlanError> {
    check_mapping(manifest, identities)?;
    let whole = Plan::mapped(manifest, words, settings, default_country, identities)?;
    let chosen: Vec<&str> = manifest.chosen(words).map(|key| key.key.as_str()).collect();
    if manifest.groups.is_empty() {
        return Ok(vec![GroupPlan { group: String::new(), plan: whole }]);
    }
    let takes = |group: &caravan_model::manifest::KeyGroup, key: &str| group.keys.iter().any(|k| k == key);
    if let Some(group) = manifest.groups.iter().find(|group| chosen.iter().all(|key| takes(group, key))) {
        return Ok(vec![GroupPlan { group: group.name.clone(), plan: whole }]);
    }
    let mut left = chosen.clone();
    let mut plans = Vec::new();
    let mut groups: Vec<_> = manifest.groups.iter().collect();
    while !left.is_empty() && !groups.is_empty() {
        let covers = |group: &caravan_model::manifest::KeyGroup| left.iter().filter(|key| takes(group, key)).count();
        let best = (0..groups.len()).rev().max_by_key(|&at| covers(groups[at])).unwrap_or(0);
        let group = groups.remove(best);
        if covers(group) == 0 {
            break;
        }
        let mut part = manifest.clone();
        part.keys.retain(|key| chosen.contains(&key.key.as_str()) && takes(group, &key.key));
        let asked: Vec<String> =
            words.iter().filter(|word| part.keys.iter().any(|key| key.is_asked_by(word))).cloned().collect();
        // Keys that identify nobody by themselves are worth nothing in a request of their own.
        if let Ok(plan) = Plan::mapped(&part, &asked, settings, default_country, identities) {
            plans.push(GroupPlan { group: group.name.clone(), plan });
        }
        left.retain(|key| !takes(group, key));
    }
    if plans.is_empty() { Ok(vec![GroupPlan { group: String::new(), plan: whole }]) } else { Ok(plans) }
}

/// A choice of keys that cannot be sent, as a problem for a person.
pub(crate) fn plan_problem(error: &PlanError, path: &str) -> Problem {
    let problem = Problem::new(error.code().unwrap_or(Code::BadConnection), error.to_string());
    if path.is_empty() { problem } else { problem.at_path(path) }
}
