//! Pausing, closing and stopping a canvas, and opening it again (design, 11.12).
use super::state::{CanvasState, StateDocument, states};
use crate::error::written;
use crate::runner::Runner;
use caravan_model::status::reason;
use caravan_model::{Code, Problem, ProfileId, Reason};
use caravan_store::{DocumentKind, Lease, Store};

/// What stopping at once did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Entries that ended with it.
    pub entries: u64,
}

impl<S: Store> Runner<S> {
    /// Nobody enters the canvas, and nobody inside moves on, until it is resumed; what is queued still goes. Gives how it
    /// stood.
    ///
    /// # Errors
    /// The canvas is not there, or what the store says.
    pub async fn pause_canvas(&self, canvas: &str, by: &str) -> crate::Result<CanvasState> {
        let lease = self.lease().await?;
        self.set_canvas(lease, canvas, CanvasState::Paused, by).await
    }

    /// Nobody enters the canvas any more; those inside go on to their end. Gives how it stood.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn stop_entries(&self, canvas: &str, by: &str) -> crate::Result<CanvasState> {
        let lease = self.lease().await?;
        self.set_canvas(lease, canvas, CanvasState::Closed, by).await
    }

    /// Nobody enters the canvas any more, and everyone inside leaves at once, from all its versions. What is queued of
    /// them and not sent is withdrawn; what is under way ends as it does. Cut short, it is said again.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn stop_now(&self, canvas: &str, by: &str) -> crate::Result<Stopped> {
        let lease = self.lease().await?;
        self.set_canvas(lease, canvas, CanvasState::Stopped, by).await?;
        let limit = self.options.chunk.max(1);
        let mut stopped = Stopped::default();
        for version in self.versions_of(canvas).await? {
            let mut after = ProfileId(0);
            loop {
                let inside = self.store.inside(version.id, after, limit).await?;
                let Some(last) = inside.last().copied() else { break };
                let why = Reason::new(reason::EXITED, "the canvas was stopped");
                stopped.entries += self.store.signal_exit(lease, version.id, inside, why, self.clock.now()).await?;
                after = last;
            }
        }
        Ok(stopped)
    }

    /// People enter and move on again. Gives how it stood.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn resume_canvas(&self, canvas: &str) -> crate::Result<CanvasState> {
        let lease = self.lease().await?;
        self.set_canvas(lease, canvas, CanvasState::Live, "").await
    }

    async fn set_canvas(&self, lease: Lease, canvas: &str, state: CanvasState, by: &str) -> crate::Result<CanvasState> {
        self.versions_of(canvas).await?;
        let before = states(&self.store).await?.of(canvas);
        if before == CanvasState::Archived && state != before {
            let problem = Problem::new(Code::BadValue, format!("{canvas} is archived"));
            return Err(problem.cure("publish it again: `caravan canvas restore` makes a version the draft").into());
        }
        self.put_state(lease, canvas, state, by).await?;
        Ok(before)
    }

    /// Writes how a canvas stands.
    pub(crate) async fn put_state(
        &self,
        lease: Lease,
        canvas: &str,
        state: CanvasState,
        by: &str,
    ) -> crate::Result<()> {
        let document = match state {
            CanvasState::Live => None,
            state => {
                let document = StateDocument { state, since: self.clock.now(), by: by.to_owned() };
                Some(written(&document)?)
            }
        };
        Ok(self.store.put_documents(lease, vec![(DocumentKind::Canvas, canvas.to_owned(), document)]).await?)
    }
}
