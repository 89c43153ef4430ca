//! Random walks: any sequence of calls leaves the books balanced, and repeating any of them changes nothing.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::canvas::ReEntry;
use caravan_model::{Action, Duration, Effect, Millis, ProfileId, Reason, Status, StepIx};

/// Numbers that decide; after the last one, 0.
#[derive(Debug)]
struct Dice<'a>(std::slice::Iter<'a, u16>);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % sides
    }
}

/// Writing calls that can be repeated.
#[derive(Clone, Debug)]
enum Written {
    Enter(EnterBatch),
    Advance(Vec<Advance>),
    Settle(Settlement),
    Exit(Vec<ProfileId>),
}

/// Walks as the numbers say and audits after every step.
pub async fn random(engine: impl Engine, choices: &[u16]) {
    let mut dice = Dice(choices.iter());
    let mut w = World::new(engine).await;
    let people = w.people(0..12).await;
    let mut written: Vec<Written> = Vec::new();
    let mut entered = 0;
    while dice.0.len() > 0 {
        w.now = Millis(w.now.0 + 1 + dice.roll(5_000) as i64);
        match dice.roll(12) {
            0..3 => {
                let batch = some_entries(&mut w, &mut dice, &people);
                entered += w.store.enter(w.lease, batch.clone()).await.expect("entries").entered;
                written.push(Written::Enter(batch));
            }
            3..5 => {
                let due = w.store.due(w.now, 1 + dice.roll(8), dice.roll(2) == 0).await.expect("due");
                let moves: Vec<Advance> = due.iter().map(|due| some_advance(&w, &mut dice, due)).collect();
                let moved =
                    w.store.advance(w.lease, moves.clone(), CanvasesSeen::default(), w.now).await.expect("moved");
                assert_eq!(moved, due.len() as u64);
                written.push(Written::Advance(moves));
            }
            5..7 => some_sealing(&w, &mut dice).await,
            7..10 => {
                if let Some(settlement) = some_settlement(&w, &mut dice).await {
                    w.store.settle(w.lease, settlement.clone()).await.expect("a settlement");
                    written.push(Written::Settle(settlement));
                }
            }
            10 => {
                let who: Vec<ProfileId> = people.iter().copied().filter(|_| dice.roll(4) == 0).collect();
                w.store.signal_exit(w.lease, w.version.id, who.clone(), Reason::none(), w.now).await.expect("an exit");
                written.push(Written::Exit(who));
            }
            _ => match dice.roll(4) {
                0 => w = w.crash().await,
                1 => {
                    let state = some_state(&w, &mut dice);
                    w.store.set_lane(w.lease, w.lane, state).await.expect("a state");
                }
                _ => repeat(&w, &mut dice, &written).await,
            },
        }
        w.balanced().await;
        assert_eq!(w.census().await.0, entered);
    }
}

/// Some earlier call once more: nothing may change. An exit is repeated only if it was the last.
async fn repeat<E: Engine>(w: &World<E>, dice: &mut Dice<'_>, written: &[Written]) {
    let before = w.store.counters(w.version.id).await.expect("counters");
    let lanes: Vec<_> = w.store.lanes().await.expect("lanes").iter().map(|lane| (lane.waiting, lane.sealed)).collect();
    let at = dice.roll(written.len().max(1));
    match written.get(at).cloned() {
        Some(Written::Enter(batch)) => {
            w.store.enter(w.lease, batch).await.expect("a repeat");
        }
        Some(Written::Advance(moves)) => {
            assert_eq!(w.store.advance(w.lease, moves, CanvasesSeen::default(), w.now).await.expect("a repeat"), 0);
        }
        Some(Written::Settle(settlement)) => w.store.settle(w.lease, settlement).await.expect("a repeat"),
        Some(Written::Exit(who)) if at + 1 == written.len() => {
            w.store.signal_exit(w.lease, w.version.id, who, Reason::none(), w.now).await.expect("a repeat");
        }
        Some(Written::Exit(_)) | None => {}
    }
    assert_eq!(w.store.counters(w.version.id).await.expect("counters"), before);
    let after: Vec<_> = w.store.lanes().await.expect("lanes").iter().map(|lane| (lane.waiting, lane.sealed)).collect();
    assert_eq!(after, lanes);
}

fn some_moves<E: Engine>(w: &World<E>, dice: &mut Dice<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    let step = |dice: &mut Dice<'_>| dice.roll(6) as u16;
    let action = |dice: &mut Dice<'_>| if dice.roll(3) == 0 { Action::Remove } else { Action::Add };
    for _ in 0..dice.roll(3) {
        if dice.roll(2) == 0 {
            let reason = Reason::new("branch", format!("arm {}", dice.roll(3)));
            moves.push(Move::Visit { step: StepIx(step(dice)), status: Status::Passed, reason });
        } else {
            moves.push(w.offer(step(dice), action(dice), false));
        }
    }
    moves.push(match dice.roll(4) {
        0 => Move::End,
        1 => Move::Wait { step: StepIx(step(dice)), due: Millis::NEVER },
        2 => Move::Wait { step: StepIx(step(dice)), due: Millis(w.now.0 + dice.roll(10_000) as i64) },
        _ => w.offer(step(dice), action(dice), true),
    });
    moves
}

