//! From a walk of `journey` to moves of the store.
use crate::route::Route;
use caravan_journey::walk::{self, Rest};
use caravan_journey::{Person, Scene, plan::Target};
use caravan_model::status::reason;
use caravan_model::{Millis, Reason, Status};
use caravan_store::Move;

/// How walks turn out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Now.
    pub now: Millis,
    /// Delays are over at once.
    pub skip_delays: bool,
}

/// What happens to someone who enters: the walk from the start, or the end at once as `control`.
pub(crate) fn entry_moves(
    route: &Route,
    person: &Person<'_>,
    scene: &Scene<'_>,
    pace: Pace,
    scratch: &mut Vec<walk::Move>,
) -> crate::Result<Vec<Move>> {
    match route.plan.start {
        Target::Step(step) if route.plan.in_control(&person.profile.external_id) => {
            let held_out = Move::Visit { step, status: Status::Control, reason: Reason::new(reason::CONTROL, "") };
            Ok(vec![held_out, Move::End])
        }
        start => moves_from(route, start, person, scene, pace, scratch),
    }
}

/// Walks one person from a target until they rest. `scratch` is reused from person to person.
pub(crate) fn moves_from(
    route: &Route,
    from: Target,
    person: &Person<'_>,
    scene: &Scene<'_>,
    pace: Pace,
    scratch: &mut Vec<walk::Move>,
) -> crate::Result<Vec<Move>> {
    scratch.clear();
    let rest = route.plan.walk_into(from, person, scene, scratch)?;
    let mut moves = Vec::with_capacity(scratch.len() + 1);
    let offer = |step, audience: caravan_journey::plan::AudienceIx, action, parks| {
        let lane = route.lanes.get(usize::from(audience.0))?.as_ref()?;
        Some(Move::Offer { step, lane: lane.lane, action, connection: lane.connection, parks })
    };
    for step in scratch.drain(..) {
        match step {
            walk::Move::Passed { step, way } => {
                moves.push(Move::Visit { step, status: Status::Passed, reason: route.plan.reason(step, way) });
            }
            walk::Move::Updated { step } => {
                moves.extend(route.plan.changes(step).map(|changes| Move::Update { step, changes: changes.clone() }));
            }
            walk::Move::Offered { step, audience, action } => moves.extend(offer(step, audience, action, false)),
        }
    }
    match rest {
        Rest::Exit => moves.push(Move::End),
        Rest::Delay { step, due } => {
            moves.push(Move::Wait { step, due: if pace.skip_delays { pace.now } else { due } });
        }
        Rest::Webhook { step } => moves.push(Move::Call { step, due: pace.now }),
        Rest::Sync { step, audience, action } => moves.extend(offer(step, audience, action, true)),
    }
    Ok(moves)
}
