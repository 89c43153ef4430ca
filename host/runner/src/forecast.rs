//! The check before a launch: who would come now, whom each sync could send, and how long the partner takes for it.
use crate::crowds::{Crowds, rules_of};
use crate::policy::policy_of;
use crate::shared::plug_of;
use crate::steps::{Demands, GroupPlan};
use caravan_identity::{ColumnBuilder, Person as Fit};
use caravan_journey::entry::admits_whoever;
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::sealing::{consent_verdict, tracking_denied};
use caravan_journey::{Groups, Person, Scene, TimeZone};
use caravan_model::canvas::Trigger;
use caravan_model::manifest::{Quota, QuotaUnit};
use caravan_model::port::Connectors;
use caravan_model::{Action, Canvas, Duration, Millis, Policy, Problem, Profile, ProfileId};
use caravan_store::Store;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many people are read at a time.
const PAGE: usize = 10_000;

/// What to expect of a canvas.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// People in the store.
    pub people: u64,
    /// Who fulfils `who` now, and is in the segment or list that lets people in. How many of them do what an event
    /// trigger asks is not known.
    pub eligible: u64,
    /// Of these, in the control group.
    pub control: u64,
    /// Each sync, if all who are eligible and not held out came to it.
    pub steps: Vec<StepForecast>,
    /// Each webhook, likewise.
    pub webhooks: Vec<WebhookForecast>,
}

/// What to expect of a webhook step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WebhookForecast {
    /// The step.
    pub step: String,
    /// The endpoint.
    pub endpoint: String,
    /// Whom its body can be made for: one call each.
    pub sendable: u64,
    /// Whom it cannot, by the words of the reason.
    pub lost: BTreeMap<String, u64>,
}

/// What to expect of a sync step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepForecast {
    /// The step.
    pub step: String,
    /// The partner.
    pub partner: String,
    /// Who could be sent.
    pub sendable: u64,
    /// Who could not, by the code of the reason.
    pub lost: BTreeMap<String, u64>,
    /// By match field: who has a usable value of it. A field that identifies nobody by itself is left out.
    pub fields: BTreeMap<String, u64>,
    /// Rows that the partner would get.
    pub rows: u64,
    /// Calls, at the manifest's batch size.
    pub calls: u64,
    /// How long the quotas of the manifest make that last; none where they allow all of it at once.
    pub drains_in: Option<Duration>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A sync step that is being counted.
struct Counting {
    of: StepForecast,
    action: Action,
    purpose: String,
    demands: Demands,
    whole: Vec<GroupPlan>,
    single: Vec<(String, Vec<GroupPlan>)>,
    batch: u32,
    quotas: Vec<Quota>,
    serves_from: u64,
}

