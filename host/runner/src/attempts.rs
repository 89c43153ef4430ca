//! Attempts: the parts of one open slice are called one after the other until they have ended or the lane has to wait.
use crate::delivery::{Worked, span};
use crate::doors;
use crate::holds::next_probe;
use crate::making::Making;
use crate::pacing::Pass;
use crate::settlement::{Attempted, Books, Circumstances, Next, remaining, settle};
use crate::shared::{LaneMemory, Plug, Shared};
use crate::steps::Steps;
use crate::strikes::{removal_and_rest, strikes_of};
use caravan_journey::retry::History;
use caravan_model::port::{Answer, Ask, CallContext, CallOutcome};
use caravan_model::{Action, Cause, Effect, Fault, Part, Report, Target};
use caravan_store::{Lane, LaneState, Settlement, Slice, Store};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// How much longer than its deadline a call may take before it is given up.
const GRACE: Duration = Duration::from_secs(5);

/// The parts of one open slice, worked off.
pub(crate) struct Delivery<'a, S> {
    pub shared: &'a Arc<Shared<S>>,
    pub lane: &'a Lane,
    /// Where its calls go.
    pub target: Target,
    /// What the audience is made of, while it is still to be made.
    pub making: Option<Making>,
    pub plug: &'a Plug,
    pub steps: &'a Steps,
    pub memory: &'a mut LaneMemory,
    pub slice: Slice,
    /// Removals that consent or erasure owe: they never expire.
    pub owed: bool,
    /// The first part's first attempt was recorded along with the slice.
    pub fresh: bool,
    /// Leave to make the next attempt.
    pub pass: Option<Pass<'a>>,
    pub worked: Worked,
}

