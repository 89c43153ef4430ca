//! One round: a set of people who are due at an endpoint. Bodies are made, requests leave a bounded number at a time, and
//! what came of them is kept set by set while others are still under way.
use super::Health;
use super::verdict::{Verdict, of_answer, of_rest};
use crate::advance::MOST_SKIPPED;
use crate::crowds::Crowds;
use crate::moves::{Pace, moves_from};
use crate::shared::Shared;
use caravan_journey::plan::Target;
use caravan_journey::retry::backoff;
use caravan_journey::webhook::idempotency_key;
use caravan_journey::{Person, Scene};
use caravan_model::status::reason;
use caravan_model::webhook::{WebhookAnswer, WebhookCall};
use caravan_model::{Duration, Event, Millis, Profile, ProfileId, Reason, Status, VersionId};
use caravan_store::{Advance, Calling, Error, Move, Postponed, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::task::JoinSet;

/// So many answers are kept in one transaction, or those of so many milliseconds.
const SET: usize = 256;
const SET_AGE: std::time::Duration = std::time::Duration::from_millis(250);

/// A round at one endpoint.
pub(super) struct Round<'a, S: Store> {
    shared: &'a Arc<Shared<S>>,
    endpoint: &'a str,
    skip_delays_of: Option<VersionId>,
    health: Health,
    /// Failures in a row.
    failures: u32,
    /// What is decided and not kept yet.
    decided: Vec<(Calling, Verdict)>,
}

/// A visit that is over, and how.
type Ended = (Calling, (Status, Reason));

/// What a person's step asks for.
enum Prepared {
    Call(Box<Calling>, WebhookCall),
    Decided(Box<Calling>, Verdict),
}

