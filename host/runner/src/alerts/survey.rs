//! From the store and from what was called out to an [`Observation`].
use super::atlas::Atlas;
use super::rates::Rates;
use super::stuck::Stuck;
use super::{
    AlertBook, AlertPolicy, EndpointSeen, LaneSeen, Observation, OwedSeen, Place, QueueState, Signals, TokenSeen,
    TrapSeen,
};
use caravan_model::{AlertKind, Duration, Millis};
use caravan_store::{Lane, LaneKey, RefusedRemovals, Space, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How often counters are read.
const COUNTING: Duration = Duration::SECOND.times(5);

/// Surveys the store, and remembers what a single look cannot show.
#[derive(Debug)]
pub(super) struct Survey {
    atlas: Atlas,
    rates: Rates,
    stuck: Stuck,
    /// Each as it was called out; several of one connector count together.
    traps: Vec<TrapSeen>,
    tokens: BTreeMap<String, TokenSeen>,
    refused: Vec<RefusedRemovals>,
    counted: Option<Millis>,
    space: Option<Space>,
}

impl Survey {
    /// A survey that begins. What is open in the book and that no store shows, traps and tokens, is taken from there.
    pub(super) fn new(book: &AlertBook, policy: &AlertPolicy) -> Survey {
        let (mut traps, mut tokens) = (Vec::new(), BTreeMap::new());
        for alert in book.open() {
            let facts = &alert.facts;
            let Some(connection) = facts.connection.clone() else { continue };
            let places = facts.places.clone();
            match alert.key.kind {
                AlertKind::ConnectorTrapped => {
                    let connector = facts.name.clone();
                    traps.push(TrapSeen { connector, connection, places, times: facts.count, last: facts.at });
                }
                AlertKind::TokenEnds => {
                    tokens.insert(connection.clone(), TokenSeen { connection, places, ends: facts.at });
                }
                _ => {}
            }
        }
        let (atlas, stuck) = (Atlas::default(), Stuck::default());
        Survey {
            atlas,
            rates: Rates::new(policy),
            stuck,
            traps,
            tokens,
            refused: Vec::new(),
            counted: None,
            space: None,
        }
    }

    /// How everything stands. `anew` reads also what is usually read less often.
    pub(super) async fn observe<S: Store>(
        &mut self,
        store: &S,
        lanes: &[Lane],
        signals: &Signals,
        now: Millis,
        policy: &AlertPolicy,
        anew: bool,
    ) -> crate::Result<Observation> {
        self.atlas.refresh(store, lanes.len(), now).await?;
        self.stuck.look(store, lanes, now, policy).await?;
        if anew || self.counted.is_none_or(|counted| counted > now || now.since(counted) >= COUNTING) {
            self.counted = Some(now);
            self.rates.read(store, &self.atlas, now, policy).await?;
            self.refused = store.refused_removals().await?;
            self.space = Some(store.space().await?);
        }
        self.hear(lanes, signals, now, policy);
        let queues = self.queues(lanes);
        Ok(Observation {
            owed_refused: self.owed(lanes, &queues),
            lanes: queues.into_values().collect(),
            steps: self.rates.steps(),
            // Where this process is too young, history stands in for it.
            counting_since: now.before(policy.window),
            traps: self.trapped(),
            tokens: self.tokens.values().cloned().collect(),
            endpoints: self.resting(signals),
            space: self.space,
        })
    }

    /// Takes in what was called out.
    fn hear(&mut self, lanes: &[Lane], signals: &Signals, now: Millis, policy: &AlertPolicy) {
        self.traps.retain(|trap| now.since(trap.last) < policy.trap_memory);
        for ((connection, lane), times) in signals.take_traps() {
            let key = lanes.iter().find(|known| known.id == lane).map(|lane| &lane.key);
            let connector = key.map_or_else(|| connection.clone(), |key| key.connector.clone());
            let places = key.map(|key| self.atlas.places(key)).unwrap_or_default();
            self.traps.push(TrapSeen { connector, connection, places, times, last: now });
        }
        for (connection, ends) in signals.tokens() {
            match ends {
                Some(ends) => {
                    let places = self.atlas.places_of(&connection);
                    self.tokens.insert(connection.clone(), TokenSeen { connection, places, ends });
                }
                None => {
                    self.tokens.remove(&connection);
                }
            }
        }
    }

    fn resting(&self, signals: &Signals) -> Vec<EndpointSeen> {
        let seen = |(endpoint, (since, rests)): (String, (Millis, u64))| {
            let places = self.atlas.places_of_endpoint(&endpoint);
            EndpointSeen { endpoint, places, since, rests }
        };
        signals.endpoints().into_iter().map(seen).collect()
    }

    /// One line per connector and connection.
    fn trapped(&self) -> Vec<TrapSeen> {
        let mut all: BTreeMap<(&str, &str), TrapSeen> = BTreeMap::new();
        for trap in &self.traps {
            let Some(known) = all.get_mut(&(trap.connector.as_str(), trap.connection.as_str())) else {
                all.insert((&trap.connector, &trap.connection), trap.clone());
                continue;
            };
            (known.times, known.last) = (known.times.saturating_add(trap.times), known.last.max(trap.last));
            known.places = union(&known.places, &trap.places);
        }
        all.into_values().collect()
    }

    /// Each audience's queue, whatever its stripes.
    fn queues<'a>(&self, lanes: &'a [Lane]) -> BTreeMap<&'a LaneKey, LaneSeen> {
        let mut queues: BTreeMap<&LaneKey, LaneSeen> = BTreeMap::new();
        for lane in lanes {
            let mut seen = LaneSeen::of(lane, self.atlas.name(&lane.key), Vec::new());
            seen.oldest = [seen.oldest, self.stuck.since(lane.id)].into_iter().flatten().min();
            match queues.get_mut(&lane.key) {
                Some(known) => merge(known, seen),
                None => {
                    seen.places = self.atlas.places(&lane.key);
                    queues.insert(&lane.key, seen);
                }
            }
        }
        queues
    }

    /// Owed removals that wait behind a refusal, and those that were refused one by one.
    fn owed(&self, lanes: &[Lane], queues: &BTreeMap<&LaneKey, LaneSeen>) -> Vec<OwedSeen> {
        let of: HashMap<_, _> = lanes.iter().map(|lane| (lane.id, &lane.key)).collect();
        let mut waiting: BTreeMap<&LaneKey, u64> = BTreeMap::new();
        for lane in lanes.iter().filter(|lane| lane.owed > 0) {
            *waiting.entry(&lane.key).or_default() += lane.owed;
        }
        let seen = |queue: &LaneSeen, code: &str, count: u64, since: Millis| OwedSeen {
            lane: queue.lane,
            queue: queue.queue.clone(),
            connection: queue.connection.clone(),
            places: queue.places.clone(),
            code: code.to_owned(),
            count,
            since,
        };
        let behind = waiting.into_iter().filter_map(|(key, count)| {
            let queue = queues.get(key)?;
            match &queue.state {
                QueueState::Held { code, since, by_person: false } if is_refusal(code) => {
                    Some(seen(queue, code, count, *since))
                }
                QueueState::Held { .. } | QueueState::Flowing => None,
            }
        });
        let mut singly: BTreeMap<(&LaneKey, &str), (u64, Millis)> = BTreeMap::new();
        for refused in &self.refused {
            let Some(key) = of.get(&refused.lane) else { continue };
            let sum = singly.entry((key, &refused.reason.code)).or_insert((0, refused.since));
            *sum = (sum.0.saturating_add(refused.count), sum.1.min(refused.since));
        }
        let singly = singly
            .into_iter()
            .filter_map(|((key, code), (count, since))| queues.get(key).map(|queue| seen(queue, code, count, since)));
        behind.chain(singly).collect()
    }
}

/// Whether a hold means that the partner refuses what is asked; dead credentials, for one, do not.
fn is_refusal(code: &str) -> bool {
    code.starts_with("held-audience-") || matches!(code, "held-forbidden" | "held-terms")
}

fn union(one: &[Place], other: &[Place]) -> Vec<Place> {
    one.iter().chain(other).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Another stripe of the same audience.
fn merge(queue: &mut LaneSeen, stripe: LaneSeen) {
    let graver = match (&queue.state, &stripe.state) {
        (_, QueueState::Flowing) => false,
        (QueueState::Flowing, QueueState::Held { .. }) => true,
        // What the partner holds counts before what a person holds, then what has been held for longest.
        (QueueState::Held { since, by_person, .. }, QueueState::Held { since: at, by_person: person, .. }) => {
            (person, at) < (by_person, since)
        }
    };
    if graver {
        queue.state = stripe.state;
    }
    queue.lane = queue.lane.min(stripe.lane);
    queue.waiting = queue.waiting.saturating_add(stripe.waiting);
    queue.oldest = [queue.oldest, stripe.oldest].into_iter().flatten().min();
}
