//! What became of each step's people lately: by the counters' growth while this process has watched, and by the
//! store's history for what was before.
use super::atlas::Atlas;
use super::{AlertPolicy, CountWindow, StepSeen};
use caravan_model::{CanvasId, Millis, Status, StepId, StepIx, VersionId};
use caravan_store::Store;
use std::collections::BTreeMap;

/// A step, a status and a reason's code.
type Key = (CanvasId, StepId, Status, String);

/// How many visits of a step became so, by status and reason code.
type Counts = Vec<(Status, String, u64)>;

/// The counts of all steps.
#[derive(Debug)]
pub(super) struct Rates {
    window: CountWindow<Key>,
    began: Option<Millis>,
    steps: Vec<StepSeen>,
}

impl Rates {
    pub(super) fn new(policy: &AlertPolicy) -> Rates {
        Rates { window: CountWindow::new(policy.window), began: None, steps: Vec::new() }
    }

    /// Reads the counters.
    pub(super) async fn read<S: Store>(
        &mut self,
        store: &S,
        atlas: &Atlas,
        now: Millis,
        policy: &AlertPolicy,
    ) -> crate::Result<()> {
        let began = *self.began.get_or_insert(now);
        let mut sums: BTreeMap<Key, u64> = BTreeMap::new();
        let mut before: BTreeMap<Key, i64> = BTreeMap::new();
        for version in atlas.versions() {
            for count in store.counters(version).await?.counts {
                if let Some(key) = key(atlas, version, count.step, count.status, &count.reason.code) {
                    *sums.entry(key).or_default() += count.n;
                }
            }
            if now.since(began) < policy.window {
                // A young process has not seen a whole window. History knows it, though only by quarters of an hour.
                for quarter in store.history(version, now.before(policy.window), now.after(policy.window)).await? {
                    let count = &quarter.count;
                    if let Some(key) = key(atlas, version, count.step, count.status, &count.reason.code) {
                        *before.entry(key).or_default() += quarter.change;
                    }
                }
            }
        }
        self.window.read(now, sums);
        let before = before.into_iter().filter_map(|(key, n)| Some((key, u64::try_from(n).ok()?)));
        self.steps = by_step(atlas, self.window.lately());
        self.steps.extend(by_step(atlas, before));
        Ok(())
    }

    /// Each step's counts; a step may be there twice, by either way of counting, and the worse one is true.
    pub(super) fn steps(&self) -> Vec<StepSeen> {
        self.steps.clone()
    }
}

fn key(atlas: &Atlas, version: VersionId, step: StepIx, status: Status, code: &str) -> Option<Key> {
    let step = atlas.step(version, step).filter(|_| status != Status::Waiting)?;
    Some((step.canvas.clone(), step.step.clone(), status, code.to_owned()))
}

fn by_step(atlas: &Atlas, counts: impl IntoIterator<Item = (Key, u64)>) -> Vec<StepSeen> {
    let mut steps: BTreeMap<(CanvasId, StepId), Counts> = BTreeMap::new();
    for ((canvas, step, status, code), n) in counts {
        if n > 0 {
            steps.entry((canvas, step)).or_default().push((status, code, n));
        }
    }
    let seen = steps.into_iter().map(|((canvas, step), counts)| StepSeen {
        connection: atlas.connection_of(&canvas, &step),
        canvas,
        step,
        counts,
    });
    seen.collect()
}
