//! Pausing, closing and stopping a canvas, and opening it again (design, 11.12).
use super::order::Order;
use super::state::{CanvasState, StateDocument, states};
use crate::doors;
use crate::error::written;
use crate::exits;
use crate::runner::Runner;
use caravan_model::{Code, Problem, ProfileId};
use caravan_store::{DocumentKind, Lease, Note, Store};
use serde_json::Value;

/// What stopping at once did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Entries that ended with it.
    pub entries: u64,
}

/// Who changes how a canvas stands, and under which verb the audit chain says so.
#[derive(Clone, Copy)]
pub(super) struct Act<'a> {
    /// As the chain names them.
    pub who: &'a str,
    /// `canvas.pause`, …
    pub verb: &'a str,
}

impl<S: Store> Runner<S> {
    /// Nobody enters the canvas, and nobody inside moves on, until it is resumed; what is queued still goes. Gives how it
    /// stood.
    ///
    /// # Errors
    /// The canvas is not there, or what the store says.
    pub async fn pause_canvas(&self, canvas: &str, by: &str) -> crate::Result<CanvasState> {
        self.set_canvas(canvas, CanvasState::Paused, by, None).await
    }

    /// Nobody enters the canvas any more; those inside go on to their end. Gives how it stood.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn stop_entries(&self, canvas: &str, by: &str) -> crate::Result<CanvasState> {
        self.set_canvas(canvas, CanvasState::Closed, by, None).await
    }

    /// Nobody enters the canvas any more, and everyone inside leaves at once, from all its versions. What is queued of
    /// them and not sent is withdrawn; what is under way ends as it does. Cut short, a host that serves finishes it, or it
    /// is said again.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn stop_now(&self, canvas: &str, by: &str) -> crate::Result<Stopped> {
        self.stop_at_once(canvas, by, None).await
    }

    pub(super) async fn stop_at_once(&self, canvas: &str, by: &str, act: Option<Act<'_>>) -> crate::Result<Stopped> {
        let _alone = self.stops.lock().await;
        self.set_canvas(canvas, CanvasState::Stopped, by, act).await?;
        Ok(Stopped { entries: self.let_everyone_out(self.lease().await?, canvas).await? })
    }

    /// Lets people out of the canvas at once, wherever in it they wait, and withdraws what of theirs is unsent. Gives how
    /// many were inside.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn let_out(&self, canvas: &str, people: &[ProfileId]) -> crate::Result<u64> {
        self.let_out_under(&mut self.unordered().await?, canvas, people).await
    }

    pub(super) async fn let_out_under(
        &self,
        order: &mut Order,
        canvas: &str,
        people: &[ProfileId],
    ) -> crate::Result<u64> {
        let versions = self.versions_of(canvas).await?;
        let mut left = 0;
        // An entry is the canvas's, whatever version it is in.
        if let Some(version) = versions.last() {
            for chunk in people.chunks(self.options.chunk.max(1)) {
                left +=
                    exits::call_out(&self.store, order.warrant(), version.id, chunk.to_vec(), self.clock.now()).await?;
            }
        }
        Ok(left)
    }

    /// People enter and move on again. Gives how it stood.
    ///
    /// # Errors
    /// As [`Runner::pause_canvas`].
    pub async fn resume_canvas(&self, canvas: &str) -> crate::Result<CanvasState> {
        self.open_again(canvas, None).await
    }

    pub(super) async fn open_again(&self, canvas: &str, act: Option<Act<'_>>) -> crate::Result<CanvasState> {
        let _alone = self.stops.lock().await;
        if states(&self.store).await?.of(canvas) == CanvasState::Stopped {
            // A stop that was cut short is finished first: those who were inside do not go on.
            self.let_everyone_out(self.lease().await?, canvas).await?;
        }
        self.set_canvas(canvas, CanvasState::Live, "", act).await
    }

    async fn let_everyone_out(&self, lease: Lease, canvas: &str) -> crate::Result<u64> {
        let versions = self.versions_of(canvas).await?;
        let limit = self.options.chunk;
        doors::let_everyone_out(&self.store, lease, &versions, limit, || self.clock.now(), || true).await
    }

    /// Writes how a canvas stands, with the audit chain's note of it in the same transaction. Gives how it stood.
    pub(super) async fn set_canvas(
        &self,
        canvas: &str,
        state: CanvasState,
        by: &str,
        act: Option<Act<'_>>,
    ) -> crate::Result<CanvasState> {
        let lease = self.lease().await?;
        self.versions_of(canvas).await?;
        let before = states(&self.store).await?.of(canvas);
        if before == CanvasState::Archived && state != before {
            let problem = Problem::new(Code::BadValue, format!("{canvas} is archived"));
            return Err(problem.cure("publish it again: `caravan canvas restore` makes a version the draft").into());
        }
        let document = self.state_document(canvas, state, by)?;
        let Some(act) = act else {
            self.store.put_documents(lease, vec![document]).await?;
            return Ok(before);
        };
        let inside = super::what_waits(&self.store, canvas).await?.open;
        let mut note = Note::new(self.clock.now(), act.who, act.verb, format!("canvas {canvas}"));
        note.details.insert("was".to_owned(), Value::from(before.word(inside)));
        note.details.insert("inside".to_owned(), Value::from(inside));
        self.store.note(lease, vec![document], vec![note]).await?;
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
        let document = self.state_document(canvas, state, by)?;
        Ok(self.store.put_documents(lease, vec![document]).await?)
    }

    /// The document that says how a canvas stands; none for one that is live.
    pub(super) fn state_document(
        &self,
        canvas: &str,
        state: CanvasState,
        by: &str,
    ) -> crate::Result<(DocumentKind, String, Option<String>)> {
        let document = match state {
            CanvasState::Live => None,
            state => {
                let document = StateDocument { state, since: self.clock.now(), by: by.to_owned() };
                Some(written(&document)?)
            }
        };
        Ok((DocumentKind::Canvas, canvas.to_owned(), document))
    }
}
