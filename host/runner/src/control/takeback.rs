//! Taking back what a step did: its claims end, and whom nothing else claims is removed (design, 11.17).
use super::PAGES;
use super::order::Order;
use super::resend::no_sync;
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Action, Code, Problem, ProfileId};
use caravan_store::Store;
use std::collections::BTreeSet;

impl<S: Store> Runner<S> {
    /// Queues the end of what a step claims, in all versions of its canvas that have it: for members, and for adds that
    /// still wait or are under way. Looked for in every queue, so that audiences its name led to before are found as
    /// well; members whom another step claims stay, which is decided when the removal is sealed. Gives how many were
    /// queued. Whoever comes to the step later is added all the same.
    ///
    /// # Errors
    /// The canvas or step is not there, the step removes, or what the store says.
    pub async fn take_back(&self, canvas: &str, step: &str) -> crate::Result<u64> {
        self.take_back_under(&mut self.unordered().await?, canvas, step).await
    }

    pub(super) async fn take_back_under(&self, order: &mut Order, canvas: &str, step: &str) -> crate::Result<u64> {
        let (mut claims, mut known, mut removes) = (Vec::new(), BTreeSet::new(), false);
        for version in self.versions_of(canvas).await? {
            let plan = CompiledCanvas::new(&version.canvas)?;
            for (at, sync) in plan.syncs() {
                let Some(id) = plan.step(at).map(|step| step.id.as_str()) else { continue };
                known.insert(id.to_owned());
                if id == step {
                    removes |= sync.action == Action::Remove;
                    claims.extend((sync.action == Action::Add).then_some((version.id, at)));
                }
            }
        }
        if claims.is_empty() {
            return Err(match removes {
                true => Problem::new(
                    Code::Usage,
                    format!("step `{step}` of {canvas} removes: there is nothing to take back"),
                )
                .cure("name a step that adds"),
                false => no_sync(canvas, step, &known),
            }
            .into());
        }
        let mut queued = 0;
        for lane in self.store.lanes().await? {
            let mut after = Some(ProfileId(0));
            while let Some(from) = after {
                let limit = self.options.chunk.saturating_mul(PAGES);
                let now = self.clock.now();
                let walked = self.store.take_back(order.warrant(), lane.id, claims.clone(), from, limit, now).await?;
                queued += walked.offered;
                after = walked.next;
            }
        }
        Ok(queued)
    }
}
