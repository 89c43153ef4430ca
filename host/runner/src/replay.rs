//! Replay: how many people would have entered a canvas, and come to each of its steps, by the events that are still kept.
//! Changes nothing and calls nobody.
use crate::crowds::{Crowds, rules_of};
use caravan_journey::entry::{
    LastEntry, Occasion, admits_whoever, event_exits, is_the_event, may_enter_again, triggers,
};
use caravan_journey::plan::{Awaited, CompiledCanvas, StepKind};
use caravan_journey::walk::{Move, Rest};
use caravan_journey::{Groups as _, Person, Scene, TimeZone};
use caravan_model::canvas::{ExitRule, Trigger};
use caravan_model::{Canvas, Duration, Event, Millis, Profile, ProfileId, Status, StepIx};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many people are read at a time: with their events, so fewer than elsewhere.
const PAGE: usize = 2_000;
/// The most rests of one entry that are followed: a canvas may go round for ever.
const MOST: usize = 200;

/// What a canvas would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The canvas.
    pub canvas: String,
    /// From when on events are replayed.
    pub from: Millis,
    /// Up to when.
    pub to: Millis,
    /// The oldest kept event of those that matter to the canvas; `from` where they reach back so far, none without any.
    pub kept_since: Option<Millis>,
    /// People in the store.
    pub people: u64,
    /// Entries: a person may enter several times.
    pub entered: u64,
    /// People who entered at least once.
    pub people_entered: u64,
    /// How often the trigger came for someone whom `who` keeps out.
    pub kept_out: u64,
    /// How often it came for someone who was inside, or may not enter again yet.
    pub not_again: u64,
    /// Entries of the control group, which end at once; they are part of `entered`.
    pub control: u64,
    /// Entries that an exit rule ended.
    pub exited: u64,
    /// Entries that came to their end.
    pub ended: u64,
    /// Entries that would still be inside.
    pub inside: u64,
    /// The steps, in the order of the file.
    pub steps: Vec<ReplayStep>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
}

/// What a step would have seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayStep {
    /// The step.
    pub step: String,
    /// Its kind, as canvases write it.
    pub kind: String,
    /// Entries that came to it; each counts once.
    pub reached: u64,
    /// Entries that would still wait there.
    pub waiting: u64,
}

/// Replays the kept events of the newest `days` against a canvas that need not be published.
///
/// # Errors
/// The canvas cannot run, or what the store says.
pub async fn replay<S: Store>(
    store: &S,
    canvas: &Canvas,
    days: u32,
    now: Millis,
    zone: &TimeZone,
) -> crate::Result<Replay> {
    let plan = CompiledCanvas::new(canvas)?;
    let mut tally = Tally::new(canvas, &plan, now.before(Duration::DAY.times(u64::from(days))), now, zone);
    let rules = rules_of(store).await?;
    let mut names = tally.events();
    names.extend(rules.all_events().into_iter().map(str::to_owned));
    let names: Vec<String> = names.into_iter().collect();
    let mut after = ProfileId(0);
    loop {
        let page = store.everyone(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let ids: Vec<ProfileId> = page.iter().map(|known| known.id).collect();
        let crowds = Crowds::of(store, rules.clone(), &ids).await?;
        // Without a name, all events would be read.
        let events = if names.is_empty() { Vec::new() } else { store.events(ids, names.clone()).await? };
        for (at, known) in page.iter().enumerate() {
            let events = events.get(at).map_or(&[][..], Vec::as_slice);
            tally.person(&crowds, known.id, &known.profile, events)?;
        }
    }
    Ok(tally.replay)
}

/// How an entry went on.
enum End {
    Exited(Millis),
    Ended(Millis),
    Inside,
}

/// The counting.
struct Tally<'a> {
    plan: &'a CompiledCanvas,
    zone: &'a TimeZone,
    replay: Replay,
}

