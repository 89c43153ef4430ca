//! Which operation of a person wins among those that one sealing takes (design, 11.4, 11.17).
use caravan_model::status::reason;
use caravan_model::{Action, Millis, Reason, Status, StepIx, VersionId};

/// An operation of one stripe, as sealing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// The person: a dense number within this sealing, from 0.
    pub person: u32,
    /// What it asks for.
    pub wish: Wish,
    /// The step whose claim it makes, ends or repeats.
    pub step: (VersionId, StepIx),
    /// Its place in the lane: the newest has the greatest.
    pub seq: u64,
    /// Its entry has ended meanwhile: the operation is withdrawn.
    pub exited: bool,
    /// A removal that consent or erasure owes: no exit withdraws it, and it never expires.
    pub owed: bool,
}

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The person is to be in (and its step claims them), or out (and all claims end).
    Be(Action),
    /// Its step's claim ends; the person is out with the last one.
    EndClaim {
        /// Only where the claim's time is over, and it was not asked for anew (`keep_for`).
        timed: bool,
    },
    /// Whoever is still claimed is sent again, although nothing has changed (renewal, refill).
    Repeat,
}

impl Wish {
    /// What the partner is asked, if it comes to that.
    pub fn action(self) -> Action {
        match self {
            Wish::Be(action) => action,
            Wish::EndClaim { .. } => Action::Remove,
            Wish::Repeat => Action::Add,
        }
    }
}

/// A claim that membership holds: whose, and when it ends by itself.
pub type Standing = ((VersionId, StepIx), Option<Millis>);

/// What became of an operation among the person's others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The newest that can be done: it is decided on with [`super::decide`].
    Winner,
    /// An earlier one of the same action: shares the status of the operation at this place.
    SameAs(usize),
    /// An earlier one of the opposite action: `skipped: superseded`.
    Superseded,
    /// Withdrawn, because its entry has ended: `exited`.
    Exited,
    /// Cannot be done for this reason: `skipped`. It does not stand in the way of an older one, so that a removal is
    /// not lost to an add that consent forbids.
    Refused(Reason),
    /// Nothing is asked of the partner: another claim keeps the person, or there is none to end or to repeat.
    Kept,
}

impl Role {
    /// The final status of an operation that is neither the winner nor shares the winner's.
    pub fn status(&self) -> Option<(Status, Reason)> {
        match self {
            Role::Winner | Role::SameAs(_) => None,
            Role::Superseded => Some((
                Status::Skipped,
                Reason::new(reason::SUPERSEDED, "a newer operation of the same person took its place before sending"),
            )),
            Role::Exited => Some((Status::Exited, Reason::new(reason::EXITED, "the entry ended before this was sent"))),
            Role::Refused(why) => Some((Status::Skipped, why.clone())),
            Role::Kept => Some((Status::Unchanged, Reason::none())),
        }
    }
}

/// The roles of a sealing's operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coalesced {
    /// One for each operation.
    pub roles: Vec<Role>,
    /// Operations that ended a claim which membership holds, whatever else became of them.
    pub ended: Vec<usize>,
    /// Removals that were superseded: nothing is sent for them, but they ended all claims from before.
    pub cleared: Vec<usize>,
}

/// Coalesces the operations of a stripe: per person the newest that can be done wins; earlier ones of the same action
/// share its status, opposite ones are superseded (11.4). Newest means the greatest `seq`, wherever it stands.
///
/// Claims count along in the order of the operations (11.17): `claims` says which ones membership holds of the person of
/// an operation. It is asked only of people of whom a claim ends or is repeated.
///
/// `verdict` says whether the operation at this place can be done at all: consent for adds
/// ([`super::consent_verdict`]), erased people, identifiers. It is asked newest first until a person has a winner: about
/// once per person; of people whose claims count, once for each add.
pub fn coalesce(
    ops: &[Op],
    now: Millis,
    claims: impl Fn(usize) -> Vec<Standing>,
    mut verdict: impl FnMut(usize) -> Result<(), Reason>,
) -> Coalesced {
    let people = ops.iter().map(|op| op.person as usize + 1).max().unwrap_or(0);
    let mut newest_first: Vec<usize> = (0..ops.len()).collect();
    if !ops.is_sorted_by_key(|op| op.seq) {
        newest_first.sort_by_key(|&at| (ops[at].seq, at));
    }
    let mut done = Coalesced { roles: vec![Role::Superseded; ops.len()], ..Coalesced::default() };
    let mut counted = vec![false; people];
    for op in ops.iter().filter(|op| !matches!(op.wish, Wish::Be(_))) {
        counted[op.person as usize] = true;
    }
    let mut winners: Vec<Option<usize>> = vec![None; people];
    for &at in newest_first.iter().rev().filter(|at| !counted[ops[**at].person as usize]) {
        let op = ops[at];
        done.roles[at] = match winners[op.person as usize] {
            _ if op.exited && !op.owed => Role::Exited,
            Some(winner) if ops[winner].wish == op.wish => Role::SameAs(winner),
            Some(_) => Role::Superseded,
            None => match verdict(at) {
                Err(why) => Role::Refused(why),
                Ok(()) => {
                    winners[op.person as usize] = Some(at);
                    Role::Winner
                }
            },
        };
    }
    let mut of_person: Vec<Vec<usize>> = vec![Vec::new(); people];
    for at in newest_first {
        if counted[ops[at].person as usize] {
            of_person[ops[at].person as usize].push(at);
        }
    }
    for own in of_person.iter().filter(|own| !own.is_empty()) {
        Counting { ops, now, held: claims(own[0]), fresh: Vec::new() }.run(own, &mut verdict, &mut done);
    }
    let removes = |at: &usize| ops[*at].wish == Wish::Be(Action::Remove) && done.roles[*at] == Role::Superseded;
    done.cleared = (0..ops.len()).filter(removes).collect();
    done
}

