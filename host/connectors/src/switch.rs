//! A connection's connector that changes its version between two calls, tries a new one on one batch at a time, and goes
//! back by itself where the new one breaks.
use caravan_model::port::{Answer, Ask, BoxFuture, CallContext, CallOutcome, Connector};
use caravan_model::{Cause, Code, Digest, Fault, Manifest, Problem, Report};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For how many batches after its first good one a new version is still watched.
const WATCHED: u32 = 100;

/// What happened to a connection's version; for logs, alerts and the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new version waits for its first batch.
    OnTrial(Digest),
    /// Its first batch went well: it serves all batches now.
    Promoted(Digest),
    /// It broke: the version before serves again. Why, in the words of its fault.
    RolledBack {
        /// The version that broke.
        from: Digest,
        /// The version that serves again.
        to: Digest,
        /// Why.
        because: String,
    },
}

/// The switch: it serves the port as the version that is in use does.
///
/// A slice is sealed for one version and keeps it ([`Connector::version_for`]), so that the change falls between two
/// slices and each names the version that carries it. While a version is on trial, one slice at a time goes through it and
/// all others through the version before. A trap, a broken limit, a `bug`
/// or `misconfigured` takes it back at once, and the batch is repeated through the version before; what the partner
/// answers, or does not answer, never does.
pub struct Switch {
    /// Whose shape all versions share: what is sealed under one can be sent by another.
    shape: Arc<dyn Connector>,
    state: Shared,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    current: Arc<dyn Connector>,
    /// The version to go back to.
    before: Option<Arc<dyn Connector>>,
    /// Batches for which the current one is still watched.
    watched: u32,
    trial: Option<Trial>,
    changes: Vec<Change>,
}

struct Trial {
    candidate: Arc<dyn Connector>,
    /// A batch is with it.
    busy: bool,
}

