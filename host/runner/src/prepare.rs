//! What a sealing sends: operations of a lane in, outcomes and parts out. Pure: a dry run makes the same bytes.
use crate::assembly::{Assembly, Seat, group_of, with_flags};
use crate::standing::{claim_of, nowhere};
use crate::steps::{StepFacts, Steps};
use caravan_identity::{ColumnBuilder, Person, recorded};
use caravan_journey::sealing::{
    Coalesced, Decision, Facts, MembershipState, Op, Removal, Role, Wish, coalesce, consent_verdict, decide,
    tracking_denied,
};
use caravan_model::status::reason;
use caravan_model::{Action, Digest, Duration, LaneId, Manifest, Millis, ProfileId, Reason, Status};
use caravan_store::{CanvasesSeen, Membership, MembershipChange, Origin, Outcome, Queued, Rider, Sealing, Standing};
use std::{collections::HashMap, sync::Arc};

/// What a sealing stands on, beside the operations.
#[derive(Clone, Debug)]
pub struct LaneFacts<'a> {
    /// The connector's manifest: groups, rows and bytes per part, renewal age.
    pub manifest: &'a Manifest,
    /// The steps that the operations come from.
    pub steps: &'a Steps,
    /// The connector's bytes.
    pub digest: Digest,
    /// The connection's settings as they are sent.
    pub settings: &'a str,
    /// Whether we made the audience: then someone without membership is out of it.
    pub made_by_us: bool,
    /// Sealing time.
    pub now: Millis,
    /// From this age on a visit's operation expires, also where nothing of it was ever sent (design, 11.9).
    pub lasts: Duration,
    /// The deadline of the first attempt, recorded along with the slice.
    pub first_attempt: Option<Millis>,
}

/// How many operations from the first on make up the next slice: those of one connection whose rows fit a part.
/// Counted from the profiles alone, so that it costs nothing; a person's rows may turn out fewer.
pub fn slice_length(queued: &[Queued], manifest: &Manifest) -> usize {
    let Some(first) = queued.first() else { return 0 };
    let mut rows = 0;
    for (at, op) in queued.iter().enumerate() {
        let many = op.person.as_ref().map_or(1, |person| person.emails.len().max(person.phones.len()).max(1));
        rows += many.min(caravan_identity::MAX_ROWS);
        // What consent owes is alone in its slice: nothing else waits for the partner's word on it.
        if op.connection != first.connection
            || op.origin.is_owed() != first.origin.is_owed()
            || (at > 0 && rows > manifest.batch.rows as usize)
        {
            return at;
        }
    }
    queued.len()
}

