//! Sealing where claims end or are repeated: rule 11.17, and an oracle that counts claims one operation at a time.
use caravan_journey::sealing::{Coalesced, Op, Role, Standing, Wish, coalesce};
use caravan_model::{Action, Millis, Reason, StepIx, VersionId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Millis = Millis(1_000);

fn step(n: u16) -> (VersionId, StepIx) {
    (VersionId(1), StepIx(n))
}

fn op(wish: Wish, of: u16, seq: u64) -> Op {
    Op { person: 0, wish, step: step(of), seq, exited: false, owed: false }
}

fn add(of: u16, seq: u64) -> Op {
    op(Wish::Be(Action::Add), of, seq)
}

fn end(of: u16, seq: u64) -> Op {
    op(Wish::EndClaim { timed: false }, of, seq)
}

fn timer(of: u16, seq: u64) -> Op {
    op(Wish::EndClaim { timed: true }, of, seq)
}

fn kept() -> Coalesced {
    Coalesced { roles: vec![Role::Kept], ..Coalesced::default() }
}

fn of_one(ops: &[Op], held: &[Standing]) -> Coalesced {
    coalesce(ops, NOW, |_| held.to_vec(), |_| Ok(()))
}

#[test]
fn rule_11_17_the_person_is_removed_with_the_last_claim() {
    let held = [(step(1), None), (step(2), None)];
    assert_eq!(of_one(&[end(1, 5)], &held), Coalesced { roles: vec![Role::Kept], ended: vec![0], cleared: vec![] });
    let both = of_one(&[end(1, 5), end(2, 6)], &held);
    assert_eq!(both, Coalesced { roles: vec![Role::Kept, Role::Winner], ended: vec![0, 1], cleared: vec![] });
    assert_eq!(of_one(&[end(9, 5)], &held), kept());
}

#[test]
fn rule_11_17_an_add_that_waits_is_taken_back_with_its_claim() {
    let roles = of_one(&[add(1, 1), end(1, 2)], &[]).roles;
    assert_eq!(roles, [Role::Superseded, Role::Winner], "a removal, which nothing makes unchanged");
    // Someone else's claim keeps the person; the add is not sent on behalf of the step that was taken back.
    let kept = of_one(&[add(1, 1), end(1, 2)], &[(step(2), None)]);
    assert_eq!(kept, Coalesced { roles: vec![Role::Superseded, Role::Kept], ended: vec![], cleared: vec![] });
    let older = of_one(&[add(2, 1), add(1, 2), end(1, 3)], &[]).roles;
    assert_eq!(older, [Role::Winner, Role::Superseded, Role::Kept]);
}

#[test]
fn rule_11_17_keep_for_ends_only_what_is_over_and_was_not_asked_for_anew() {
    let over = [(step(1), Some(NOW))];
    assert_eq!(of_one(&[timer(1, 5)], &over).roles, [Role::Winner]);
    let later = [(step(1), Some(Millis(NOW.0 + 1)))];
    assert_eq!(of_one(&[timer(1, 5)], &later), kept());
    assert_eq!(of_one(&[timer(1, 5)], &[(step(1), None)]).roles, [Role::Kept], "a claim without an end has none");
    assert_eq!(of_one(&[add(1, 4), timer(1, 5)], &over).roles, [Role::Winner, Role::Kept], "it was asked for anew");
    let other = [(step(1), Some(NOW)), (step(2), None)];
    assert_eq!(of_one(&[timer(1, 5)], &other), Coalesced { roles: vec![Role::Kept], ended: vec![0], cleared: vec![] });
}

#[test]
fn rule_11_17_a_superseded_end_still_ends_its_claim() {
    let coalesced = of_one(&[end(1, 5), add(2, 6)], &[(step(1), None)]);
    assert_eq!(coalesced, Coalesced { roles: vec![Role::Superseded, Role::Winner], ended: vec![0], cleared: vec![] });
}

#[test]
fn rule_11_17_a_superseded_removal_still_ends_all_claims() {
    let coalesced = of_one(&[op(Wish::Be(Action::Remove), 1, 5), add(2, 6)], &[]);
    assert_eq!(coalesced, Coalesced { roles: vec![Role::Superseded, Role::Winner], ended: vec![], cleared: vec![0] });
}

#[test]
fn a_repeat_is_sent_for_whoever_is_still_claimed() {
    let again = |seq| op(Wish::Repeat, 1, seq);
    assert_eq!(of_one(&[again(5)], &[(step(1), None)]).roles, [Role::Winner]);
    assert_eq!(of_one(&[again(5)], &[]).roles, [Role::Kept], "nobody asks for them any more");
    assert_eq!(
        of_one(&[op(Wish::Be(Action::Remove), 2, 4), again(5)], &[(step(1), None)]).roles,
        [Role::Winner, Role::Kept]
    );
    assert_eq!(of_one(&[end(1, 4), again(5)], &[(step(1), None)]).roles, [Role::Winner, Role::Kept]);
    // A claim that goes leaves the repeat of another standing.
    let held = [(step(2), None)];
    assert_eq!(of_one(&[again(4), add(1, 5), end(1, 6)], &held).roles, [Role::Winner, Role::Superseded, Role::Kept]);
    let forbidden = |_| Err(Reason::new("consent-denied", ""));
    let refused = coalesce(&[again(5)], NOW, |_| vec![(step(1), None)], forbidden);
    assert_eq!(refused.roles, [Role::Refused(Reason::new("consent-denied", ""))]);
}

/// What one operation at a time makes of a person: claims with their ends, and whether they are in.
#[derive(Clone, Debug, Default)]
struct Naive {
    claims: BTreeMap<(VersionId, StepIx), Option<Millis>>,
    is_in: bool,
}

impl Naive {
    fn apply(&mut self, op: &Op) {
        match op.wish {
            Wish::Be(Action::Add) => {
                self.claims.insert(op.step, None);
                self.is_in = true;
            }
            Wish::Be(Action::Remove) => *self = Naive::default(),
            Wish::EndClaim { timed } => {
                let ends =
                    self.claims.get(&op.step).is_some_and(|until| !timed || until.is_some_and(|until| until <= NOW));
                if ends {
                    self.claims.remove(&op.step);
                    self.is_in &= !self.claims.is_empty();
                }
            }
            Wish::Repeat => {}
        }
    }
}

/// Kind, step, allowed?, exited?
type RawOp = (u8, u16, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn counted_claims_end_where_one_by_one_ends(
        raw in proptest::collection::vec((0u8..5, 0u16..3, proptest::bool::weighted(0.8), proptest::bool::weighted(0.15)), 1..12),
        held in proptest::collection::btree_map(0u16..3, proptest::option::of(900i64..1_100), 0..3),
    ) {
        let raw: Vec<RawOp> = raw;
        let held: Vec<Standing> = held.into_iter().map(|(of, until)| (step(of), until.map(Millis))).collect();
        let ops: Vec<Op> = raw.iter().zip(0u64..).map(|(&(kind, of, _, exited), seq)| {
            let wish = match kind {
                0 => Wish::Be(Action::Add),
                1 => Wish::Be(Action::Remove),
                2 => Wish::EndClaim { timed: false },
                3 => Wish::EndClaim { timed: true },
                _ => Wish::Repeat,
            };
            let has_visit = matches!(wish, Wish::Be(_));
            Op { exited: exited && has_visit, ..op(wish, of, seq) }
        }).collect();
        let can_be_done = |at: usize| ops[at].wish.action() == Action::Remove || raw[at].2;
        let no = || Reason::new("consent-denied", "");
        let before = Naive { is_in: !held.is_empty(), claims: held.iter().copied().collect() };
        let Coalesced { roles, ended, cleared } =
            coalesce(&ops, NOW, |_| held.clone(), |at| if can_be_done(at) { Ok(()) } else { Err(no()) });

        let mut one_by_one = before.clone();
        for (at, op) in ops.iter().enumerate().filter(|(at, op)| can_be_done(*at) && !op.exited) {
            let _ = at;
            one_by_one.apply(op);
        }
        let mut ours = before;
        if !cleared.is_empty() {
            ours.claims.clear();
        }
        for at in &ended {
            ours.claims.remove(&ops[*at].step);
        }
        let winner = roles.iter().position(|role| *role == Role::Winner);
        match winner.map(|at| ops[at].wish.action()) {
            Some(Action::Remove) => ours = Naive::default(),
            Some(Action::Add) => {
                ours.is_in = true;
                for (op, role) in ops.iter().zip(&roles) {
                    let rides = matches!(role, Role::Winner | Role::SameAs(_));
                    if rides && op.wish == Wish::Be(Action::Add) {
                        ours.claims.insert(op.step, None);
                    }
                }
            }
            None => {}
        }
        prop_assert_eq!(one_by_one.is_in, ours.is_in, "{:?} {:?}", ops, roles);
        // Adds share the winner's status, and with it their claims, without being asked about, also from before a removal
        // that was superseded.
        if one_by_one.is_in && (0..ops.len()).all(can_be_done) && cleared.is_empty() {
            let steps = |naive: &Naive| naive.claims.keys().copied().collect::<Vec<_>>();
            // Adds before a removal of this sealing never claimed at the partner.
            prop_assert_eq!(steps(&one_by_one), steps(&ours), "{:?} {:?} {:?}", ops, roles, ended);
        }
        prop_assert!(roles.iter().filter(|role| **role == Role::Winner).count() <= 1);
    }
}