/// One person's claims while their operations are gone through, oldest first.
struct Counting<'a> {
    ops: &'a [Op],
    now: Millis,
    /// What membership holds, as far as it has not ended.
    held: Vec<Standing>,
    /// What adds of this sealing would claim: the add, and its step.
    fresh: Vec<(usize, (VersionId, StepIx))>,
}

impl Counting<'_> {
    fn run(&mut self, own: &[usize], verdict: &mut impl FnMut(usize) -> Result<(), Reason>, done: &mut Coalesced) {
        let mut wanted: Option<usize> = None;
        let mut repeated: Option<usize> = None;
        // Those of which the partner is asked something, if they win.
        let mut asking = Vec::with_capacity(own.len());
        for &at in own {
            let op = self.ops[at];
            if op.exited && !op.owed {
                done.roles[at] = Role::Exited;
                continue;
            }
            match op.wish {
                Wish::Be(Action::Remove) => {
                    self.held.clear();
                    self.fresh.clear();
                    (wanted, repeated) = (Some(at), None);
                }
                Wish::Be(Action::Add) => {
                    if let Err(why) = verdict(at) {
                        done.roles[at] = Role::Refused(why);
                        continue;
                    }
                    self.fresh.push((at, op.step));
                    wanted = Some(at);
                }
                Wish::EndClaim { timed } => {
                    if !self.end(op.step, timed, at, done) {
                        done.roles[at] = Role::Kept;
                        continue;
                    }
                    if !self.held.is_empty() || !self.fresh.is_empty() {
                        done.roles[at] = Role::Kept;
                        // The add that this ended makes way for an older one, or for none.
                        wanted = match wanted {
                            Some(before) if self.ops[before].wish.action() == Action::Add => {
                                self.fresh.last().map(|(add, _)| *add).or(repeated)
                            }
                            other => other,
                        };
                        continue;
                    }
                    wanted = Some(at);
                }
                Wish::Repeat => {
                    if self.held.is_empty() && self.fresh.is_empty() {
                        done.roles[at] = Role::Kept;
                        continue;
                    }
                    if let Err(why) = verdict(at) {
                        done.roles[at] = Role::Refused(why);
                        continue;
                    }
                    (wanted, repeated) = (Some(at), Some(at));
                }
            }
            asking.push(at);
        }
        let Some(winner) = wanted else { return };
        for at in asking {
            let same = self.ops[at].wish.action() == self.ops[winner].wish.action();
            let dropped = self.ops[at].wish == Wish::Be(Action::Add) && self.fresh.iter().all(|(add, _)| *add != at);
            done.roles[at] = match at {
                at if at == winner => Role::Winner,
                _ if same && !dropped => Role::SameAs(winner),
                _ => Role::Superseded,
            };
        }
    }

    /// Ends a step's claim; false where there is none to end.
    fn end(&mut self, step: (VersionId, StepIx), timed: bool, at: usize, done: &mut Coalesced) -> bool {
        let before = self.fresh.len();
        if timed && self.fresh.iter().any(|(_, of)| *of == step) {
            return false;
        }
        self.fresh.retain(|(_, of)| *of != step);
        let is_over = |until: Option<Millis>| !timed || until.is_some_and(|until| until <= self.now);
        let known = self.held.iter().position(|(of, until)| *of == step && is_over(*until));
        if let Some(known) = known {
            self.held.swap_remove(known);
            done.ended.push(at);
        }
        known.is_some() || self.fresh.len() < before
    }
}
