//! Pausing, closing and stopping a canvas, and opening it again (design, 11.12).
use super::state::{CanvasState, StateDocument, states};
use crate::doors;
use crate::error::written;
use crate::exits;
use crate::runner::Runner;
use caravan_model::{Code, Problem, ProfileId, VersionId};
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
    /// them and not sent is withdrawn; what is under way ends as it does. Cut short, a host that serves finishes it, or it
    /// is said again.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn stop_now(&self, canvas: &str, by: &str) -> crate::Result<Stopped> {
        let lease = self.lease().await?;
        let _alone = self.stops.lock().await;
        self.set_canvas(lease, canvas, CanvasState::Stopped, by).await?;
        Ok(Stopped { entries: self.let_everyone_out(lease, canvas).await? })
    }

    /// Lets people out of the canvas at once, wherever in it they wait, and withdraws what of theirs is unsent. Gives how
    /// many were inside.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn let_out(&self, canvas: &str, people: &[ProfileId]) -> crate::Result<u64> {
        let lease = self.lease().await?;
        let versions = self.versions_of(canvas).await?;
        let mut left = 0;
        // An entry is the canvas's, whatever version it is in.
        if let Some(version) = versions.last() {
            for chunk in people.chunks(self.options.chunk.max(1)) {
                left += exits::call_out(&self.store, lease, version.id, chunk.to_vec(), self.clock.now()).await?;
            }
        }
        Ok(left)
    }

    /// People enter and move on again. Gives how it stood.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn resume_canvas(&self, canvas: &str) -> crate::Result<CanvasState> {
        let lease = self.lease().await?;
        let _alone = self.stops.lock().await;
        if states(&self.store).await?.of(canvas) == CanvasState::Stopped {
            // A stop that was cut short is finished first: those who were inside do not go on.
            self.let_everyone_out(lease, canvas).await?;
        }
        self.set_canvas(lease, canvas, CanvasState::Live, "").await
    }

    async fn let_everyone_out(&self, lease: Lease, canvas: &str) -> crate::Result<u64> {
        let versions: Vec<VersionId> = self.versions_of(canvas).await?.iter().map(|version| version.id).collect();
        let limit = self.options.chunk;
        doors::let_everyone_out(&self.store, lease, &versions, limit, || self.clock.now(), || true).await
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