impl<'a, S: Store> Round<'a, S> {
    pub(super) fn new(
        shared: &'a Arc<Shared<S>>,
        endpoint: &'a str,
        skip_delays_of: Option<VersionId>,
    ) -> Round<'a, S> {
        let health = shared.endpoints.health_of(endpoint);
        Round { shared, endpoint, skip_delays_of, health, failures: 0, decided: Vec::new() }
    }

    /// Works on a set; gives how many went on.
    pub(super) async fn work(&mut self, calls: Vec<Calling>) -> crate::Result<u64> {
        let mut waiting = self.prepare(calls).await?;
        let mut under_way: JoinSet<crate::Result<Option<(Calling, Millis, WebhookAnswer)>>> = JoinSet::new();
        let mut moved = 0;
        let mut kept_at = tokio::time::Instant::now();
        loop {
            let canvases = self.shared.canvases().await?;
            while under_way.len() < self.room() && !self.shared.is_stopping() {
                let Some((calling, call)) = waiting.pop_front() else { break };
                if !self.shared.moves_on(calling.version, &canvases) {
                    // Paused or stopped meanwhile: nothing was asked yet, and nothing is noted.
                    continue;
                }
                under_way.spawn(asked(self.shared.clone(), calling, call));
            }
            if self.rests() {
                let now = self.shared.now();
                for (calling, _) in waiting.drain(..) {
                    self.put_off(calling, now);
                }
            }
            if self.decided.len() >= SET || under_way.is_empty() || kept_at.elapsed() >= SET_AGE {
                moved += self.keep().await?;
                kept_at = tokio::time::Instant::now();
            }
            let is_done = waiting.is_empty() || self.shared.is_stopping();
            let age = SET_AGE.saturating_sub(kept_at.elapsed());
            tokio::select! {
                biased;
                answered = under_way.join_next() => match answered {
                    Some(answered) => {
                        if let Some((calling, called, answer)) = answered?? {
                            self.heard(calling, called, &answer);
                        }
                    }
                    None if is_done && self.decided.is_empty() => return Ok(moved),
                    None => {}
                },
                () = tokio::time::sleep(age), if !self.decided.is_empty() => {}
            }
        }
    }

    /// How many requests may be under way now: one, while it is not known whether the endpoint is well again.
    fn room(&self) -> usize {
        match (self.rests(), self.health.rests) {
            (true, _) => 0,
            (false, 0) => self.shared.options.webhooks.at_once.max(1),
            (false, _) => 1,
        }
    }

    fn rests(&self) -> bool {
        self.health.until > self.shared.now()
    }

    /// Makes the bodies. Who cannot be called for is decided at once.
    async fn prepare(&mut self, calls: Vec<Calling>) -> crate::Result<VecDeque<(Calling, WebhookCall)>> {
        let (shared, endpoint) = (self.shared.clone(), self.endpoint.to_owned());
        let events = self.events(&calls).await?;
        let prepared = self.shared.chance.aside(move || {
            let prepare =
                |(at, calling)| prepared(&shared, &endpoint, calling, events.get(at).map_or(&[], Vec::as_slice));
            calls.into_iter().enumerate().filter_map(prepare).collect::<Vec<_>>()
        });
        let mut waiting = VecDeque::new();
        for one in prepared.await? {
            match one {
                Prepared::Call(calling, call) => waiting.push_back((*calling, call)),
                Prepared::Decided(calling, verdict) => self.decided.push((*calling, verdict)),
            }
        }
        Ok(waiting)
    }

    /// What these people did, as far as bodies ask for it; nothing where none does.
    async fn events(&self, calls: &[Calling]) -> crate::Result<Vec<Vec<Event>>> {
        let mut names = BTreeSet::new();
        let steps: BTreeSet<_> = calls.iter().map(|calling| (calling.version, calling.step)).collect();
        for (version, step) in steps {
            if let Some(route) = self.shared.route(version)
                && let Some(webhook) = route.plan.webhook(step)
            {
                names.extend(webhook.body.events().iter().cloned());
            }
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let people = calls.iter().map(|calling| calling.profile).collect();
        Ok(self.shared.store.events(people, names.into_iter().collect()).await?)
    }

    fn put_off(&mut self, calling: Calling, now: Millis) {
        let policy = &self.shared.options.retry;
        let verdict = of_rest(calling.tried.as_ref(), now, self.health.until, &self.health.words, policy);
        self.decided.push((calling, verdict));
    }

    /// Takes an answer in.
    fn heard(&mut self, calling: Calling, called: Millis, answer: &WebhookAnswer) {
        let (now, options) = (self.shared.now(), &self.shared.options);
        if let WebhookAnswer::Later { words, after } = answer {
            self.failures += 1;
            let tries = self.health.rests > 0 || self.failures >= options.webhooks.patience.max(1);
            if (tries || after.is_some()) && !self.rests() {
                let rests = self.health.rests + 1;
                let own = backoff(rests, &options.retry, self.shared.chance.draw());
                let asked = after.unwrap_or_default().min(options.retry.longest_wait);
                let until = now.after(own.max(asked).max(Duration(1)));
                self.health = Health { rests, until, words: words.clone() };
                self.is_now(now);
            }
        } else {
            self.failures = 0;
            if self.health != Health::default() {
                self.health = Health::default();
                self.is_now(now);
            }
        }
        let draw = self.shared.chance.draw();
        let verdict = of_answer(answer, calling.tried.as_ref(), (called, now), &options.retry, draw);
        self.decided.push((calling, verdict));
    }

    /// Tells other rounds, and whoever listens for alerts, how the endpoint is.
    fn is_now(&self, now: Millis) {
        self.shared.endpoints.is_now(self.endpoint, self.health.clone());
        self.shared.options.alerts.signals.endpoint_rests(self.endpoint, self.health.rests, now);
    }

    /// Keeps what is decided; gives how many went on.
    async fn keep(&mut self) -> crate::Result<u64> {
        let mut ends: BTreeMap<VersionId, Vec<Ended>> = BTreeMap::new();
        let mut off = Vec::new();
        for (calling, verdict) in self.decided.drain(..) {
            match verdict {
                Verdict::Ends(status, why) => ends.entry(calling.version).or_default().push((calling, (status, why))),
                Verdict::Again { due, tried } => off.push(Postponed { visit: calling.visit, due, tried }),
            }
        }
        let (store, lease, now) = (&self.shared.store, self.shared.lease, self.shared.now());
        if !off.is_empty() {
            store.postpone(lease, off, now).await?;
        }
        if ends.is_empty() {
            return Ok(0);
        }
        loop {
            let canvases = self.shared.canvases().await?;
            let mut moves = Vec::new();
            for (version, ended) in &ends {
                let is_still = !self.shared.moves_on(*version, &canvases);
                moves.extend(self.go_on(*version, ended, is_still, now).await?);
            }
            match store.advance(lease, moves, canvases.seen(), now).await {
                Err(Error::Overtaken) => continue,
                moved => return Ok(moved?),
            }
        }
    }

    /// What follows for people of a version, as they are now.
    async fn go_on(
        &self,
        version: VersionId,
        ended: &[Ended],
        is_still: bool,
        now: Millis,
    ) -> crate::Result<Vec<Advance>> {
        let Some(route) = self.shared.route(version) else { return Ok(Vec::new()) };
        let ids: Vec<ProfileId> = ended.iter().map(|(calling, _)| calling.profile).collect();
        let people = self.shared.store.people(ids.clone()).await?;
        let people: HashMap<ProfileId, Profile> = people.into_iter().map(|known| (known.id, known.profile)).collect();
        let (crowds, events) = Crowds::with_events(&self.shared.store, &route, ids).await?;
        let scene = Scene::at(now).in_zone(&self.shared.options.workspace_zone);
        let mut scratch = Vec::new();
        let mut advances = Vec::with_capacity(ended.len());
        for (at, (calling, (status, why))) in ended.iter().enumerate() {
            let Calling { visit, version, step, profile, due, again, .. } = *calling;
            let (status, why) = (*status, why.clone());
            let (ends_as, moves) = match (people.get(&profile), route.plan.after_sync(step, status)) {
                // Whoever is sent again went on when the visit failed.
                (known, _) if again => (known.map_or_else(erased, |_| (status, why)), Vec::new()),
                (None, _) => (erased(), vec![Move::End]),
                // Where the canvas was paused meanwhile, the person goes as far as the door of the next step.
                (Some(_), Target::Step(step)) if is_still => ((status, why), vec![Move::Arrive { step }]),
                (Some(known), next) => {
                    let person = Person { profile: known, events: events.get(at).map_or(&[][..], Vec::as_slice) };
                    let crowd = crowds.crowd(profile, person, scene);
                    let skip_delays = self.skip_delays_of == Some(version) && visit.ordinal < MOST_SKIPPED;
                    let pace = Pace { now, skip_delays };
                    let moves = moves_from(&route, next, &person, &scene.with_groups(&crowd), pace, &mut scratch)?;
                    ((status, why), moves)
                }
            };
            advances.push(Advance { visit, version, step, arrives: false, due, profile, ends_as, moves });
        }
        Ok(advances)
    }
}