/// Decides on the operations at the head of a lane: per person the newest wins, membership and consent are asked, the
/// rest becomes parts, removals before adds (design, 11.4, 11.5). Takes all of `queued` (see [`slice_length`]).
pub fn prepare(lane: LaneId, queued: &[Queued], facts: &LaneFacts<'_>) -> Sealing {
    let mut bench = Bench::new(queued, facts);
    let ops = dense(queued);
    let held = |at: usize| {
        let known = queued[at].membership.as_deref();
        known.map_or_else(Vec::new, |known| known.claims.iter().map(|claim| (claim.of(), claim.until)).collect())
    };
    let Coalesced { roles, ended, cleared } = coalesce(&ops, facts.now, held, |at| bench.verdict(at));
    let mut fates: Vec<Option<Fate>> = Vec::new();
    fates.resize_with(queued.len(), || None);
    for (at, role) in roles.iter().enumerate() {
        if *role == Role::Winner {
            fates[at] = Some(bench.seat_winner(at));
        }
    }
    let mut outcomes = Vec::new();
    let mut membership = Vec::new();
    for at in cleared.into_iter().filter(|at| queued[*at].membership.is_some()) {
        membership.push(MembershipChange {
            profile: queued[at].profile,
            clear_claims: true,
            ended: facts.now,
            ..MembershipChange::default()
        });
    }
    for at in ended {
        membership.push(MembershipChange {
            profile: queued[at].profile,
            end_claim: Some(queued[at].step),
            ended: facts.now,
            ..MembershipChange::default()
        });
    }
    for (at, role) in roles.iter().enumerate() {
        let op = &queued[at];
        let decided = match role {
            Role::Winner => fates[at].as_ref(),
            Role::SameAs(winner) => fates[*winner].as_ref(),
            Role::Superseded | Role::Exited | Role::Refused(_) | Role::Kept => None,
        };
        let (status, why) = match decided {
            Some(Fate::Rides(seats)) => {
                for (assembly, seat) in seats {
                    if let Some(rider) = bench.assemblies[*assembly].rider(*seat) {
                        rider.operations.push((op.seq, op.visit, op.step.0, op.step.1, op.parks));
                    }
                }
                continue;
            }
            Some(Fate::Final(status, why)) => (*status, why.clone()),
            None => match role.status() {
                Some(decided) => decided,
                None => continue,
            },
        };
        if decided.is_some() {
            let unchanged = status == Status::Unchanged;
            let claim = claim_of(op.action, (op.visit, op.step.0, op.step.1), facts.steps, facts.now);
            // Who is not known here is noted too: a resend must see that something newer has ended.
            let unless_known = (op.action == Action::Remove).then(|| nowhere(facts.made_by_us));
            membership.push(MembershipChange {
                profile: op.profile,
                claim: claim.filter(|_| unchanged && op.membership.is_some()),
                clear_claims: unchanged && op.action == Action::Remove,
                unless_known,
                ended: facts.now,
                ..MembershipChange::default()
            });
        }
        let goes = match facts.steps.get(&op.step) {
            _ if op.exited => caravan_store::GoesTo::Stays,
            Some(step) => step.goes(op.parks, status),
            None => caravan_store::GoesTo::Stays,
        };
        let (seq, visit, step, profile) = (op.seq, op.visit, op.step, op.profile);
        outcomes.push(Outcome { seq, visit, step, profile, status, reason: why, goes });
    }
    let (removals, adds): (Vec<_>, Vec<_>) =
        bench.assemblies.into_iter().partition(|assembly| assembly.action == Action::Remove);
    Sealing {
        lane,
        upto: queued.last().map_or(0, |op| op.seq),
        outcomes,
        membership,
        parts: removals.into_iter().chain(adds).flat_map(Assembly::finish).collect(),
        connection: queued.first().map_or_else(|| Arc::from(""), |op| op.connection.clone()),
        digest: facts.digest,
        settings: facts.settings.to_owned(),
        now: facts.now,
        first_attempt: facts.first_attempt,
        exited: 0,
        seen: CanvasesSeen::default(),
        charges: Vec::new(),
    }
}

fn dense(queued: &[Queued]) -> Vec<Op> {
    let mut numbers: HashMap<ProfileId, u32> = HashMap::with_capacity(queued.len());
    queued
        .iter()
        .map(|op| {
            let next = numbers.len() as u32;
            let person = *numbers.entry(op.profile).or_insert(next);
            let wish = match op.origin {
                origin if origin.ends_claim() => Wish::EndClaim { timed: origin == Origin::KeepFor },
                origin if origin.is_forced() => Wish::Repeat,
                _ => Wish::Be(op.action),
            };
            // Places below 0 are those of what is owed, which never stands beside anything else.
            let seq = op.seq.wrapping_sub(i64::MIN) as u64;
            Op { person, wish, step: op.step, seq, exited: op.exited, owed: op.origin.is_owed() }
        })
        .collect()
}

/// What became of a winner; the operations that share with it have the same fate.
enum Fate {
    /// No call is needed.
    Final(Status, Reason),
    /// Its rows: in which assemblies, at which seats.
    Rides(Vec<(usize, Seat)>),
}

/// The bench on which a slice is put together.
struct Bench<'a> {
    queued: &'a [Queued],
    facts: &'a LaneFacts<'a>,
    /// Identifiers of people asked about so far, newest first, by key group of their step.
    scratches: Vec<Scratch<'a>>,
    /// Which scratches belong to a step.
    of_step: HashMap<*const StepFacts, Vec<usize>>,
    /// For each operation asked about: its scratch and place there, one per key group that identifies the person.
    found: HashMap<usize, Vec<(usize, usize)>>,
    assemblies: Vec<Assembly<'a>>,
}

/// The identifiers by one plan, and where they go.
struct Scratch<'a> {
    group: &'a str,
    builder: ColumnBuilder,
    /// By assembly: which of the builder's columns fills each of its own.
    columns: Vec<(usize, Vec<Option<usize>>)>,
}