fn some_entries<E: Engine>(w: &mut World<E>, dice: &mut Dice<'_>, people: &[ProfileId]) -> EnterBatch {
    let who: Vec<ProfileId> = (0..1 + dice.roll(6)).map(|_| people[dice.roll(people.len())]).collect();
    let mut batch = w.batch(&who, &[]);
    for candidate in &mut batch.candidates {
        candidate.moves = some_moves(w, dice);
    }
    batch.re_entry = match dice.roll(3) {
        0 => ReEntry::Never,
        1 => ReEntry::Always,
        _ => ReEntry::After(Duration(3_000)),
    };
    batch.refused = vec![("bad".into(), dice.roll(3) as u64)];
    batch
}

fn some_advance<E: Engine>(w: &World<E>, dice: &mut Dice<'_>, due: &Due) -> Advance {
    Advance {
        visit: due.visit,
        version: due.version,
        step: due.step,
        arrives: due.arrives,
        due: due.due,
        profile: due.profile,
        ends_as: (Status::Passed, Reason::none()),
        moves: some_moves(w, dice),
    }
}

fn some_state<E: Engine>(w: &World<E>, dice: &mut Dice<'_>) -> LaneState {
    match dice.roll(3) {
        0 => LaneState::Open,
        1 => LaneState::Waiting { why: "throttled".into(), until: w.now, reason: Reason::none() },
        _ => LaneState::Held { reason: Reason::new("terms", ""), since: w.now, probe: Millis::NEVER, probes: 0 },
    }
}

fn some_way(dice: &mut Dice<'_>) -> (Status, GoesTo) {
    let status = [Status::Synced, Status::Skipped, Status::Rejected, Status::Expired][dice.roll(4)];
    (status, if dice.roll(2) == 0 { GoesTo::End } else { GoesTo::Step(StepIx(dice.roll(6) as u16)) })
}

async fn some_sealing<E: Engine>(w: &World<E>, dice: &mut Dice<'_>) {
    let ops = w.store.peek(w.lane, 1 + dice.roll(8)).await.expect("a peek");
    let Some(upto) = ops.last().map(|op| op.seq) else { return };
    let mut sealing = w.sealing(&[]);
    sealing.upto = upto;
    let mut parts: [Vec<Queued>; 2] = Default::default();
    for op in ops {
        if op.exited {
            sealing.outcomes.push(outcome(&op, Status::Exited, GoesTo::Stays));
        } else if dice.roll(3) == 0 {
            let (status, goes) = some_way(dice);
            sealing.outcomes.push(outcome(&op, status, goes));
        } else {
            parts[usize::from(op.action == Action::Add)].push(op);
        }
    }
    sealing.parts = parts.iter().filter(|ops| !ops.is_empty()).map(|ops| draft(ops)).collect();
    sealing.first_attempt = (dice.roll(2) == 0).then_some(w.now);
    let (empty, open) = (sealing.parts.is_empty(), w.store.open_slice(w.lane).await.expect("read"));
    let sealed = w.store.seal(w.lease, sealing.clone()).await;
    match open {
        Some(_) => assert!(is_impossible(sealed), "a second open slice"),
        None => {
            let slice = sealed.expect("a sealing");
            assert_eq!(slice.is_none(), empty);
            let again = w.store.seal(w.lease, sealing).await.expect("a repeat");
            assert_eq!(slice.map(|slice| slice.id), again.map(|slice| slice.id));
        }
    }
}

async fn some_settlement<E: Engine>(w: &World<E>, dice: &mut Dice<'_>) -> Option<Settlement> {
    let slice = w.store.open_slice(w.lane).await.expect("read")?;
    let part = &slice.parts[dice.roll(slice.parts.len())];
    let attempt = if part.open_until.is_some() && dice.roll(3) > 0 {
        part.attempts
    } else {
        w.store.attempt(w.lease, part.id, w.now, Vec::new(), w.now).await.expect("an attempt")
    };
    let mut settlement = w.settlement(part, attempt);
    settlement.effect = if dice.roll(2) == 0 { Effect::None } else { Effect::MayHaveLanded };
    settlement.ends = dice.roll(3) > 0;
    settlement.lane = some_state(w, dice);
    let mut rides: Vec<bool> = Vec::new();
    for (place, rider) in (0u32..).zip(part.riders.iter()) {
        let gone = part.struck.contains(&place);
        let fate = if gone { 0 } else { dice.roll(3) };
        rides.push(fate == 2);
        if gone || fate == 2 || (fate == 1 && !settlement.ends) {
            continue;
        }
        let (status, goes) = some_way(dice);
        settlement.outcomes.extend(outcomes(rider, status, goes));
        if status == Status::Synced {
            settlement.membership.push(joined(rider, w.now));
        }
        if !settlement.ends {
            settlement.struck.push(place);
        }
    }
    let struck: Vec<bool> = rides.iter().map(|rides| !rides).collect();
    if settlement.ends && rides.contains(&true) {
        let riders = part.riders.iter().zip(&rides).filter(|(_, rides)| **rides).map(|(rider, _)| rider.clone());
        settlement.replaced_by = vec![PartDraft { part: part.part.without(&struck), riders: riders.collect() }];
    }
    Some(settlement)
}