impl<'a> Tally<'a> {
    fn new(canvas: &Canvas, plan: &'a CompiledCanvas, from: Millis, to: Millis, zone: &'a TimeZone) -> Tally<'a> {
        let kind = |id: &str| canvas.steps.get(id).and_then(|step| step.kinds().first().copied()).unwrap_or_default();
        let steps = plan.steps.iter().map(|step| ReplayStep {
            step: step.id.to_string(),
            kind: kind(step.id.as_str()).to_owned(),
            ..ReplayStep::default()
        });
        let replay = Replay {
            canvas: canvas.canvas.to_string(),
            from,
            to,
            kept_since: None,
            people: 0,
            entered: 0,
            people_entered: 0,
            kept_out: 0,
            not_again: 0,
            control: 0,
            exited: 0,
            ended: 0,
            inside: 0,
            steps: steps.collect(),
            assumes: assumptions(plan),
        };
        Tally { plan, zone, replay }
    }

    /// The events that the canvas looks at, waits for, begins or ends with.
    fn events(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.plan.needs_events().into_iter().map(str::to_owned).collect();
        if let Trigger::Event(trigger) = &self.plan.entry.trigger {
            names.insert(trigger.event.clone());
        }
        for rule in &self.plan.exits {
            if let ExitRule::Event(wanted) = rule {
                names.insert(wanted.event.clone());
            }
        }
        let awaited = self.plan.all_awaited().filter(|what| matches!(what, Awaited::Event(_)));
        names.extend(awaited.map(|what| what.name().to_owned()));
        names
    }

    /// One person; `events` are theirs, oldest first.
    fn person(&mut self, crowds: &Crowds, id: ProfileId, profile: &Profile, events: &[Event]) -> crate::Result<()> {
        self.replay.people += 1;
        let (from, to) = (self.replay.from, self.replay.to);
        let oldest = events.first().map(|event| event.at).filter(|at| *at > from);
        self.replay.kept_since = self.replay.kept_since.into_iter().chain(oldest).min();
        if events.first().is_some_and(|event| event.at <= from) {
            // Somebody's events reach as far as is asked for.
            self.replay.kept_since = Some(from);
        }
        let mut last: Option<LastEntry> = None;
        let mut ends = Millis(i64::MIN);
        let mut entered = false;
        let within: Vec<(Millis, Option<&Event>)> = match &self.plan.entry.trigger {
            Trigger::Event(_) => events
                .iter()
                .filter(|event| event.at >= from && event.at <= to)
                .map(|event| (event.at, Some(event)))
                .collect(),
            // Who is in the group now is taken to have been in it all the time.
            Trigger::Segment(_) | Trigger::Schedule(_) | Trigger::List(_) => vec![(from, None)],
            Trigger::Api(_) => Vec::new(),
        };
        for (at, event) in within {
            let person = Person { profile, events: upto(events, at) };
            let bare = Scene::at(at).in_zone(self.zone);
            let crowd = crowds.crowd(id, person, bare);
            let scene = bare.with_groups(&crowd);
            let occasion = match (&self.plan.entry.trigger, event) {
                (Trigger::Event(_), Some(event)) => {
                    triggers(&self.plan.entry.trigger, &person, Occasion::Event(event), &scene)
                }
                (Trigger::Segment(trigger), _) => crowd.in_segment(&trigger.segment),
                (Trigger::Schedule(trigger), _) => crowd.in_segment(&trigger.segment),
                (Trigger::List(trigger), _) => crowd.in_list(&trigger.list),
                _ => false,
            };
            if !occasion {
                continue;
            }
            if !admits_whoever(&self.plan.entry, &person, &scene) {
                self.replay.kept_out += 1;
                continue;
            }
            let before = last.map(|before| LastEntry { open: ends > at, ..before });
            if !may_enter_again(self.plan.entry.re_entry, before, at) {
                self.replay.not_again += 1;
                continue;
            }
            self.replay.entered += 1;
            self.replay.people_entered += u64::from(!entered);
            entered = true;
            let end = match self.plan.in_control(&profile.external_id) {
                true => {
                    self.replay.control += 1;
                    End::Ended(at)
                }
                false => self.way(crowds, id, profile, events, at)?,
            };
            let (count, at_end) = match end {
                End::Exited(at) => (&mut self.replay.exited, at),
                End::Ended(at) => (&mut self.replay.ended, at),
                End::Inside => (&mut self.replay.inside, Millis::NEVER),
            };
            *count += 1;
            ends = at_end;
            last = Some(LastEntry { began: at, open: true });
        }
        Ok(())
    }

    /// The way of one entry that began at an instant.
    fn way(
        &mut self,
        crowds: &Crowds,
        id: ProfileId,
        profile: &Profile,
        events: &[Event],
        began: Millis,
    ) -> crate::Result<End> {
        let mut profile = profile.clone();
        let mut seen = vec![false; self.plan.steps.len()];
        let (mut target, mut now) = (self.plan.start, began);
        let exit = self.exit_of(crowds, id, &profile, events, began);
        for _ in 0..MOST {
            let person = Person { profile: &profile, events: upto(events, now) };
            let bare = Scene::at(now).in_zone(self.zone);
            let crowd = crowds.crowd(id, person, bare);
            let scene = bare.with_groups(&crowd);
            let walk = self.plan.walk(target, &person, &scene).map_err(crate::Error::from)?;
            let mut changed = None;
            for step in &walk.moves {
                let place = match step {
                    Move::Passed { step, .. } | Move::Offered { step, .. } => *step,
                    Move::Updated { step } => {
                        if let Some(changes) = self.plan.changes(*step) {
                            changes.apply(changed.get_or_insert_with(|| profile.clone()), now);
                        }
                        *step
                    }
                };
                self.reach(&mut seen, place);
            }
            profile = changed.unwrap_or(profile);
            let (step, next, at) = match walk.rest {
                Rest::Exit => return Ok(End::Ended(now)),
                Rest::Sync { step, .. } => {
                    self.reach(&mut seen, step);
                    (step, self.plan.after_sync(step, Status::Synced), now)
                }
                Rest::Webhook { step } => {
                    self.reach(&mut seen, step);
                    // Of a body that cannot be made nobody is told: the step fails.
                    let person = Person { profile: &profile, events: upto(events, now) };
                    let made = self.plan.webhook(step).is_none_or(|webhook| webhook.body.render(&person).is_ok());
                    (step, self.plan.after_sync(step, if made { Status::Passed } else { Status::Failed }), now)
                }
                Rest::Delay { step, due } => {
                    self.reach(&mut seen, step);
                    match self.happened(crowds, (id, &profile, events), step, now, due) {
                        Some(at) => (step, self.plan.after_event(step), at),
                        None => (step, self.plan.after_delay(step).0, due),
                    }
                }
            };
            if let Some(exit) = exit.filter(|exit| *exit <= at) {
                return Ok(End::Exited(exit));
            }
            if at > self.replay.to {
                if let Some(waits) = self.replay.steps.get_mut(usize::from(step.0)) {
                    waits.waiting += 1;
                }
                return Ok(End::Inside);
            }
            (target, now) = (next, at);
        }
        Ok(End::Ended(now))
    }

    fn reach(&mut self, seen: &mut [bool], step: StepIx) {
        let at = usize::from(step.0);
        if let (Some(seen), Some(counted)) = (seen.get_mut(at), self.replay.steps.get_mut(at))
            && !std::mem::replace(seen, true)
        {
            counted.reached += 1;
        }
    }

    /// When that happened which a step waits for, as far as events show it.
    fn happened(
        &self,
        crowds: &Crowds,
        (id, profile, events): (ProfileId, &Profile, &[Event]),
        step: StepIx,
        since: Millis,
        due: Millis,
    ) -> Option<Millis> {
        let Some(Awaited::Event(wanted)) = self.plan.awaited(step) else { return None };
        let comes = |event: &&Event| event.at > since && event.at <= due && event.at <= self.replay.to;
        let is_it = |event: &&Event| {
            let person = Person { profile, events: std::slice::from_ref(*event) };
            let scene = Scene::at(event.at).in_zone(self.zone);
            let crowd = crowds.crowd(id, person, scene);
            is_the_event(wanted, event, &person, &scene.with_groups(&crowd))
        };
        events.iter().filter(comes).find(is_it).map(|event| event.at)
    }

    /// When an event ends the entry, if one does.
    fn exit_of(
        &self,
        crowds: &Crowds,
        id: ProfileId,
        profile: &Profile,
        events: &[Event],
        began: Millis,
    ) -> Option<Millis> {
        if self.plan.exits.is_empty() {
            return None;
        }
        let ends = |event: &&Event| {
            let person = Person { profile, events: std::slice::from_ref(*event) };
            let scene = Scene::at(event.at).in_zone(self.zone);
            let crowd = crowds.crowd(id, person, scene);
            event_exits(&self.plan.exits, event, began, &person, &scene.with_groups(&crowd))
        };
        events.iter().filter(|event| event.at > began && event.at <= self.replay.to).find(ends).map(|event| event.at)
    }
}