impl<S: Store> Delivery<'_, S> {
    /// Works the parts off; gives what was done.
    pub(crate) async fn all_parts(mut self) -> crate::Result<Worked> {
        self.worked.open = true;
        self.in_order();
        while !self.slice.parts.is_empty() {
            if !self.fresh && (self.shared.is_stopping() || self.is_unentitled().await?) {
                return Ok(self.worked);
            }
            let Some(part) = self.slice.parts.first() else { break };
            let number = if std::mem::take(&mut self.fresh) {
                part.attempts.max(1)
            } else {
                let (id, rows) = (part.id, u64::from(part.part.rows));
                let mut pass = match self.pass.take() {
                    Some(pass) => pass,
                    None => match self.shared.pass(self.lane, self.plug, &self.slice.connection, rows).await {
                        Ok(pass) => pass,
                        Err(paced) => {
                            self.shared.tell_paced(self.lane, paced).await?;
                            self.worked.paced = Some(paced);
                            return Ok(self.worked);
                        }
                    },
                };
                let now = self.shared.now();
                let deadline = now.after(span(self.shared.options.call_deadline));
                let number = self.shared.store.attempt(self.shared.lease, id, deadline, pass.charges(), now).await?;
                // Who is struck costs no call: the pass is the next attempt's.
                self.pass = Some(pass);
                if self.strike(number).await? {
                    continue;
                }
                number
            };
            if self.one_attempt(number).await? == Next::Blocked {
                return Ok(self.worked);
            }
        }
        self.worked.open = false;
        self.memory.ledger = None;
        Ok(self.worked)
    }

    /// Holds the lane where its partner lost its slot meanwhile: what is still to be sent waits.
    async fn is_unentitled(&mut self) -> crate::Result<bool> {
        self.shared.holds_unentitled(&self.lane.key.connector, self.lane, self.memory).await
    }

    /// Removals before adds, also among parts that were made from others; and the books count anew.
    fn in_order(&mut self) {
        self.slice.parts.sort_by_key(|part| part.part.action == Action::Add);
        let ledger = self.memory.ledger.get_or_insert_default();
        ledger.count(&self.slice.parts);
    }

    async fn one_attempt(&mut self, number: u32) -> crate::Result<Next> {
        let part = self.slice.parts[0].clone();
        let (places, sent) = remaining(&part);
        let family = self.memory.families.of(part.id, part.part.people() as u32, part.poison);
        let family = *family;
        // An error's level, so that it stands beside every warning of the call.
        let span = tracing::error_span!(
            "partner.call",
            connection = &*self.slice.connection,
            connector = self.lane.key.connector,
            digest = %self.slice.digest.short(),
            part = part.id.0,
            attempt = number,
            rows = sent.rows,
        );
        let outcome = self.call(sent.clone()).instrument(span).await?;
        self.worked.calls += 1;
        self.shared.options.alerts.signals.called(&self.slice.connection, self.lane.id, &outcome);
        let now = self.shared.now();
        if let Some(pass) = self.pass.take() {
            pass.ended(now, &outcome, u64::from(sent.rows));
        }
        let history = History {
            attempt: number,
            rows: sent.rows,
            people: places.len() as u32,
            people_at_first: family.people,
            halved_calls: family.halved_calls,
            poison_found: family.poison.max(part.poison),
            refreshed: self.memory.refreshed,
            flowing: now.since(part.flowing_since),
            age: now.since(self.slice.at),
            owed: self.owed,
        };
        let options = &self.shared.options;
        let ledger = self.memory.ledger.get_or_insert_default();
        let (settlement, next) = settle(
            Attempted { part: &part, sent: &sent, places: &places, number, outcome },
            Circumstances {
                steps: self.steps,
                ledger,
                history,
                made_by_us: self.lane.made_by_us,
                policy: &options.retry,
                draw: self.shared.chance.draw(),
                now,
                probe: (next_probe(options, self.memory.probes, now), self.memory.probes),
            },
        );
        let poison = settlement.poison.saturating_sub(part.poison);
        let family = self.memory.families.of(part.id, part.part.people() as u32, part.poison);
        family.poison += poison;
        // Two more calls than without the search. What a busy partner, a short answer or a call that was too large make
        // of the halves is not the search's.
        family.halved_calls += 2 * u32::from(next == Next::Halved);
        self.memory.refreshed = next == Next::Refreshed;
        if settlement.ends && settlement.replaced_by.is_empty() {
            self.memory.probes = 0;
        }
        self.record(settlement).await?;
        Ok(next)
    }

    /// Makes a settlement durable and follows it in memory.
    async fn record(&mut self, settlement: Settlement) -> crate::Result<()> {
        let part = settlement.part;
        let (ends, replaced) = (settlement.ends, !settlement.replaced_by.is_empty());
        let struck = settlement.struck.clone();
        let (effect, attempt) = (settlement.effect, settlement.attempt);
        self.worked.settled += settlement.outcomes.len() as u64;
        self.shared.store.settle(self.shared.lease, settlement).await?;
        if replaced {
            let known: HashSet<_> = self.slice.parts.iter().map(|part| part.id).collect();
            self.slice.parts = match self.shared.store.open_slice(self.lane.id).await? {
                Some(slice) => slice.parts,
                None => Vec::new(),
            };
            let children = self.slice.parts.iter().map(|part| part.id).filter(|id| !known.contains(id));
            self.memory.families.adopt(part, children);
            self.in_order();
        } else if ends {
            self.slice.parts.retain(|open| open.id != part);
        } else if let Some(open) = self.slice.parts.iter_mut().find(|open| open.id == part) {
            open.struck.extend(struck);
            open.struck.sort_unstable();
            open.attempts = attempt;
            open.open_until = None;
            open.may_have_landed |= effect == Effect::MayHaveLanded;
        }
        Ok(())
    }

    async fn call(&mut self, sent: Arc<Part>) -> crate::Result<CallOutcome> {
        let longest = self.shared.options.call_deadline + GRACE;
        let context = self.context(&sent);
        let call = async {
            match self.making.clone() {
                Some(making) => self.first_call(context, making, sent).await,
                None => Ok(self.sync(context, sent).await),
            }
        };
        tokio::time::timeout(longest, call).await.unwrap_or_else(|_| {
            Ok(CallOutcome {
                answer: Ok(Answer::Report(Report::fault(Fault::Unavailable {
                    after_ms: None,
                    cause: Cause::new("deadline", "the call did not end by its deadline"),
                }))),
                effect: Effect::MayHaveLanded,
                requests: Vec::new(),
                usage: Vec::new(),
                log: Vec::new(),
            })
        })
    }

    fn context(&self, sent: &Part) -> CallContext {
        let deadline = self.shared.options.call_deadline;
        CallContext { at: self.slice.at, seed: sent.id.clone(), deadline, record_bodies: false }
    }

    pub(crate) async fn sync(&self, context: CallContext, sent: Arc<Part>) -> CallOutcome {
        self.plug.connector.call(context, Ask::Sync { target: self.target.clone(), part: sent }).await
    }

    /// Takes people out of the first part before it is sent again: consent withdrawn or erased always, exited only
    /// where nothing may have landed (design, 11.6). The recorded attempt ends with that, without a call. Gives whether
    /// it did.
    async fn strike(&mut self, number: u32) -> crate::Result<bool> {
        let part = self.slice.parts[0].clone();
        let mut changed = self.shared.store.recheck(part.id).await?;
        doors::withdraw(self.shared, &self.shared.canvases().await?, &mut changed);
        let landed = if part.may_have_landed { Effect::MayHaveLanded } else { Effect::None };
        let (places, sent) = remaining(&part);
        let strikes = strikes_of(&part, &places, &changed, self.steps, landed);
        if strikes.is_empty() {
            return Ok(false);
        }
        let now = self.shared.now();
        let ledger = self.memory.ledger.get_or_insert_default();
        let mut books = Books::new(self.steps, ledger, self.lane.made_by_us, now);
        let (mut struck, mut follow) = (vec![false; places.len()], vec![false; places.len()]);
        for (at, strike) in &strikes {
            let Some(rider) = part.riders.get(places[*at] as usize) else { continue };
            books.not_taken(rider, strike.status, &strike.reason, part.may_have_landed);
            struck[*at] = true;
            follow[*at] = strike.removal_follows;
        }
        let Books { outcomes, membership, ledger, .. } = books;
        let everyone = struck.iter().all(|struck| *struck);
        let removes = follow.contains(&true);
        let mut replaced_by = Vec::new();
        if removes {
            replaced_by = removal_and_rest(&part, &places, &sent, &struck, &follow);
            ledger.release(&mut replaced_by);
        }
        let settlement = Settlement {
            part: part.id,
            attempt: number,
            effect: Effect::None,
            outcomes,
            membership,
            struck: strikes.iter().map(|(at, _)| places[*at]).collect(),
            ends: everyone || removes,
            replaced_by,
            poison: part.poison,
            doubtful: 0,
            pending: None,
            lane: LaneState::Open,
            note: format!("no call: {} people were taken out first", strikes.len()),
            exchange: String::new(),
            now,
        };
        self.record(settlement).await?;
        Ok(true)
    }
}
