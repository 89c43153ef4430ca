//! Moves one person from a step through all that is instantaneous until they rest: in a delay, at a webhook, in a queue,
//! or out.
use crate::filter;
use crate::lot::{lot, share_of};
use crate::person::{Person, Scene};
use crate::plan::{AudienceIx, Awaited, CompiledCanvas, StepKind, Target};
use caravan_model::canvas::Advance;
use caravan_model::{Action, Millis, Profile, StepIx};

/// A move on the way to the rest, in order. Each is one visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Went through the step: the visit is `passed`.
    Passed {
        /// The step.
        step: StepIx,
        /// Which way.
        way: Way,
    },
    /// Had attributes set: the visit is `passed`, and what is set by [`CompiledCanvas::changes`] is kept with it.
    Updated {
        /// The step.
        step: StepIx,
    },
    /// Asked for an operation and went on at once (`advance: at_once`): the visit is `waiting` in the lane.
    Offered {
        /// The step.
        step: StepIx,
        /// The audience.
        audience: AudienceIx,
        /// Add or remove.
        action: Action,
    },
}

/// Which way someone left a step; [`CompiledCanvas::reason`] has it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The only one.
    Next,
    /// An arm of the branch, from 0.
    Arm(u16),
    /// No arm of the branch.
    Else,
    /// A variant of the experiment, from 0.
    Variant(u16),
    /// Without waiting: the person has no date to wait for.
    NoDate,
    /// Without waiting: the person is in the segment already.
    Happened,
    /// Without waiting: the person's date has passed.
    DatePassed,
}

/// Where someone rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nowhere: the entry has ended.
    Exit,
    /// In a delay or for an event; the visit is `waiting`. Afterwards [`CompiledCanvas::after_delay`], or
    /// [`CompiledCanvas::after_event`] where it happened.
    Delay {
        /// The step.
        step: StepIx,
        /// When it is over, whatever happens.
        due: Millis,
    },
    /// At a webhook until its endpoint has answered; the visit is `waiting`. Afterwards
    /// [`CompiledCanvas::after_sync`].
    Webhook {
        /// The step.
        step: StepIx,
    },
    /// In a lane until the visit's status is final (`advance: when_synced`); the visit is `waiting`. Afterwards
    /// [`CompiledCanvas::after_sync`].
    Sync {
        /// The step.
        step: StepIx,
        /// The audience.
        audience: AudienceIx,
        /// Add or remove.
        action: Action,
    },
}

/// A walk: its moves in order, and where it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The visits that are behind them.
    pub moves: Vec<Move>,
    /// Where they are now.
    pub rest: Rest,
}

/// A walk that would not end: the canvas has a loop without a delay, which validation refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the walk does not end: step {} is in a loop without a delay", step.0)]
pub struct Endless {
    /// A step of the loop.
    pub step: StepIx,
}

impl CompiledCanvas {
    /// Walks from a target until rest. Called with `start` at entry, with `after_delay` when a timer fires, and with
    /// `after_sync` when a visit's status becomes final.
    ///
    /// # Errors
    /// [`Endless`], for a canvas that was not validated.
    pub fn walk(&self, from: Target, person: &Person<'_>, scene: &Scene<'_>) -> Result<Walk, Endless> {
        let mut moves = Vec::new();
        let rest = self.walk_into(from, person, scene, &mut moves)?;
        Ok(Walk { moves, rest })
    }

    /// The same for many people: the moves are appended, nothing else is allocated.
    ///
    /// # Errors
    /// [`Endless`], for a canvas that was not validated.
    pub fn walk_into(
        &self,
        from: Target,
        person: &Person<'_>,
        scene: &Scene<'_>,
        moves: &mut Vec<Move>,
    ) -> Result<Rest, Endless> {
        let mut at = from;
        // What is behind an update sees what it set.
        let mut updated: Option<Box<Profile>> = None;
        // Without an endless loop, no step is met twice in one walk.
        for _ in 0..=self.steps.len() {
            let Target::Step(index) = at else { return Ok(Rest::Exit) };
            let Some(step) = self.step(index) else { return Ok(Rest::Exit) };
            let person = &Person { profile: updated.as_deref().unwrap_or(person.profile), events: person.events };
            match &step.kind {
                StepKind::Delay(rule) => {
                    let due = rule.due(scene.now, person, scene.zone);
                    if due > scene.now {
                        return Ok(Rest::Delay { step: index, due });
                    }
                    moves.push(Move::Passed { step: index, way: rule.way_at_once(person, scene.zone) });
                    at = step.next;
                }
                StepKind::WaitFor { what: Awaited::Segment(segment), .. } if scene.groups.in_segment(segment) => {
                    moves.push(Move::Passed { step: index, way: Way::Happened });
                    at = step.next;
                }
                StepKind::WaitFor { timeout, .. } => {
                    return Ok(Rest::Delay { step: index, due: scene.now.after(*timeout) });
                }
                StepKind::Branch { arms, otherwise } => {
                    let taken = arms.iter().position(|(condition, _)| filter::evaluate(condition, person, scene));
                    let (way, target) = match taken {
                        Some(arm) => (Way::Arm(u16::try_from(arm).unwrap_or(u16::MAX)), arms[arm].1),
                        None => (Way::Else, *otherwise),
                    };
                    moves.push(Move::Passed { step: index, way });
                    at = target;
                }
                StepKind::Experiment(variants) => {
                    let lot = lot(&self.id, step.id.as_str(), &person.profile.external_id);
                    // Compiling refuses an experiment without weights.
                    let drawn = share_of(lot, variants.iter().map(|variant| variant.weight)).unwrap_or(0);
                    moves.push(Move::Passed {
                        step: index,
                        way: Way::Variant(u16::try_from(drawn).unwrap_or(u16::MAX)),
                    });
                    at = variants.get(drawn).map_or(Target::Exit, |variant| variant.next);
                }
                StepKind::Update(changes) => {
                    let mut profile = person.profile.clone();
                    changes.apply(&mut profile, scene.now);
                    updated = Some(Box::new(profile));
                    moves.push(Move::Updated { step: index });
                    at = step.next;
                }
                StepKind::Webhook(_) => return Ok(Rest::Webhook { step: index }),
                StepKind::Sync(sync) => {
                    let (audience, action) = (sync.audience, sync.action);
                    match sync.advance {
                        Advance::WhenSynced => return Ok(Rest::Sync { step: index, audience, action }),
                        Advance::AtOnce => {
                            moves.push(Move::Offered { step: index, audience, action });
                            at = step.next;
                        }
                    }
                }
                StepKind::Exit => {
                    moves.push(Move::Passed { step: index, way: Way::Next });
                    at = Target::Exit;
                }
            }
        }
        match at {
            Target::Exit => Ok(Rest::Exit),
            Target::Step(step) => Err(Endless { step }),
        }
    }
}