/// Counts people of the store for a canvas that is not live yet. Changes nothing and calls nobody.
///
/// # Errors
/// The canvas cannot run, a connection cannot be used, or what the store says.
pub async fn forecast<S: Store>(
    store: &S,
    canvas: &Canvas,
    connectors: &dyn Connectors,
    now: Millis,
    zone: &TimeZone,
) -> crate::Result<Forecast> {
    let plan = CompiledCanvas::new(canvas)?;
    let policy = policy_of(store).await?;
    let mut counting = countings(&plan, canvas, connectors, &policy)?;
    let rules = rules_of(store).await?;
    let mut names: BTreeSet<String> = plan.needs_events().into_iter().map(str::to_owned).collect();
    names.extend(rules.all_events().into_iter().map(str::to_owned));
    let scene = Scene::at(now).in_zone(zone);
    let mut forecast = Forecast::default();
    forecast.webhooks.extend(plan.webhooks().map(|(place, webhook)| {
        let step = plan.step(place).map(|step| step.id.to_string()).unwrap_or_default();
        WebhookForecast { step, endpoint: webhook.endpoint.clone(), ..WebhookForecast::default() }
    }));
    let mut after = ProfileId(0);
    loop {
        let page = store.everyone(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let ids: Vec<ProfileId> = page.iter().map(|known| known.id).collect();
        let crowds = Crowds::of(store, rules.clone(), &ids).await?;
        let events = match names.is_empty() {
            true => Vec::new(),
            false => store.events(ids, names.iter().cloned().collect()).await?,
        };
        let mut builders = Builders::of(&counting, page.len());
        for (at, known) in page.iter().enumerate() {
            forecast.people += 1;
            let person = Person { profile: &known.profile, events: events.get(at).map_or(&[][..], Vec::as_slice) };
            let crowd = crowds.crowd(known.id, person, scene);
            let scene = scene.with_groups(&crowd);
            let is_in = match &plan.entry.trigger {
                Trigger::Segment(trigger) => crowd.in_segment(&trigger.segment),
                Trigger::Schedule(trigger) => crowd.in_segment(&trigger.segment),
                Trigger::List(trigger) => crowd.in_list(&trigger.list),
                Trigger::Event(_) | Trigger::Api(_) => true,
            };
            if !is_in || !admits_whoever(&plan.entry, &person, &scene) {
                continue;
            }
            forecast.eligible += 1;
            if plan.in_control(&known.profile.external_id) {
                forecast.control += 1;
                continue;
            }
            for (of, (_, webhook)) in forecast.webhooks.iter_mut().zip(plan.webhooks()) {
                match webhook.body.render(&person) {
                    Ok(_) => of.sendable += 1,
                    Err(why) => *of.lost.entry(why.words).or_default() += 1,
                }
            }
            for (step, builders) in counting.iter_mut().zip(&mut builders) {
                step.count(&known.profile, builders);
            }
        }
    }
    forecast.steps = counting.into_iter().map(Counting::finish).collect();
    Ok(forecast)
}

fn countings(
    plan: &CompiledCanvas,
    canvas: &Canvas,
    connectors: &dyn Connectors,
    policy: &Policy,
) -> crate::Result<Vec<Counting>> {
    let mut all = Vec::new();
    for (place, sync) in plan.syncs() {
        let Some(spec) = plan.audience(sync.audience).and_then(|name| canvas.audiences.get(name)) else { continue };
        let plug = plug_of(connectors, &spec.connection)?;
        let manifest = plug.connector.manifest();
        let step = plan.step(place).map(|step| step.id.to_string()).unwrap_or_default();
        let single = sync.match_on.iter().filter_map(|word| {
            let plans = plug.group_plans(std::slice::from_ref(word)).ok()?;
            Some((word.clone(), plans))
        });
        all.push(Counting {
            of: StepForecast { step, partner: manifest.title.clone(), ..StepForecast::default() },
            action: sync.action,
            purpose: sync.purpose.clone(),
            demands: Demands::of(policy, &sync.purpose, sync.consent_required),
            whole: plug.group_plans(&sync.match_on).map_err(|problem: Problem| problem)?,
            single: single.collect(),
            batch: manifest.batch.rows.max(1),
            quotas: manifest.quotas.clone(),
            serves_from: manifest.audience.serves_from,
        });
    }
    Ok(all)
}

/// The columns that a step's people go into.
struct Builders {
    whole: Vec<ColumnBuilder>,
    single: Vec<Vec<ColumnBuilder>>,
}

impl Builders {
    fn of(counting: &[Counting], people: usize) -> Vec<Builders> {
        let make = |plans: &[GroupPlan]| plans.iter().map(|plan| ColumnBuilder::new(&plan.plan, people)).collect();
        let one = |step: &Counting| Builders {
            whole: make(&step.whole),
            single: step.single.iter().map(|(_, plans)| make(plans)).collect(),
        };
        counting.iter().map(one).collect()
    }
}

impl Counting {
    fn count(&mut self, person: &Profile, builders: &mut Builders) {
        if self.action == Action::Add
            && let Err(why) = consent_verdict(person, &self.purpose, self.demands.consent)
        {
            *self.of.lost.entry(why.code).or_default() += 1;
            return;
        }
        let withheld = tracking_denied(person, self.demands.tracking);
        for ((word, _), builders) in self.single.iter().zip(&mut builders.single) {
            let any =
                builders.iter_mut().any(|builder| matches!(builder.push(person, withheld), Fit::Rows(n) if n > 0));
            *self.of.fields.entry(word.clone()).or_default() += u64::from(any);
        }
        let (mut rows, mut why) = (0, None);
        for builder in &mut builders.whole {
            match builder.push(person, withheld) {
                Fit::Rows(n) => rows += u64::from(n),
                Fit::Skip(reason) => why = why.or(Some(reason)),
            }
        }
        if rows > 0 {
            self.of.sendable += 1;
            self.of.rows += rows;
        } else {
            let code = why.map_or_else(|| "no-identifier".to_owned(), |why| why.code);
            *self.of.lost.entry(code).or_default() += 1;
        }
    }

    fn finish(self) -> StepForecast {
        let mut of = self.of;
        of.calls = of.rows.div_ceil(u64::from(self.batch)).max(u64::from(of.rows > 0));
        of.drains_in = self.quotas.iter().filter_map(|quota| lasts(quota, of.calls, of.rows)).max();
        if of.sendable > 0 && of.sendable < self.serves_from && self.action == Action::Add {
            of.warnings.push(format!(
                "{} serves an audience from {} members on; {} could be sent",
                of.partner, self.serves_from, of.sendable
            ));
        }
        let all = of.sendable + of.lost.values().sum::<u64>();
        if all > 0 && of.sendable * 2 < all {
            of.warnings.push(format!("fewer than half of the people could be sent: {} of {all}", of.sendable));
        }
        of
    }
}

/// How long a quota makes so many calls and rows last, beyond its first window.
fn lasts(quota: &Quota, calls: u64, rows: u64) -> Option<Duration> {
    let used = match quota.unit {
        QuotaUnit::Calls => calls,
        QuotaUnit::Rows => rows,
        QuotaUnit::Bytes | QuotaUnit::InFlight => return None,
    };
    let windows = used.div_ceil(quota.amount.max(1)).saturating_sub(1);
    (windows > 0).then(|| quota.per.map(|per| Duration(per.0.saturating_mul(windows)))).flatten()
}
