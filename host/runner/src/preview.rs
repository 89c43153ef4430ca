//! One person's way through a canvas with time travel: every decision, without a change to anything.
use crate::crowds::{Crowds, rules_of};
use caravan_journey::entry::admits_whoever;
use caravan_journey::filter::evaluate;
use caravan_journey::plan::{CompiledCanvas, StepKind, Target};
use caravan_journey::walk::{Move, Rest};
use caravan_journey::{Person, Scene, TimeZone};
use caravan_model::status::reason;
use caravan_model::{Canvas, Code, Filter, Millis, Problem, Profile, ProfileId, Reason, Status, StepIx};
use caravan_store::Store;
use serde::Serialize;

/// The most visits that a preview shows: a canvas may go round for ever.
const MOST: usize = 200;

/// What a preview takes for granted.
#[derive(Clone, Copy, Debug)]
pub struct Assumed {
    /// What steps wait for happens at once; else they wait in vain.
    pub happens: bool,
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
    let mut now = from;
    let mut profile = known.profile;
    let mut preview = Preview {
        external_id: profile.external_id.clone(),
        kept_out_by: None,
        control: plan.in_control(&profile.external_id),
        visits: Vec::new(),
        cut: false,
    };
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
            Rest::Delay { step, due } => {
                let happens = assumed.happens && plan.awaited(step).is_some();
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