impl<'a> Bench<'a> {
    fn new(queued: &'a [Queued], facts: &'a LaneFacts<'a>) -> Bench<'a> {
        Bench {
            queued,
            facts,
            scratches: Vec::new(),
            of_step: HashMap::new(),
            found: HashMap::with_capacity(queued.len()),
            assemblies: Vec::new(),
        }
    }

    /// Whether an operation can be done at all; keeps the identifiers that the answer took.
    fn verdict(&mut self, at: usize) -> Result<(), Reason> {
        let op = &self.queued[at];
        let facts = self.facts;
        // A removal of an unusable person must not make way for an older add: `decide` gives the reason.
        if op.action == Action::Remove {
            return Ok(());
        }
        let Some(step) = facts.steps.get(&op.step) else {
            return Err(Reason::new("unknown-step", "the canvas version that asked for this is not in the store"));
        };
        let Some(person) = &op.person else {
            return Err(Reason::new(reason::ERASED, "the profile was erased"));
        };
        consent_verdict(person, &step.purpose, step.demands.consent)?;
        self.identify(at, step)
    }

    /// Makes the identifiers of today's profile.
    fn identify(&mut self, at: usize, step: &'a StepFacts) -> Result<(), Reason> {
        let op = &self.queued[at];
        let Some(person) = &op.person else {
            return Err(Reason::new(reason::ERASED, "the profile was erased"));
        };
        let mut rows = Vec::with_capacity(step.groups.len());
        let mut why = None;
        let of_step = self.scratches_of(step);
        let withheld = tracking_denied(person, step.demands.tracking);
        for scratch in of_step {
            let builder = &mut self.scratches[scratch].builder;
            match builder.push(person, withheld) {
                Person::Rows(_) => rows.push((scratch, builder.columns().people() - 1)),
                Person::Skip(reason) => why = why.or(Some(reason)),
            }
        }
        if rows.is_empty() {
            return Err(why.unwrap_or_else(|| Reason::new(reason::NO_IDENTIFIER, "")));
        }
        self.found.insert(at, rows);
        Ok(())
    }

    fn scratches_of(&mut self, step: &'a StepFacts) -> Vec<usize> {
        if let Some(known) = self.of_step.get(&std::ptr::from_ref(step)) {
            return known.clone();
        }
        let mut own = Vec::with_capacity(step.groups.len());
        for group in &step.groups {
            own.push(self.scratches.len());
            let builder = ColumnBuilder::new(&group.plan, self.queued.len());
            self.scratches.push(Scratch { group: &group.group, builder, columns: Vec::new() });
        }
        self.of_step.insert(std::ptr::from_ref(step), own.clone());
        own
    }

    fn state(&self, membership: Option<&Membership>) -> MembershipState {
        match membership.map(|known| known.standing) {
            Some(Standing::In) => MembershipState::In,
            Some(Standing::Out) => MembershipState::Out,
            Some(Standing::Maybe) => MembershipState::Maybe,
            None if self.facts.made_by_us => MembershipState::Out,
            Some(Standing::Unknown) | None => MembershipState::Unknown,
        }
    }

    /// Decides on a winner and gives its rows their seats.
    fn seat_winner(&mut self, at: usize) -> Fate {
        let op = &self.queued[at];
        if op.origin.has_visit() && self.facts.now.since(op.offered) >= self.facts.lasts {
            let words = format!("it was not sent within {}", self.facts.lasts);
            return Fate::Final(Status::Expired, Reason::new(reason::RETRIES_EXHAUSTED, words));
        }
        let known = op.membership.as_deref();
        let state = self.state(known);
        let recorded = known.is_some_and(|known| !known.recorded.is_empty());
        let mut unusable = None;
        if !recorded && (op.origin.is_owed() || op.origin.ends_claim()) {
            // Nothing of ours stands there: who was found there before us is not ours to take back (design, 11.17).
            return Fate::Final(Status::Unchanged, Reason::none());
        }
        if op.action == Action::Remove && state != MembershipState::Out && !recorded {
            unusable = match self.facts.steps.get(&op.step) {
                Some(step) => self.identify(at, step).err(),
                None => Some(Reason::new("unknown-step", "")),
            };
        }
        let sets = self.sets_of(at);
        let print = match sets.as_slice() {
            [] => [0; 16],
            [one] => recorded::fingerprint(one),
            many => recorded::fingerprint(&many.concat()),
        };
        let print = match op.action {
            Action::Add => with_flags(print, self.facts.manifest, op.person.as_deref()),
            Action::Remove => print,
        };
        let decision = decide(
            op.action,
            &Facts {
                membership: state,
                recorded,
                same_identifiers: known.is_some_and(|known| recorded && known.fingerprint == print),
                age: known.map_or_else(Default::default, |known| self.facts.now.since(known.at)),
                renewal: match op.origin == Origin::Refill {
                    true => Some(Duration(0)),
                    false => self.facts.manifest.renewal_age(),
                },
                unusable,
            },
        );
        let (remove, add) = match decision {
            Decision::Unchanged => return Fate::Final(Status::Unchanged, Reason::none()),
            Decision::Skipped(why) => return Fate::Final(Status::Skipped, why),
            Decision::Send { remove, add } => (remove, add),
        };
        let mut seats = Vec::with_capacity(1);
        if add || remove == Removal::Recorded {
            // Of an add, only the sets that no longer are theirs; nothing of the person rides on their rows.
            let stale = known.filter(|known| known.standing != Standing::Out).map_or(&[][..], |known| &known.recorded);
            for set in stale.iter().filter(|set| !add || !sets.contains(set)) {
                let rider = rider(op.profile, recorded::fingerprint(set), set.clone());
                let assembly = self.assembly(Action::Remove, group_of(self.facts.manifest, set));
                let seat = self.assemblies[assembly].push_recorded(set, op.person.as_deref(), rider);
                seats.extend(seat.filter(|_| !add).map(|seat| (assembly, seat)));
            }
        }
        if add || remove == Removal::Today {
            let rows = self.found.remove(&at).unwrap_or_default();
            for ((scratch, place), set) in rows.into_iter().zip(sets) {
                let (assembly, columns) = self.columns_for(scratch, op.action);
                let from = self.scratches[scratch].builder.columns();
                let (rows, rider) = (from.rows_of(place), rider(op.profile, print, set));
                let columns = &self.scratches[scratch].columns[columns].1;
                let seat = self.assemblies[assembly].push_rows(from, columns, rows, op.person.as_deref(), rider);
                seats.push((assembly, seat));
            }
        }
        if seats.is_empty() {
            let words = "the identifiers that were sent cannot be read any more";
            return Fate::Final(Status::Skipped, Reason::new(reason::NO_IDENTIFIER, words));
        }
        Fate::Rides(seats)
    }

    /// The recorded form of the identifiers that were made for an operation, by key group.
    fn sets_of(&self, at: usize) -> Vec<Vec<u8>> {
        let rows = self.found.get(&at).map_or(&[][..], Vec::as_slice);
        let encode = |&(scratch, place): &(usize, usize)| {
            let set = self.scratches[scratch].builder.columns();
            recorded::encode(&set.columns, set.rows_of(place))
        };
        rows.iter().map(encode).collect()
    }

    fn assembly(&mut self, action: Action, group: &'a str) -> usize {
        let known = self.assemblies.iter().position(|known| known.action == action && known.group == group);
        known.unwrap_or_else(|| {
            self.assemblies.push(Assembly::new(self.facts.manifest, action, group, self.queued.len()));
            self.assemblies.len() - 1
        })
    }

    /// The assembly for a scratch's rows, and the place of the column map between them.
    fn columns_for(&mut self, scratch: usize, action: Action) -> (usize, usize) {
        let assembly = self.assembly(action, self.scratches[scratch].group);
        let known = self.scratches[scratch].columns.iter().position(|(of, _)| *of == assembly);
        let columns = known.unwrap_or_else(|| {
            let map = self.assemblies[assembly].columns_from(&self.scratches[scratch].builder.columns().keys);
            self.scratches[scratch].columns.push((assembly, map));
            self.scratches[scratch].columns.len() - 1
        });
        (assembly, columns)
    }
}

fn rider(profile: ProfileId, fingerprint: [u8; 16], recorded: Vec<u8>) -> Rider {
    Rider { profile, operations: Vec::with_capacity(1), fingerprint, recorded }
}
