//! Sending visits again that ended without success (design, 11.9).
use super::PAGES;
use super::order::Order;
use super::{CanvasState, states};
use crate::route::Route;
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Code, Problem, Status, StepIx};
use caravan_store::{Again, Resend, Store};
use std::collections::BTreeSet;

/// Which visits are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resends {
    /// The canvas, over all its versions.
    pub canvas: String,
    /// Only those of this step.
    pub step: Option<String>,
    /// `Expired`, `Rejected` or `Skipped`; `Failed` of steps that call an endpoint.
    pub status: Status,
    /// Only those with this reason code.
    pub reason: Option<String>,
}

/// What a resend queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentAgain {
    /// Visits that wait once more.
    pub offered: u64,
    /// Visits left alone because something newer of the same person has ended or waits there, or because they left the
    /// canvas by an exit since.
    pub overtaken: u64,
}

impl<S: Store> Runner<S> {
    /// Sends visits of a canvas again. Those of an audience become new operations at the end of the queue where the name of
    /// their audience leads today; the newest version's go first, so that a person's newest visit is the one that is sent.
    /// For failed ones of webhook steps their endpoints are called again, under the same keys; nobody moves by it.
    ///
    /// # Errors
    /// The canvas or step is not there, another status is named, an audience is not bound, the canvas is stopped and its
    /// endpoints would be called, or what the store says.
    pub async fn resend(&self, what: &Resends) -> crate::Result<SentAgain> {
        self.resend_under(&mut self.unordered().await?, what).await
    }

    pub(super) async fn resend_under(&self, order: &mut Order, what: &Resends) -> crate::Result<SentAgain> {
        let calls = match what.status {
            Status::Failed => true,
            Status::Expired | Status::Rejected | Status::Skipped => false,
            other => {
                let words = format!("`{}` visits are not sent again", other.word());
                let cure = "name expired, rejected or skipped; or failed, of steps that call an endpoint";
                return Err(Problem::new(Code::Usage, words).cure(cure).into());
            }
        };
        let versions = self.versions_of(&what.canvas).await?;
        let mut known = BTreeSet::new();
        for version in &versions {
            let plan = CompiledCanvas::new(&version.canvas)?;
            known.extend(steps_of(&plan, calls).filter_map(|at| plan.step(at)).map(|step| step.id.to_string()));
        }
        if let Some(step) = what.step.as_ref().filter(|step| !known.contains(*step)) {
            return Err(if calls {
                no_webhook(&what.canvas, step, &known)
            } else {
                no_sync(&what.canvas, step, &known)
            }
            .into());
        }
        if calls && states(&self.store).await?.of(&what.canvas) == CanvasState::Stopped {
            let words = format!("{} is stopped: no endpoint is called for it", what.canvas);
            let cure = format!("`caravan canvas resume {}` opens it again, and lets people in again", what.canvas);
            return Err(Problem::new(Code::Usage, words).cure(cure).into());
        }
        let mut sent = SentAgain::default();
        for version in versions.iter().rev() {
            let route = Route::of(&self.store, order.lease(), version).await?;
            for at in steps_of(&route.plan, calls) {
                let id = route.plan.step(at).map(|step| step.id.as_str());
                if what.step.as_deref().is_some_and(|wanted| id != Some(wanted)) {
                    continue;
                }
                let mut page = Resend {
                    version: version.id,
                    step: at,
                    to: again(&route, at)?,
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

/// The steps that call an endpoint, or those that sync an audience.
fn steps_of(plan: &CompiledCanvas, calls: bool) -> impl Iterator<Item = StepIx> {
    let webhooks = plan.webhooks().map(|(at, _)| at).filter(move |_| calls);
    webhooks.chain(plan.syncs().map(|(at, _)| at).filter(move |_| !calls))
}

/// Where a step's visits go when they are sent again.
fn again(route: &Route, at: StepIx) -> Result<Again, Problem> {
    let Some(sync) = route.plan.sync(at) else { return Ok(Again::Called) };
    match route.lanes.get(usize::from(sync.audience.0)).and_then(Option::as_ref) {
        Some(lane) => Ok(Again::Queued { lane: lane.lane, connection: lane.connection, action: sync.action }),
        None => {
            let name = route.plan.audience(sync.audience).unwrap_or_default();
            let words = format!("the audience `{name}` of {} is not bound", route.canvas);
            Err(Problem::new(Code::AudienceMissing, words).cure("run the canvas again first"))
        }
    }
}

/// No version has such a webhook.
fn no_webhook(canvas: &str, step: &str, known: &BTreeSet<String>) -> Problem {
    let problem =
        Problem::new(Code::NotFound, format!("no version of {canvas} has a step `{step}` that calls an endpoint"));
    problem.cure(match known.is_empty() {
        true => "visits of steps that sync an audience are expired, rejected or skipped".to_owned(),
        false => format!("such steps are: {}", known.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    })
}

/// No version has such a sync.
pub(super) fn no_sync(canvas: &str, step: &str, known: &BTreeSet<String>) -> Problem {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem =
        Problem::new(Code::NotFound, format!("no version of {canvas} has a step `{step}` that syncs an audience"));
    problem.cure(match known.is_empty() {
        true => "none of its steps does; visits of a step that calls an endpoint are `failed`".to_owned(),
        false => format!("such steps are: {}", known.join(", ")),
    })
}
