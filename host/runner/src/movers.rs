//! People inside go on in the newest version of their canvas, at the step of the same id and kind (design, 11.12). The wish is
//! a document, so that a move that is cut short goes on with the next run; each page is a transaction.
use crate::control::Acting;
use crate::runner::Runner;
use caravan_model::{Canvas, Code, EntryId, Problem, Status, StepIx};
use caravan_store::{DocumentKind, Lease, MoveEntries, Store, Version};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Who is inside earlier versions, before a newer one is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovePlan {
    /// The canvas's id.
    pub canvas: String,
    /// Entries that are open in earlier versions.
    pub inside: u64,
    /// Of these, those that wait at a step which the newer one has, too.
    pub could_move: u64,
    /// Those that wait at a step which is gone or of another kind, in a queue or for an endpoint: they finish where they are.
    pub stay: u64,
    /// Where those who could move would go on, by the step's id.
    pub steps: BTreeMap<String, u64>,
}

/// The steps of one document that another has with the same id and kind, and at which people rest for the clock or a signal.
fn shared_steps(from: &Canvas, to: &Canvas) -> Vec<(StepIx, StepIx)> {
    let mut shared = Vec::new();
    for (at, (id, step)) in from.steps.0.iter().enumerate() {
        let (Some(new), Ok(at)) = (to.steps.index_of(id.as_str()), u16::try_from(at)) else { continue };
        let same = to.steps.at(new).is_some_and(|(_, other)| other.kinds() == step.kinds());
        // A queue keeps its operations: only arrivals stand at a sync, and they have begun nothing yet.
        if same {
            shared.push((StepIx(at), new));
        }
    }
    shared
}

fn rests(canvas: &Canvas, step: StepIx) -> bool {
    canvas.steps.at(step).is_some_and(|(_, step)| step.audience_sync.is_none() && step.webhook.is_none())
}

/// Who could move if this canvas were published now. Changes nothing.
///
/// # Errors
/// What the store says.
pub async fn move_plan<S: Store>(store: &S, canvas: &Canvas) -> crate::Result<MovePlan> {
    let mut plan = MovePlan { canvas: canvas.canvas.to_string(), ..MovePlan::default() };
    for version in store.versions().await?.iter().filter(|version| version.canvas.canvas == canvas.canvas) {
        if *version.canvas == *canvas {
            continue;
        }
        let counters = store.counters(version.id).await?;
        plan.inside += counters.open;
        for (step, _) in shared_steps(&version.canvas, canvas) {
            let here = counters.counts.iter().filter(|count| count.step == step && count.status == Status::Waiting);
            let people = here.map(|count| count.n).sum::<u64>();
            if let Some((id, _)) = version.canvas.steps.at(step).filter(|_| people > 0 && rests(&version.canvas, step))
            {
                plan.could_move += people;
                *plan.steps.entry(id.to_string()).or_default() += people;
            }
        }
    }
    plan.could_move = plan.could_move.min(plan.inside);
    plan.stay = plan.inside - plan.could_move;
    Ok(plan)
}

impl<S: Store> Acting<'_, S> {
    /// Lets people inside earlier versions of a canvas go on in its newest one. A serving host does it beside its other work;
    /// [`Runner::carry_moves_out`] does it at once.
    ///
    /// # Errors
    /// The canvas is not there, or what the store says.
    pub async fn move_inside(&self, canvas: &str) -> crate::Result<()> {
        let versions = self.runner().versions_of(canvas).await?;
        let to = versions.last().map_or(0, |version| version.number);
        let document = (DocumentKind::Moving, canvas.to_owned(), Some(json!({"to": to}).to_string()));
        self.put(vec![document], "canvas.move", &format!("canvas {canvas}"), json!({"to": to})).await
    }
}

impl<S: Store> Runner<S> {
    /// Carries out all moves that were wished for; gives how many entries moved.
    ///
    /// # Errors
    /// What the store says; pages before it are kept, and a repeat goes on.
    pub async fn carry_moves_out(&self) -> crate::Result<u64> {
        let lease = self.lease().await?;
        run(&self.store, lease, self.options.chunk, || self.clock.now()).await
    }
}

/// Carries out what was wished for.
pub(crate) async fn run<S: Store>(
    store: &S,
    lease: Lease,
    limit: usize,
    now: impl Fn() -> caravan_model::Millis,
) -> crate::Result<u64> {
    let wished = store.documents(DocumentKind::Moving).await?;
    if wished.is_empty() {
        return Ok(0);
    }
    let (versions, mut moved) = (store.versions().await?, 0);
    for (canvas, wish) in wished {
        let mut own: Vec<&Version> =
            versions.iter().filter(|version| version.canvas.canvas.as_str() == canvas).collect();
        let to = own.pop().ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("people are to move in {canvas}, which has no version"))
        })?;
        for from in own {
            let steps = shared_steps(&from.canvas, &to.canvas);
            let mut after = EntryId(0);
            loop {
                let wanted = MoveEntries {
                    from: from.id,
                    to: to.id,
                    steps: steps.clone(),
                    after,
                    limit: limit.max(1),
                    now: now(),
                };
                let page = store.move_entries(lease, wanted).await?;
                moved += page.moved;
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        // A newer version may have been published meanwhile, with a wish of its own: that one stays.
        if store.documents(DocumentKind::Moving).await?.contains(&(canvas.clone(), wish)) {
            store.put_documents(lease, vec![(DocumentKind::Moving, canvas, None)]).await?;
        }
    }
    Ok(moved)
}