impl Switch {
    /// A switch whose version in use is this one.
    pub fn new(current: Arc<dyn Connector>) -> Switch {
        let state = State { current: current.clone(), before: None, watched: 0, trial: None, changes: Vec::new() };
        Switch { shape: current, state: Shared(Arc::new(Mutex::new(state))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Tries another version from the next batch on; a version that was on trial before is dropped. The version in use
    /// does nothing.
    ///
    /// # Errors
    /// CV052 where what was sealed for the version in use could not be sent by the other one: it begins with the next run.
    pub fn try_version(&self, candidate: Arc<dyn Connector>) -> Result<(), Problem> {
        if let Some(what) = other_shape(&*self.shape, &*candidate) {
            return Err(Problem::new(
                Code::BadManifest,
                format!(
                    "this version cannot take over within a run: its {what} differ from those of the version in use"
                ),
            )
            .cure("let the run end, or stop it: the next one begins with this version"));
        }
        let mut state = self.state();
        if state.current.digest() == candidate.digest() {
            state.trial = None;
            return Ok(());
        }
        state.changes.push(Change::OnTrial(candidate.digest()));
        state.trial = Some(Trial { candidate, busy: false });
        Ok(())
    }

    /// Goes back to the version before, or drops the one on trial. False where there is neither.
    pub fn roll_back(&self, because: &str) -> bool {
        let mut state = self.state();
        if let Some(trial) = state.trial.take() {
            let (from, to) = (trial.candidate.digest(), state.current.digest());
            state.changes.push(Change::RolledBack { from, to, because: because.to_owned() });
            return true;
        }
        state.go_back(because)
    }

    /// Drops a version that is on trial: the one in use goes on.
    pub fn keep(&self) {
        self.state().trial = None;
    }

    /// The version in use: not one that is on trial.
    pub fn in_use(&self) -> Digest {
        self.state().current.digest()
    }

    /// What happened since this was asked last.
    pub fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.state().changes)
    }

    /// The version that carries a slice: the one on trial, unless it is with another slice or the slice was sealed by
    /// another version.
    fn carrier(&self, sealed: Option<Digest>) -> Carrier {
        let mut state = self.state();
        let fits = |trial: &&mut Trial| !trial.busy && sealed.is_none_or(|digest| digest == trial.candidate.digest());
        let (version, on_trial) = match state.trial.as_mut().filter(fits) {
            Some(trial) => {
                trial.busy = true;
                (trial.candidate.clone(), true)
            }
            None => (state.current.clone(), false),
        };
        Carrier {
            shape: self.shape.clone(),
            state: self.state.clone(),
            version,
            on_trial,
            broke: AtomicBool::new(false),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a batch's outcome means for the version that carried it. True where that version was taken back.
    fn judge(&self, version: Digest, outcome: &CallOutcome) -> bool {
        let verdict = verdict(outcome);
        let mut state = self.lock();
        if state.trial.as_ref().is_some_and(|trial| trial.candidate.digest() == version) {
            return state.judge_trial(verdict);
        }
        if state.current.digest() != version || state.watched == 0 {
            // A version that was taken back meanwhile: its last batches too are repeated by the one in use.
            return matches!(verdict, Verdict::Broken(_)) && state.current.digest() != version;
        }
        match verdict {
            Verdict::Good => state.watched -= 1,
            Verdict::Broken(because) => return state.go_back(&because),
            Verdict::Partner => {}
        }
        false
    }
}

/// A version that carries one slice. Dropped, it lets another slice try the version.
struct Carrier {
    shape: Arc<dyn Connector>,
    state: Shared,
    version: Arc<dyn Connector>,
    on_trial: bool,
    /// The version broke under this slice.
    broke: AtomicBool,
}

impl Carrier {
    /// Its version, or the one in use where its own was taken back while the slice was under way.
    fn stands(&self) -> Arc<dyn Connector> {
        let (state, digest) = (self.state.lock(), self.version.digest());
        let tried = state.trial.as_ref().is_some_and(|trial| trial.candidate.digest() == digest);
        let dropped = self.on_trial && !tried && state.current.digest() != digest;
        if dropped || self.broke.load(Ordering::SeqCst) { state.current.clone() } else { self.version.clone() }
    }

    async fn sync(&self, context: CallContext, ask: Ask) -> CallOutcome {
        let version = self.stands();
        let digest = version.digest();
        let mut outcome = version.call(context, ask).await;
        if self.state.judge(digest, &outcome) {
            self.broke.store(true, Ordering::SeqCst);
            let because = match fault(&outcome) {
                Some(fault) => fault.cause().map(ToString::to_string).unwrap_or_default(),
                None => String::new(),
            };
            let words = format!(
                "version sha256:{} was taken back: {because}; the batch is repeated by the one before",
                digest.short()
            );
            // What it did at the partner stays told in `effect`; the repeat has the same rows.
            let fault = Fault::Unavailable { after_ms: Some(0), cause: Cause::new("rolled-back", words) };
            outcome.answer = Ok(Answer::Report(Report::fault(fault)));
        }
        outcome
    }
}

impl Connector for Carrier {
    fn manifest(&self) -> &Manifest {
        self.shape.manifest()
    }

    fn digest(&self) -> Digest {
        self.version.digest()
    }

    fn settings(&self) -> &Map<String, Value> {
        self.shape.settings()
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        if matches!(ask, Ask::Sync { .. }) {
            return Box::pin(self.sync(context, ask));
        }
        Box::pin(async move { self.stands().call(context, ask).await })
    }
}

/// Lets the next slice try a version once this one is through, also where its call was dropped half-way.
impl Drop for Carrier {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Some(trial) = state.trial.as_mut().filter(|_| self.on_trial)
            && trial.candidate.digest() == self.version.digest()
        {
            trial.busy = false;
        }
    }
}

impl State {
    fn judge_trial(&mut self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Partner => false,
            Verdict::Good => {
                if let Some(trial) = self.trial.take() {
                    self.changes.push(Change::Promoted(trial.candidate.digest()));
                    self.before = Some(std::mem::replace(&mut self.current, trial.candidate));
                    self.watched = WATCHED;
                }
                false
            }
            Verdict::Broken(because) => {
                if let Some(trial) = self.trial.take() {
                    let (from, to) = (trial.candidate.digest(), self.current.digest());
                    self.changes.push(Change::RolledBack { from, to, because });
                }
                true
            }
        }
    }

    fn go_back(&mut self, because: &str) -> bool {
        let Some(before) = self.before.take() else { return false };
        let from = std::mem::replace(&mut self.current, before).digest();
        self.watched = 0;
        let to = self.current.digest();
        self.changes.push(Change::RolledBack { from, to, because: because.to_owned() });
        true
    }
}

enum Verdict {
    /// The partner took the batch.
    Good,
    /// The version itself broke.
    Broken(String),
    /// The partner's word, or none: it says nothing of the version.
    Partner,
}

fn fault(outcome: &CallOutcome) -> Option<&Fault> {
    match &outcome.answer {
        Ok(Answer::Report(report)) => report.fault.as_ref(),
        Ok(_) => None,
        Err(fault) => Some(fault),
    }
}

fn verdict(outcome: &CallOutcome) -> Verdict {
    let words = |fault: &Fault| fault.cause().map(ToString::to_string).unwrap_or_default();
    match fault(outcome) {
        None => Verdict::Good,
        Some(fault @ (Fault::Bug { .. } | Fault::Misconfigured { .. })) => Verdict::Broken(words(fault)),
        // A broken limit, and a request beyond the grant, are the version's; a missing account is the connection's.
        Some(fault @ Fault::Stopped { cause })
            if [Code::LimitBreached.as_str(), Code::Denied.as_str()].contains(&cause.code.as_str()) =>
        {
            Verdict::Broken(words(fault))
        }
        Some(_) => Verdict::Partner,
    }
}

/// Which part of the shape differs: what is sealed, batched and charged by one version must be right for the other.
fn other_shape(one: &dyn Connector, other: &dyn Connector) -> Option<&'static str> {
    let (a, b) = (one.manifest(), other.manifest());
    let differs = [
        ("names", a.name != b.name),
        ("match keys", a.keys != b.keys || a.groups != b.groups || a.flags != b.flags),
        ("actions", a.actions != b.actions),
        ("batches", a.batch != b.batch),
        ("quotas", a.quotas != b.quotas),
        ("audiences", a.audience != b.audience),
        ("credentials", a.auth != b.auth),
        ("settings", one.settings() != other.settings()),
    ];
    differs.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
}

impl Connector for Switch {
    fn manifest(&self) -> &Manifest {
        self.shape.manifest()
    }

    /// That of the version that the next slice goes through.
    fn digest(&self) -> Digest {
        let state = self.state();
        let trial = state.trial.as_ref().filter(|trial| !trial.busy);
        trial.map_or_else(|| state.current.digest(), |trial| trial.candidate.digest())
    }

    fn settings(&self) -> &Map<String, Value> {
        self.shape.settings()
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        if matches!(ask, Ask::Sync { .. }) {
            // A batch on its own is a slice of one part.
            let carrier = self.carrier(None);
            return Box::pin(async move { carrier.sync(context, ask).await });
        }
        let version = self.state().current.clone();
        Box::pin(async move { version.call(context, ask).await })
    }

    fn version_for(&self, sealed: Option<Digest>) -> Option<Arc<dyn Connector>> {
        Some(Arc::new(self.carrier(sealed)))
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        let version = self.state().current.clone();
        Box::pin(async move { version.tend().await })
    }
}

#[cfg(test)]
mod tests;
