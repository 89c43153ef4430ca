//! One person's way through a canvas with time travel: every decision, without a change to anything.
use crate::barriers::barriers;
use crate::crowds::{Crowds, rules_of};
use caravan_journey::entry::admits_whoever;
use caravan_journey::filter::evaluate;
use caravan_journey::plan::{Awaited, CompiledCanvas, StepKind, Target};
use caravan_journey::walk::{Move, Rest};
use caravan_journey::{Person, Scene, TimeZone};
use caravan_model::canvas::ExitRule;
use caravan_model::status::reason;
use caravan_model::{Canvas, Code, Filter, Millis, Problem, Profile, ProfileId, Reason, Status, StepIx};
use caravan_store::Store;
use serde::Serialize;
use std::collections::BTreeSet;

/// The most visits that a preview shows: a canvas may go round for ever.
const MOST: usize = 200;

/// What is taken to happen as soon as the person waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Happens {
    /// Nothing: they wait in vain.
    #[default]
    Nothing,
    /// Whatever they wait for; no exit.
    Anything,
    /// Events, and joins of segments, of these names. One that the exit rules name ends the entry.
    These(BTreeSet<String>),
}

impl Happens {
    /// The name that stands for whatever is waited for.
    pub const ANYTHING: &'static str = "*";

    /// What these names say.
    pub fn of(names: impl IntoIterator<Item = String>) -> Happens {
        let names: BTreeSet<String> = names.into_iter().collect();
        match (names.is_empty(), names.contains(Happens::ANYTHING)) {
            (true, _) => Happens::Nothing,
            (_, true) => Happens::Anything,
            _ => Happens::These(names),
        }
    }

    fn is_awaited(&self, what: &Awaited) -> bool {
        match self {
            Happens::Nothing => false,
            Happens::Anything => true,
            Happens::These(names) => names.contains(what.name()),
        }
    }

    /// The name of the exit rule that ends the entry, if one does.
    fn exit<'a>(&self, plan: &'a CompiledCanvas) -> Option<&'a str> {
        let Happens::These(names) = self else { return None };
        let of_rule = |rule: &'a ExitRule| match rule {
            ExitRule::Event(event) => event.event.as_str(),
            ExitRule::Segment(segment) => segment.segment.as_str(),
        };
        plan.exits.iter().map(of_rule).find(|name| names.contains(*name))
    }
}

/// What a preview takes for granted.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// What happens while the person waits.
    pub happens: Happens,
    /// Partners take whom they are sent, and endpoints what they get; else they refuse it.
    pub synced: bool,
}

/// One person's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The person's external id.
    pub external_id: String,
    /// The condition of `who` that keeps them out; empty where it holds. The way is shown all the same.
    pub kept_out_by: Option<Filter>,
    /// What else would keep them out, in words: how the canvas stands, its trigger, entries before, caps.
    pub would_not_enter: Vec<String>,
    /// Whether they are in the control group: then nothing follows.
    pub control: bool,
    /// What happens, in order.
    pub visits: Vec<PreviewVisit>,
    /// Whether there was more than a preview shows.
    pub cut: bool,
}

/// One visit of a preview.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewVisit {
    /// When it begins.
    pub at: Millis,
    /// The step.
    pub step: String,
    /// Which one, by its place.
    #[serde(skip)]
    pub place: StepIx,
    /// Its kind, as canvases write it.
    pub kind: &'static str,
    /// Why the person goes on as they do.
    pub reason: Reason,
    /// Until when they wait here, where they do.
    pub until: Option<Millis>,
    /// The body that a webhook would send: JSON with the person's values as they are.
    #[serde(skip)]
    pub body: Option<String>,
    /// The person as they are then.
    #[serde(skip)]
    pub person: Profile,
}

