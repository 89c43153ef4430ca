//! What people do, with a note in the audit chain of each thing done, written in the transaction of the deed, or in the first
//! of them where it takes several: the verbs of the command line act by this.
use super::canvases::Act;
use super::{CanvasState, Erased, Rebound, Recreated, Resends, Resumed, SentAgain, Stopped};
use crate::runner::Runner;
use caravan_model::{Canvas, Connections, Digest, Millis, ProfileId};
use caravan_store::{Caps, DocumentKind, HoldScope, LaneKey, Store, Version};
use serde_json::{Value, json};

/// A runner in somebody's hands.
pub struct Acting<'a, S: Store> {
    runner: &'a Runner<S>,
    who: String,
}

impl<S: Store> Runner<S> {
    /// This runner in somebody's hands: `cli:ann`, `key:NAME`, `host`. What is done is noted under this name.
    pub fn acting(&self, who: impl Into<String>) -> Acting<'_, S> {
        Acting { runner: self, who: who.into() }
    }
}

/// The words that name what a hold holds.
fn scope_words(scope: &HoldScope) -> String {
    match scope {
        HoldScope::Everything => "everything".to_owned(),
        HoldScope::Connector { name } => format!("connector {name}"),
        HoldScope::Connection { name } => format!("connection {name}"),
        HoldScope::Audience { key } => queue_words(key),
    }
}

fn queue_words(key: &LaneKey) -> String {
    format!("queue {} of {} at {}", key.audience, key.account, key.connector)
}

