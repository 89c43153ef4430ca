//! The check before a launch: who would come now, whom each sync could send, how long the partner takes for it, and what
//! a person should know before.
mod outlook;

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
use caravan_model::manifest::Quota;
use caravan_model::port::Connectors;
use caravan_model::{Action, Canvas, Connections, Duration, Millis, Policy, Problem, Profile, ProfileId};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many people are read at a time.
const PAGE: usize = 10_000;

/// What to expect of a canvas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The canvas's id.
    pub canvas: String,
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
    /// How long the quotas make the slowest sync last; none where they allow everything at once.
    pub drains_in: Option<Duration>,
}

impl Forecast {
    /// Whether there is something that a person should know.
    pub fn warns(&self) -> bool {
        self.steps.iter().any(|step| !step.warnings.is_empty())
    }
}

/// What to expect of a webhook step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// How long the quotas of the manifest make that last, with the steps that share them; none where they allow all of it at
    /// once.
    pub drains_in: Option<Duration>,
    /// The other steps that share the quota which makes it last.
    pub shares_with: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What could not be looked at, and why.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A sync step that is being counted.
struct Counting {
    of: StepForecast,
    /// The audience, as the canvas calls it.
    audience: String,
    /// Where it lies.
    connection: String,
    connector: String,
    /// The partner's id of the account.
    account: String,
    action: Action,
    purpose: String,
    demands: Demands,
    whole: Vec<GroupPlan>,
    single: Vec<(String, Vec<GroupPlan>)>,
    batch: u32,
    quotas: Vec<Quota>,
    serves_from: u64,
    /// Most audiences of an account; 0 = no limit known.
    per_account: u64,
}

/// Counts people of the store for a canvas that is not live yet. Changes nothing. Of `partners` it asks for nothing but their
/// lists of audiences, where the canvas would make some and the partner has a limit; without them, it says why.
///
/// # Errors
/// The canvas cannot run, a connection cannot be used, or what the store says.
pub async fn forecast<S: Store>(
    store: &S,
    canvas: &Canvas,
    (connectors, connections): (&dyn Connectors, &Connections),
    partners: Result<&dyn Connectors, &Problem>,
    now: Millis,
    zone: &TimeZone,
) -> crate::Result<Forecast> {
    let plan = CompiledCanvas::new(canvas)?;
    let policy = policy_of(store).await?;
    let mut counting = countings(&plan, canvas, (connectors, connections), &policy)?;
    let rules = rules_of(store).await?;
    let mut names: BTreeSet<String> = plan.needs_events().into_iter().map(str::to_owned).collect();
    names.extend(rules.all_events().into_iter().map(str::to_owned));
    let scene = Scene::at(now).in_zone(zone);
    let mut forecast = Forecast { canvas: canvas.canvas.to_string(), ..Forecast::default() };
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
    counting.iter_mut().for_each(Counting::finish);
    outlook::look_at_credentials(connectors, &mut counting).await;
    outlook::share_quotas(&mut counting);
    outlook::look_at_room(store, canvas, (partners, now), &mut counting).await?;
    outlook::look_at_tokens(connectors, &mut counting, now).await;
    forecast.steps = counting.into_iter().map(|step| step.of).collect();
    forecast.drains_in = forecast.steps.iter().filter_map(|step| step.drains_in).max();
    Ok(forecast)
}

fn countings(
    plan: &CompiledCanvas,
    canvas: &Canvas,
    (connectors, connections): (&dyn Connectors, &Connections),
    policy: &Policy,
) -> crate::Result<Vec<Counting>> {
    let mut all = Vec::new();
    for (place, sync) in plan.syncs() {
        let Some(audience) = plan.audience(sync.audience) else { continue };
        let Some(spec) = canvas.audiences.get(audience) else { continue };
        let plug = plug_of(connectors, &spec.connection)?;
        let manifest = plug.connector.manifest();
        let step = plan.step(place).map(|step| step.id.to_string()).unwrap_or_default();
        let single = sync.match_on.iter().filter_map(|word| {
            let plans = plug.group_plans(std::slice::from_ref(word)).ok()?;
            Some((word.clone(), plans))
        });
        let account = connections.connections.get(&spec.connection).and_then(|known| known.accounts.get(&spec.account));
        all.push(Counting {
            audience: audience.to_owned(),
            connection: spec.connection.clone(),
            connector: manifest.name.clone(),
            account: account.unwrap_or(&spec.account).clone(),
            of: StepForecast { step, partner: manifest.title.clone(), ..StepForecast::default() },
            action: sync.action,
            purpose: sync.purpose.clone(),
            demands: Demands::of(policy, &sync.purpose, sync.consent_required),
            whole: plug.group_plans(&sync.match_on).map_err(|problem: Problem| problem)?,
            single: single.collect(),
            batch: manifest.batch.rows.max(1),
            quotas: manifest.quotas.clone(),
            serves_from: manifest.audience.serves_from,
            per_account: manifest.audience.per_account.into(),
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

    fn finish(&mut self) {
        let of = &mut self.of;
        of.calls = of.rows.div_ceil(u64::from(self.batch)).max(u64::from(of.rows > 0));
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
    }
}
