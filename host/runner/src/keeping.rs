//! How long things are kept: what is older than the policy says is dropped or folded, in bounded transactions; and whether
//! a store is whole.
use crate::control::Order;
use crate::error::written;
use crate::policy::policy_of;
use crate::runner::Runner;
use crate::shared::Shared;
use caravan_model::policy::KeepPolicy;
use caravan_model::{Duration, Millis};
use caravan_store::{Cursor, DocumentKind, Lease, Store, Sweep, Under};
use serde::{Deserialize, Serialize};

/// Rows that one transaction looks at.
const ROWS: usize = 5_000;
/// How often a host that stays looks through events and visits: both are read from the first on.
const EVERY: Duration = Duration::HOUR.times(24);
/// The id of the only document of its kind.
const ID: &str = "keeping";

/// What was too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Events that were dropped; their numbers and times stay.
    pub events: u64,
    /// Visits that were folded into sums; counters stay as they are.
    pub visits: u64,
    /// Requests and answers of calls that were forgotten.
    pub exchanges: u64,
}

/// When everything was looked through.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Looked {
    at: Millis,
}

/// Whether a store is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreState {
    /// What the engine finds wrong with its own structures, in its words.
    pub integrity: Vec<String>,
    /// What does not add up when everything is counted anew.
    pub books: Vec<String>,
}

impl StoreState {
    /// Nothing is off.
    pub fn is_whole(&self) -> bool {
        self.integrity.is_empty() && self.books.is_empty()
    }
}

/// Looks a store through: the engine's structures, and all sums against the rows. Reads everything.
///
/// # Errors
/// What the store says.
pub async fn look_through(store: &impl Store) -> crate::Result<StoreState> {
    let integrity = store.integrity().await?;
    // Books of a broken file would only repeat that it is broken.
    let books = if integrity.is_empty() { store.audit().await? } else { Vec::new() };
    Ok(StoreState { integrity, books })
}

impl<S: Store> Runner<S> {
    /// Drops and folds at once what is older than the policy keeps. A host that serves does so by itself, once a day.
    /// Cut short, it is said again.
    ///
    /// # Errors
    /// What the store says; its policy cannot be read.
    pub async fn prune(&self) -> crate::Result<Kept> {
        self.prune_under(self.unordered().await?).await
    }

    /// The same by somebody's order.
    ///
    /// # Errors
    /// As [`Runner::prune`].
    pub async fn prune_under(&self, mut order: Order) -> crate::Result<Kept> {
        let lease = order.lease();
        let keep = policy_of(&self.store).await?.keep;
        let kept = sweep(&self.store, order.warrant(), &keep, || self.clock.now(), || false).await?;
        looked(&self.store, lease, self.clock.now()).await?;
        Ok(kept)
    }
}

/// What a host does by itself: exchanges each time, the rest once a day.
pub(crate) async fn chore<S: Store>(shared: &Shared<S>) -> crate::Result<()> {
    let now = shared.now();
    // Read anew: a host stays for months.
    let keep = match policy_of(&shared.store).await {
        Ok(policy) => policy.keep,
        Err(crate::Error::Problem(problem)) => {
            tracing::warn!(code = %problem.code, "the policy cannot be read: nothing is dropped");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let documents = shared.store.documents(DocumentKind::Keeping).await?;
    let before = documents.iter().find(|(id, _)| id == ID).and_then(|(_, text)| serde_json::from_str(text).ok());
    if before.is_some_and(|before: Looked| before.at.after(EVERY) > now) {
        shared.store.prune(shared.lease, now.before(keep.exchanges)).await?;
        return Ok(());
    }
    sweep(&shared.store, shared.lease, &keep, || shared.now(), || shared.is_stopping()).await?;
    if !shared.is_stopping() {
        looked(&shared.store, shared.lease, shared.now()).await?;
    }
    Ok(())
}

async fn looked<S: Store>(store: &S, lease: Lease, at: Millis) -> crate::Result<()> {
    let text = written(&Looked { at })?;
    Ok(store.put_documents(lease, vec![(DocumentKind::Keeping, ID.to_owned(), Some(text))]).await?)
}

async fn sweep<S: Store>(
    store: &S,
    by: impl Under,
    keep: &KeepPolicy,
    now: impl Fn() -> Millis,
    stops: impl Fn() -> bool,
) -> crate::Result<Kept> {
    let by = by.into();
    let lease = by.lease;
    let mut kept = Kept { exchanges: store.prune(by, now().before(keep.exchanges)).await?, ..Kept::default() };
    let mut after = Some(Cursor::default());
    while let Some(cursor) = after.filter(|_| !stops()) {
        let sweep = Sweep { before: now().before(keep.events), after: cursor, limit: ROWS, now: now() };
        let swept = store.drop_events(lease, sweep).await?;
        kept.events += swept.done;
        after = swept.next;
    }
    let mut after = Some(Cursor::default());
    while let Some(cursor) = after.filter(|_| !stops()) {
        let sweep = Sweep { before: now().before(keep.statuses), after: cursor, limit: ROWS, now: now() };
        let swept = store.fold_visits(lease, sweep).await?;
        kept.visits += swept.done;
        after = swept.next;
    }
    Ok(kept)
}