/// Walks a person of the store through a canvas from an instant on. Changes nothing.
///
/// # Errors
/// The canvas cannot run, the person is not there, or what the store says.
pub async fn preview<S: Store>(
    store: &S,
    canvas: &Canvas,
    who: ProfileId,
    from: Millis,
    zone: &TimeZone,
    assumed: Assumed,
) -> crate::Result<Preview> {
    let plan = CompiledCanvas::new(canvas)?;
    let known = store.people(vec![who]).await?.pop();
    let known = known.ok_or_else(|| Problem::new(Code::NotFound, "there is no such person, or they were erased"))?;
    let events = store.trace(who).await?.map(|trace| trace.events).unwrap_or_default();
    let crowds = Crowds::of(store, rules_of(store).await?, &[who]).await?;
    let exit = assumed.happens.exit(&plan);
    let mut now = from;
    let mut profile = known.profile;
    let mut preview = Preview {
        external_id: profile.external_id.clone(),
        kept_out_by: None,
        would_not_enter: Vec::new(),
        control: plan.in_control(&profile.external_id),
        visits: Vec::new(),
        cut: false,
    };
    {
        let person = Person { profile: &profile, events: &events };
        let scene = Scene::at(now).in_zone(zone);
        let crowd = crowds.crowd(who, person, scene);
        preview.would_not_enter = barriers(store, &plan, who, &person, &scene.with_groups(&crowd)).await?;
    }
    let mut at = plan.start;
    loop {
        let person = Person { profile: &profile, events: &events };
        let scene = Scene::at(now).in_zone(zone);
        let crowd = crowds.crowd(who, person, scene);
        let scene = scene.with_groups(&crowd);
        if preview.visits.is_empty() && !admits_whoever(&plan.entry, &person, &scene) {
            preview.kept_out_by = plan.entry.who.as_ref().map(|who| failing(who, &person, &scene).clone());
        }
        if preview.control {
            if let Target::Step(place) = plan.start {
                let held_out = Reason::new(reason::CONTROL, "");
                preview.visits.push(visit(&plan, place, now, held_out, None, &profile));
            }
            return Ok(preview);
        }
        let walk = plan.walk(at, &person, &scene).map_err(crate::Error::from)?;
        let mut changed = profile.clone();
        for step in walk.moves {
            let (place, why) = match step {
                Move::Passed { step, way } => (step, plan.reason(step, way)),
                Move::Updated { step } => {
                    if let Some(changes) = plan.changes(step) {
                        changes.apply(&mut changed, now);
                    }
                    (step, Reason::none())
                }
                Move::Offered { step, .. } => (step, Reason::none()),
            };
            preview.visits.push(visit(&plan, place, now, why, None, &changed));
        }
        profile = changed;
        (at, now) = match walk.rest {
            Rest::Exit => return Ok(preview),
            Rest::Delay { step, .. } | Rest::Webhook { step } | Rest::Sync { step, .. } if exit.is_some() => {
                let why = Reason::new(reason::EXITED, format!("`{}` happens", exit.unwrap_or_default()));
                preview.visits.push(visit(&plan, step, now, why, None, &profile));
                return Ok(preview);
            }
            Rest::Delay { step, due } => {
                let happens = plan.awaited(step).is_some_and(|what| assumed.happens.is_awaited(what));
                let (next, why, until) = match happens {
                    true => (plan.after_event(step), Reason::new(reason::HAPPENED, ""), now),
                    false => {
                        let (next, why) = plan.after_delay(step);
                        (next, why, due)
                    }
                };
                preview.visits.push(visit(&plan, step, now, why, Some(until), &profile));
                (next, until)
            }
            Rest::Webhook { step } => {
                let person = Person { profile: &profile, events: &events };
                let made = plan.webhook(step).map_or_else(|| Ok(String::new()), |webhook| webhook.body.render(&person));
                let body = made.as_ref().ok().cloned();
                let (status, why) = match made {
                    Err(why) => (Status::Failed, why),
                    Ok(_) if assumed.synced => (Status::Passed, Reason::none()),
                    Ok(_) => (Status::Failed, Reason::new(reason::WEBHOOK_REFUSED, "")),
                };
                preview.visits.push(PreviewVisit { body, ..visit(&plan, step, now, why, None, &profile) });
                (plan.after_sync(step, status), now)
            }
            Rest::Sync { step, .. } => {
                preview.visits.push(visit(&plan, step, now, Reason::none(), None, &profile));
                (plan.after_sync(step, if assumed.synced { Status::Synced } else { Status::Rejected }), now)
            }
        };
        if preview.visits.len() >= MOST {
            preview.cut = true;
            return Ok(preview);
        }
    }
}

fn visit(
    plan: &CompiledCanvas,
    place: StepIx,
    at: Millis,
    reason: Reason,
    until: Option<Millis>,
    person: &Profile,
) -> PreviewVisit {
    let step = plan.step(place);
    let kind = match step.map(|step| &step.kind) {
        Some(StepKind::Delay(_)) => "delay",
        Some(StepKind::Branch { .. }) => "branch",
        Some(StepKind::Experiment(_)) => "experiment",
        Some(StepKind::WaitFor { .. }) => "wait_for",
        Some(StepKind::Update(_)) => "update",
        Some(StepKind::Webhook(_)) => "webhook",
        Some(StepKind::Sync(_)) => "audience_sync",
        Some(StepKind::Exit) | None => "exit",
    };
    let step = step.map(|step| step.id.to_string()).unwrap_or_default();
    PreviewVisit { at, step, place, kind, reason, until, body: None, person: person.clone() }
}

/// The smallest condition that keeps the person out: of `all` the first that fails.
fn failing<'a>(filter: &'a Filter, person: &Person<'_>, scene: &Scene<'_>) -> &'a Filter {
    match filter {
        Filter::All(all) => match all.all.iter().find(|below| !evaluate(below, person, scene)) {
            Some(below) => failing(below, person, scene),
            None => filter,
        },
        _ => filter,
    }
}