/// Asks the endpoint once there is room, unless the person left, or their canvas was paused or stopped, since it was settled
/// what to ask: what is looked at here is as it stands when the request leaves.
async fn asked<S: Store>(
    shared: Arc<Shared<S>>,
    calling: Calling,
    call: WebhookCall,
) -> crate::Result<Option<(Calling, Millis, WebhookAnswer)>> {
    // It is never closed.
    let _pass = shared.endpoints.room.clone().acquire_owned().await;
    let (visit, version, step) = (calling.visit, calling.version, calling.step);
    let still = shared.store.still_called(vec![(visit, version, step)]).await?;
    if !still.contains(&true) || !shared.moves_on(version, &shared.canvases().await?) {
        return Ok(None);
    }
    let called = shared.now();
    let answer = shared.options.webhooks.sender.send(&call).await;
    Ok(Some((calling, called, answer)))
}

fn erased() -> (Status, Reason) {
    (Status::Exited, Reason::new(reason::ERASED, "the profile was erased"))
}

/// The request for a person; `None` where the version is not known (any more).
fn prepared<S: Store>(shared: &Shared<S>, endpoint: &str, calling: Calling, events: &[Event]) -> Option<Prepared> {
    let route = shared.route(calling.version)?;
    let webhook = route.plan.webhook(calling.step)?;
    let Some(profile) = &calling.person else {
        let (status, why) = erased();
        return Some(Prepared::Decided(Box::new(calling), Verdict::Ends(status, why)));
    };
    Some(match webhook.body.render(&Person { profile, events }) {
        Ok(body) => {
            let key = idempotency_key(&route.canvas, calling.visit, calling.began);
            let call = WebhookCall { endpoint: endpoint.to_owned(), key, body: body.into() };
            Prepared::Call(Box::new(calling), call)
        }
        Err(why) => Prepared::Decided(Box::new(calling), Verdict::Ends(Status::Failed, why)),
    })
}