/// What a person had done by then.
fn upto(events: &[Event], at: Millis) -> &[Event] {
    &events[..events.partition_point(|event| event.at <= at)]
}

/// What a replay takes for granted, in words.
fn assumptions(plan: &CompiledCanvas) -> Vec<String> {
    let mut words = vec![
        "people are as they are known today: attributes, consents, segments and lists of earlier days are not kept"
            .to_owned(),
        "nobody was inside before, and caps do not count".to_owned(),
    ];
    match &plan.entry.trigger {
        Trigger::Event(_) => {}
        Trigger::Segment(_) | Trigger::Schedule(_) | Trigger::List(_) => {
            words.push("whoever is in the segment or list now enters once, on the first day".to_owned());
        }
        Trigger::Api(_) => words.push("calls of the API are not kept: nobody enters".to_owned()),
    }
    if plan.syncs().next().is_some() || plan.webhooks().next().is_some() {
        words.push("partners take whom they are sent, and endpoints answer well, at once".to_owned());
    }
    if plan.steps.iter().any(|step| matches!(step.kind, StepKind::WaitFor { .. })) {
        words.push(
            "what steps wait for happens where a kept event shows it; segments are waited for in vain".to_owned(),
        );
    }
    if plan.exits.iter().any(|rule| matches!(rule, ExitRule::Segment(_))) {
        words.push("joining a segment ends no entry".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_journey::document::read_canvas;

    const DAY: i64 = 86_400_000;

    fn event(name: &str, day: i64) -> Event {
        Event { name: name.to_owned(), at: Millis(day * DAY), properties: Default::default() }
    }

    fn replayed(canvas: &str, people: &[(&str, Vec<Event>)]) -> Replay {
        let canvas = read_canvas("", canvas).unwrap().value;
        let plan = CompiledCanvas::new(&canvas).unwrap();
        let zone = TimeZone::UTC;
        let mut tally = Tally::new(&canvas, &plan, Millis(10 * DAY), Millis(40 * DAY), &zone);
        for (n, (who, events)) in people.iter().enumerate() {
            let mut profile = Profile { external_id: format!("p{n}"), ..Profile::default() };
            profile.country = Some((*who).to_owned());
            tally.person(&Crowds::default(), ProfileId(n as i64 + 1), &profile, events).unwrap();
        }
        tally.replay
    }

    const CANVAS: &str = "
format: 1
canvas: c
entry: { trigger: { event: lapsed }, who: { attr: country, eq: FR }, re_entry: { after: 10d }, start: pause }
exit: [ { event: bought } ]
steps:
  pause: { delay: { for: 2d }, next: wait }
  wait: { wait_for: { event: opened, timeout: 3d, on_timeout: late }, next: soon }
  soon: { update: { tier: gold }, next: exit }
  late: { delay: { for: 1d }, next: exit }
";

    fn of(replay: &Replay, step: &str) -> (u64, u64) {
        let found = replay.steps.iter().find(|one| one.step == step).unwrap();
        (found.reached, found.waiting)
    }

    #[test]
    fn people_are_followed_as_far_as_events_show_it() {
        let people = [
            ("FR", vec![event("lapsed", 11), event("opened", 14)]),
            ("FR", vec![event("lapsed", 11)]),
            ("DE", vec![event("lapsed", 12)]),
            ("FR", vec![event("lapsed", 39)]),
            ("FR", vec![event("lapsed", 12), event("bought", 13)]),
            ("FR", vec![event("lapsed", 5)]),
        ];
        let replay = replayed(CANVAS, &people);
        assert_eq!((replay.people, replay.entered, replay.people_entered, replay.kept_out), (6, 4, 4, 1));
        assert_eq!((replay.ended, replay.exited, replay.inside), (2, 1, 1));
        assert_eq!((of(&replay, "pause"), of(&replay, "wait")), ((4, 1), (2, 0)));
        assert_eq!((of(&replay, "soon"), of(&replay, "late")), ((1, 0), (1, 0)));
    }

    #[test]
    fn nobody_enters_again_before_they_may() {
        // On day 14 the first entry is open, on day 17 it is over but ten days are not; on day 25 they are.
        let events = vec![event("lapsed", 11), event("lapsed", 14), event("lapsed", 17), event("lapsed", 25)];
        let replay = replayed(CANVAS, &[("FR", events)]);
        assert_eq!((replay.entered, replay.people_entered, replay.not_again), (2, 1, 2));
    }

    #[test]
    fn a_replay_says_what_it_takes_for_granted() {
        let api = CANVAS.replace("{ event: lapsed }", "{ api: true }");
        let replay = replayed(&api, &[("FR", vec![event("lapsed", 11)])]);
        assert_eq!(replay.entered, 0);
        assert!(replay.assumes.iter().any(|words| words.contains("API")), "{:?}", replay.assumes);
        assert!(replay.assumes.iter().any(|words| words.contains("waited for in vain")), "{:?}", replay.assumes);
    }
}
