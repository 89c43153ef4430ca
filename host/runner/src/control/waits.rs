//! What waits in a canvas: what a person reads before pausing or stopping it.
use super::state::{CanvasState, states};
use super::versions_of;
use caravan_journey::plan::{CompiledCanvas, StepKind};
use caravan_model::Status;
use caravan_store::Store;
use serde::Serialize;

/// How many wait in a canvas, over all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanvasWaits {
    /// How it stands.
    #[serde(skip)]
    pub state: CanvasState,
    /// The same as people read it ([`CanvasState::word`]).
    #[serde(rename = "state")]
    pub word: &'static str,
    /// Entries that are open.
    pub open: u64,
    /// People who wait at steps: they stay, go on, or leave.
    pub resting: u64,
    /// Operations that wait in queues: a pause and the end of entries leave them alone; stopping at once withdraws those
    /// that are not sent yet.
    pub queued: u64,
    /// Where they wait.
    pub steps: Vec<StepWaits>,
}

/// How many wait at one step of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepWaits {
    /// The version's number.
    pub version: u32,
    /// The step.
    pub step: String,
    /// Whether they wait in a queue; else at the step itself.
    pub in_queue: bool,
    /// How many.
    pub n: u64,
}

/// What waits in a canvas. Changes nothing.
///
/// # Errors
/// The canvas is not there, or what the store says.
pub async fn what_waits<S: Store>(store: &S, canvas: &str) -> crate::Result<CanvasWaits> {
    let state = states(store).await?.of(canvas);
    let mut waits = CanvasWaits { state, word: state.word(0), open: 0, resting: 0, queued: 0, steps: Vec::new() };
    for version in versions_of(store, canvas).await? {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let counters = store.counters(version.id).await?;
        waits.open += counters.open;
        for (at, step) in plan.steps.iter().enumerate() {
            let here = counters.counts.iter().filter(|count| usize::from(count.step.0) == at);
            let n: u64 = here.filter(|count| count.status == Status::Waiting).map(|count| count.n).sum();
            if n == 0 {
                continue;
            }
            let in_queue = matches!(step.kind, StepKind::Sync(_));
            *(if in_queue { &mut waits.queued } else { &mut waits.resting }) += n;
            waits.steps.push(StepWaits { version: version.number, step: step.id.to_string(), in_queue, n });
        }
    }
    waits.word = state.word(waits.open);
    Ok(waits)
}
