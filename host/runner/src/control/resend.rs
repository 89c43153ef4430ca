//! Sending visits again that ended without success (design, 11.9).
use super::PAGES;
use super::order::Order;
use crate::route::Route;
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Code, Problem, Status};
use caravan_store::{Resend, Store};
use std::collections::BTreeSet;

/// Which visits are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resends {
    /// The canvas, over all its versions.
    pub canvas: String,
    /// Only those of this step.
    pub step: Option<String>,
    /// `Expired`, `Rejected` or `Skipped`.
    pub status: Status,
    /// Only those with this reason code.
    pub reason: Option<String>,
}

/// What a resend queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentAgain {
    /// Visits that wait once more.
    pub offered: u64,
    /// Visits left alone because something newer of the same person has ended or waits there.
    pub overtaken: u64,
}

impl<S: Store> Runner<S> {
    /// Sends visits of a canvas again, each as a new operation at the end of its queue, where the name of its audience
    /// leads today. The newest version's go first, so that a person's newest visit is the one that is sent.
    ///
    /// # Errors
    /// The canvas or step is not there, another status is named, an audience is not bound, or what the store says.
    pub async fn resend(&self, what: &Resends) -> crate::Result<SentAgain> {
        self.resend_under(&mut self.unordered().await?, what).await
    }

    pub(super) async fn resend_under(&self, order: &mut Order, what: &Resends) -> crate::Result<SentAgain> {
        if !matches!(what.status, Status::Expired | Status::Rejected | Status::Skipped) {
            let words = format!("`{}` visits are not sent again", what.status.word());
            return Err(Problem::new(Code::Usage, words).cure("name expired, rejected or skipped").into());
        }
        let versions = self.versions_of(&what.canvas).await?;
        let mut known = BTreeSet::new();
        for version in &versions {
            let plan = CompiledCanvas::new(&version.canvas)?;
            known.extend(plan.syncs().filter_map(|(at, _)| plan.step(at)).map(|step| step.id.to_string()));
        }
        if let Some(step) = what.step.as_ref().filter(|step| !known.contains(*step)) {
            return Err(no_sync(&what.canvas, step, &known).into());
        }
        let mut sent = SentAgain::default();
        for version in versions.iter().rev() {
            let route = Route::of(&self.store, order.lease(), version).await?;
            for (at, sync) in route.plan.syncs() {
                let id = route.plan.step(at).map(|step| step.id.as_str());
                if what.step.as_deref().is_some_and(|wanted| id != Some(wanted)) {
                    continue;
                }
                let Some(lane) = route.lanes.get(usize::from(sync.audience.0)).and_then(Option::as_ref) else {
                    let name = route.plan.audience(sync.audience).unwrap_or_default();
                    let words = format!("the audience `{name}` of {} is not bound", what.canvas);
                    return Err(Problem::new(Code::AudienceMissing, words).cure("run the canvas again first").into());
                };
                let mut page = Resend {
                    version: version.id,
                    step: at,
                    lane: lane.lane,
                    connection: lane.connection,
                    action: sync.action,
                    status: what.status,
                    reason: what.reason.clone(),
                    before: None,
                    limit: self.options.chunk.saturating_mul(PAGES),
                    now: self.clock.now(),
                };
                loop {
                    let resent = self.store.resend(order.warrant(), page.clone()).await?;
                    sent.offered += resent.offered;
                    sent.overtaken += resent.overtaken;
                    page.before = resent.next;
                    if page.before.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(sent)
    }
}

/// No version has such a sync.
pub(super) fn no_sync(canvas: &str, step: &str, known: &BTreeSet<String>) -> Problem {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Problem::new(Code::NotFound, format!("no version of {canvas} has a step `{step}` that syncs an audience"))
        .cure(format!("such steps are: {}", known.join(", ")))
}
