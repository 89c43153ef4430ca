//! Where the people behind a count went: the canvas's own routing, applied to the store's numbers.
use caravan_journey::plan::{CompiledCanvas, StepKind, Target};
use caravan_model::canvas::Advance;
use caravan_model::status::reason;
use caravan_model::{Status, StepIx};
use caravan_store::Count;

/// What became of the entries behind a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// They went on by a way out of the step.
    By(Way, Target),
    /// They are still here.
    Rests,
    /// Their entry ended here, by an exit rule.
    Ended,
}

/// A way out of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// An arm of a branch, from 0.
    Arm(usize),
    /// No arm of a branch.
    Else,
    /// A variant of an experiment, from 0.
    Variant(usize),
    /// On.
    Next,
    /// On, but without success, or after a wait in vain.
    Otherwise,
    /// The step ends the entry.
    End,
}

/// The ways out of a step, in the order in which people read them.
pub fn ways(plan: &CompiledCanvas, step: StepIx) -> Vec<(Way, Target)> {
    let Some(this) = plan.step(step) else { return Vec::new() };
    match &this.kind {
        StepKind::Branch { arms, otherwise } => {
            let arms = arms.iter().enumerate().map(|(arm, (_, target))| (Way::Arm(arm), *target));
            arms.chain([(Way::Else, *otherwise)]).collect()
        }
        StepKind::Experiment(variants) => {
            variants.iter().enumerate().map(|(at, variant)| (Way::Variant(at), variant.next)).collect()
        }
        StepKind::Sync(sync) if sync.advance == Advance::WhenSynced && this.otherwise != this.next => {
            vec![(Way::Next, this.next), (Way::Otherwise, this.otherwise)]
        }
        StepKind::WaitFor { .. } | StepKind::Webhook(_) if this.otherwise != this.next => {
            vec![(Way::Next, this.next), (Way::Otherwise, this.otherwise)]
        }
        StepKind::WaitFor { .. }
        | StepKind::Webhook(_)
        | StepKind::Sync(_)
        | StepKind::Delay(_)
        | StepKind::Update(_) => {
            vec![(Way::Next, this.next)]
        }
        StepKind::Exit => vec![(Way::End, Target::Exit)],
    }
}

/// What became of the entries behind a count; `None` where the number does not fit the canvas.
pub fn went(plan: &CompiledCanvas, count: &Count) -> Option<Went> {
    let ways = ways(plan, count.step);
    let by = |way: Way| ways.iter().find(|(other, _)| *other == way).map(|(way, target)| Went::By(*way, *target));
    let step = plan.step(count.step)?;
    match (&step.kind, count.status) {
        // Someone who did not have to wait for the visit went on when it began.
        (StepKind::Sync(sync), _) if sync.advance == Advance::AtOnce => by(Way::Next),
        (_, Status::Waiting) => Some(Went::Rests),
        (_, Status::Exited | Status::Control) => Some(Went::Ended),
        (StepKind::Branch { .. }, _) => match count.reason.words.strip_prefix("arm ") {
            Some(arm) => by(Way::Arm(arm.parse::<usize>().ok()?.checked_sub(1)?)),
            None => by(Way::Else),
        },
        (StepKind::Experiment(variants), _) => {
            by(Way::Variant(variants.iter().position(|variant| variant.label == count.reason.words)?))
        }
        (StepKind::WaitFor { .. }, _) if count.reason.code == reason::TIMED_OUT => {
            by(Way::Otherwise).or_else(|| by(Way::Next))
        }
        (StepKind::Exit, _) => by(Way::End),
        (_, status) if status.is_success() => by(Way::Next),
        _ => by(Way::Otherwise).or_else(|| by(Way::Next)),
    }
}