impl<S: Store> Acting<'_, S> {
    /// The name that people read beside a hold.
    fn by(&self) -> &str {
        self.who.strip_prefix("cli:").unwrap_or(&self.who)
    }

    /// Who acts, as the audit chain names them.
    pub(super) fn who(&self) -> &str {
        &self.who
    }

    pub(crate) fn runner(&self) -> &Runner<S> {
        self.runner
    }

    pub(super) fn store(&self) -> &S {
        &self.runner.store
    }

    pub(super) fn now(&self) -> Millis {
        self.runner.clock.now()
    }

    /// Appends a note of something that is done outside the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn note(&self, verb: &str, object: &str, details: Value) -> crate::Result<()> {
        self.put(Vec::new(), verb, object, details).await
    }

    /// Writes documents and a note of it in one transaction.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put(
        &self,
        documents: Vec<(DocumentKind, String, Option<String>)>,
        verb: &str,
        object: &str,
        details: Value,
    ) -> crate::Result<()> {
        let lease = self.runner.lease().await?;
        Ok(self.runner.store.note(lease, documents, vec![self.noted(verb, object, details)]).await?)
    }

    /// Keeps a connector's bytes; gives their digest. Notes nothing: what becomes of them is a document's change.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep_component(&self, name: &str, version: &str, bytes: Vec<u8>) -> crate::Result<Digest> {
        let lease = self.runner.lease().await?;
        let (name, version) = (name.to_owned(), version.to_owned());
        Ok(self.runner.store.keep_component(lease, name, version, bytes, self.now()).await?)
    }

    /// Forgets a connector's bytes; false where they were not there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn drop_component(&self, digest: Digest) -> crate::Result<bool> {
        let lease = self.runner.lease().await?;
        Ok(self.runner.store.drop_component(lease, digest).await?)
    }

    /// As [`Runner::publish`]; the same document again is no change, and is not noted.
    ///
    /// # Errors
    /// As there.
    pub async fn publish(&self, canvas: Canvas, connections: &Connections) -> crate::Result<Version> {
        // The store adds the version's number.
        let mut order = self.order("canvas.publish", &format!("canvas {}", canvas.canvas), json!({})).await?;
        let version = self.runner.publish_under(&mut order, canvas, connections).await?;
        self.drop_published(&version).await?;
        Ok(version)
    }

    /// As [`Runner::pause_canvas`].
    ///
    /// # Errors
    /// As there.
    pub async fn pause_canvas(&self, canvas: &str) -> crate::Result<CanvasState> {
        self.runner.set_canvas(canvas, CanvasState::Paused, self.by(), self.act("canvas.pause")).await
    }

    /// As [`Runner::stop_entries`].
    ///
    /// # Errors
    /// As there.
    pub async fn stop_entries(&self, canvas: &str) -> crate::Result<CanvasState> {
        self.runner.set_canvas(canvas, CanvasState::Closed, self.by(), self.act("canvas.stop-entries")).await
    }

    /// As [`Runner::stop_now`].
    ///
    /// # Errors
    /// As there.
    pub async fn stop_now(&self, canvas: &str) -> crate::Result<Stopped> {
        self.runner.stop_at_once(canvas, self.by(), self.act("canvas.stop-now")).await
    }

    /// As [`Runner::let_out`]; only how many is noted.
    ///
    /// # Errors
    /// As there.
    pub async fn let_out(&self, canvas: &str, people: &[ProfileId]) -> crate::Result<u64> {
        let details = json!({"people": people.len()});
        let mut order = self.order("canvas.let-out", &format!("canvas {canvas}"), details).await?;
        let left = self.runner.let_out_under(&mut order, canvas, people).await?;
        self.close(order).await?;
        Ok(left)
    }

    /// As [`Runner::resume_canvas`].
    ///
    /// # Errors
    /// As there.
    pub async fn resume_canvas(&self, canvas: &str) -> crate::Result<CanvasState> {
        self.runner.open_again(canvas, self.act("canvas.resume")).await
    }

    /// The act of a verb, for what writes its note with the change.
    fn act<'b>(&'b self, verb: &'b str) -> Option<Act<'b>> {
        Some(Act { who: &self.who, verb })
    }

    /// As [`Runner::cap_canvas`], with the note in the same transaction.
    ///
    /// # Errors
    /// As there.
    pub async fn cap_canvas(&self, canvas: &str, caps: Caps) -> crate::Result<()> {
        let document = self.runner.caps_document(canvas, caps).await?;
        let details = json!({"total": caps.in_all, "day": caps.a_day, "run": caps.a_run});
        self.put(vec![document], "canvas.cap", &format!("canvas {canvas}"), details).await
    }

    /// As [`Runner::hold`].
    ///
    /// # Errors
    /// As there.
    pub async fn hold(&self, scope: HoldScope, words: &str) -> crate::Result<()> {
        let object = scope_words(&scope);
        let mut order = self.order("queue.hold", &object, json!({"because": words.trim()})).await?;
        self.runner.hold_under(&mut order, scope, words, self.by()).await
    }

    /// As [`Runner::lift`].
    ///
    /// # Errors
    /// As there.
    pub async fn lift(&self, scope: HoldScope) -> crate::Result<bool> {
        let object = scope_words(&scope);
        let mut order = self.order("queue.resume", &object, Value::Null).await?;
        self.runner.lift_under(&mut order, scope).await
    }

    /// As [`Runner::resume`].
    ///
    /// # Errors
    /// As there.
    pub async fn resume(&self, key: &LaneKey) -> crate::Result<Resumed> {
        let mut order = self.order("queue.resume", &queue_words(key), Value::Null).await?;
        self.runner.resume_under(&mut order, key).await
    }

    /// As [`Runner::resend`].
    ///
    /// # Errors
    /// As there.
    pub async fn resend(&self, what: &Resends) -> crate::Result<SentAgain> {
        let details = json!({"step": what.step, "status": what.status.word(), "reason": what.reason});
        let mut order = self.order("queue.resend", &format!("canvas {}", what.canvas), details).await?;
        let again = self.runner.resend_under(&mut order, what).await?;
        self.close(order).await?;
        Ok(again)
    }

    /// As [`Runner::refill`].
    ///
    /// # Errors
    /// As there.
    pub async fn refill(&self, audience: &str) -> crate::Result<u64> {
        let mut order = self.order("audience.refill", &format!("audience {audience}"), Value::Null).await?;
        let queued = self.runner.refill_under(&mut order, audience).await?;
        self.close(order).await?;
        Ok(queued)
    }

    /// As [`Runner::take_back`].
    ///
    /// # Errors
    /// As there.
    pub async fn take_back(&self, canvas: &str, step: &str) -> crate::Result<u64> {
        let mut order = self.order("audience.takeback", &format!("canvas {canvas}"), json!({"step": step})).await?;
        let queued = self.runner.take_back_under(&mut order, canvas, step).await?;
        self.close(order).await?;
        Ok(queued)
    }

    /// As [`Runner::rebind`].
    ///
    /// # Errors
    /// As there.
    pub async fn rebind(&self, audience: &str, partner_id: &str, refill: bool) -> crate::Result<Rebound> {
        let from = self.runner.audience_named(audience).await?.partner_id;
        let details = json!({"from": from, "to": partner_id, "refill": refill});
        let mut order = self.order("audience.rebind", &format!("audience {audience}"), details).await?;
        let rebound = self.runner.rebind_under(&mut order, audience, partner_id, refill).await?;
        self.close(order).await?;
        Ok(rebound)
    }

    /// As [`Runner::recreate`].
    ///
    /// # Errors
    /// As there.
    pub async fn recreate(&self, audience: &str) -> crate::Result<Recreated> {
        let from = self.runner.audience_named(audience).await?.partner_id;
        let mut order = self.order("audience.recreate", &format!("audience {audience}"), json!({"from": from})).await?;
        let made = self.runner.recreate_under(&mut order, audience).await?;
        self.close(order).await?;
        Ok(made)
    }

    /// As [`Runner::erase`]; the note has our numbers of the people, nothing of theirs.
    ///
    /// # Errors
    /// As there.
    pub async fn erase(&self, people: &[ProfileId]) -> crate::Result<Erased> {
        let numbers: Vec<String> = people.iter().take(20).map(|profile| profile.0.to_string()).collect();
        let object = match people.len() {
            0..=20 => format!("profiles {}", numbers.join(", ")),
            n => format!("profiles {} and {} more", numbers.join(", "), n - 20),
        };
        let mut order = self.order("profile.erase", &object, json!({"people": people.len()})).await?;
        self.runner.erase_under(&mut order, people).await
    }
}
