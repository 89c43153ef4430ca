//! The watch: looks at the store every few seconds, keeps the book there, and lets notices leave.
use super::survey::Survey;
use super::{AlertBook, AlertOptions, AlertPolicy, Changes, render};
use caravan_model::alert::SendError;
use caravan_model::{Duration, Millis, Subscription};
use caravan_store::{DocumentKind, Lane, Lease, Store};
use std::collections::HashMap;
use std::time::Duration as Span;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// How often it looks at most.
const BEAT: Duration = Duration::SECOND.times(2);
/// How often subscriptions are read: a change takes effect within that.
const READING: Duration = Duration::SECOND.times(5);
/// How long one sending may take, whatever the messenger promises.
const LONGEST: Span = Span::from_secs(90);
/// How long [`Watch::close`] waits for notices to leave. Others leave when someone watches again.
const PATIENCE: Span = Span::from_secs(10);

/// Watches over one store for a run. Where nobody has subscribed it does nothing but look for subscriptions.
///
/// Everything is stored before it is sent, so a crash repeats one notice of a subscription at most, under the same id.
/// Notices are sent by tasks of their own; [`Watch::tick`] never waits for them.
#[derive(Debug)]
pub struct Watch {
    options: AlertOptions,
    subscriptions: Vec<Subscription>,
    read: Option<Millis>,
    ticked: Option<Millis>,
    /// What is known of the store; nothing while nobody has subscribed.
    known: Option<Known>,
    sending: JoinSet<Result<(), SendError>>,
    /// Ids of the notices that are being sent.
    under_way: HashMap<Id, String>,
}

#[derive(Debug)]
struct Known {
    book: AlertBook,
    survey: Survey,
}

impl Watch {
    /// A watch that has seen nothing yet; its first tick opens the book.
    pub fn new(options: AlertOptions) -> Watch {
        Watch {
            options,
            subscriptions: Vec::new(),
            read: None,
            ticked: None,
            known: None,
            sending: JoinSet::new(),
            under_way: HashMap::new(),
        }
    }

    /// Looks, unless it did so a moment ago: what became of sendings, how everything stands, what is to be told. May be
    /// called at any rate.
    ///
    /// # Errors
    /// What the store says. A notice that does not leave is no error.
    pub async fn tick<S: Store>(&mut self, store: &S, lease: Lease, lanes: &[Lane], now: Millis) -> crate::Result<()> {
        if self.ticked.is_some_and(|ticked| ticked <= now && now.since(ticked) < BEAT) {
            return Ok(());
        }
        self.ticked = Some(now);
        let policy = self.options.policy.clone();
        self.look(store, lease, lanes, now, &policy, false).await
    }

    /// The last look of a run that has come to its end: what it leaves behind, and what it mended, is told at once, for
    /// nobody watches any longer whether it lasts. Waits a few seconds for notices to leave.
    ///
    /// # Errors
    /// As [`Watch::tick`].
    pub async fn close<S: Store>(&mut self, store: &S, lease: Lease, now: Millis) -> crate::Result<()> {
        if self.known.is_none() {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        // A subscription has one notice at a time: the last one must leave before the next is made.
        self.all_landed(store, lease, now, until).await?;
        let policy =
            AlertPolicy { gather: Duration::default(), settle: Duration::default(), ..self.options.policy.clone() };
        self.look(store, lease, &store.lanes().await?, now, &policy, true).await?;
        self.all_landed(store, lease, now, until).await
    }

    async fn look<S: Store>(
        &mut self,
        store: &S,
        lease: Lease,
        lanes: &[Lane],
        now: Millis,
        policy: &AlertPolicy,
        last: bool,
    ) -> crate::Result<()> {
        while let Some(landed) = self.sending.try_join_next_with_id() {
            self.landed(store, lease, now, landed).await?;
        }
        if last || self.read.is_none_or(|read| read > now || now.since(read) >= READING) {
            self.read_subscriptions(store, lease, now).await?;
        }
        let Some(Known { book, survey }) = &mut self.known else { return Ok(()) };
        let seen = survey.observe(store, lanes, &self.options.signals, now, policy, last).await?;
        let changes = book.observe(now, &seen, &self.subscriptions, policy);
        keep(store, lease, &changes).await?;
        self.send(now);
        Ok(())
    }

    /// Reads who wants to hear of what; opens the book with the first subscription, and closes it after the last.
    async fn read_subscriptions<S: Store>(&mut self, store: &S, lease: Lease, now: Millis) -> crate::Result<()> {
        let began = self.read.replace(now).is_none();
        let documents = store.documents(DocumentKind::Subscription).await?;
        self.subscriptions.clear();
        for (id, document) in documents {
            match serde_json::from_str(&document) {
                Ok(subscription) => self.subscriptions.push(subscription),
                // It may hold anything, so it is not repeated.
                Err(_) if began => {
                    tracing::warn!("the subscription {id} to alerts cannot be read: nobody is told by it")
                }
                Err(_) => {}
            }
        }
        if self.subscriptions.is_empty() {
            self.options.signals.take_traps();
            if began || self.known.take().is_some() {
                forget_all(store, lease).await?;
            }
        } else if self.known.is_none() {
            let alerts = store.documents(DocumentKind::Alert).await?;
            let notices = store.documents(DocumentKind::Notice).await?;
            let book = match AlertBook::from_documents(&alerts, &notices) {
                Ok(book) => book,
                Err(words) => {
                    tracing::warn!("{words}; the book of alerts begins anew");
                    forget_all(store, lease).await?;
                    AlertBook::default()
                }
            };
            let survey = Survey::new(&book, &self.options.policy);
            self.known = Some(Known { book, survey });
        }
        Ok(())
    }

    /// Sets a task to each notice that is due.
    fn send(&mut self, now: Millis) {
        let (Some(messenger), Some(Known { book, .. })) = (&self.options.messenger, &self.known) else { return };
        for notice in book.due(now) {
            let wanted = self.subscriptions.iter().find(|wanted| wanted.id == notice.subscription);
            let is_under_way = self.under_way.values().any(|id| *id == notice.id);
            let Some(wanted) = wanted.filter(|_| !is_under_way) else { continue };
            let message = render(notice, &wanted.to, &self.options.policy);
            let (messenger, channel) = (messenger.clone(), wanted.to.clone());
            let task = self.sending.spawn(async move {
                let sent = tokio::time::timeout(LONGEST, messenger.send(&channel, &message)).await;
                sent.unwrap_or_else(|_| Err(SendError::later("the sending did not end")))
            });
            self.under_way.insert(task.id(), notice.id.clone());
        }
    }

    /// Waits for all notices under way, until an instant at most.
    async fn all_landed<S: Store>(
        &mut self,
        store: &S,
        lease: Lease,
        now: Millis,
        until: Instant,
    ) -> crate::Result<()> {
        while let Ok(Some(landed)) = tokio::time::timeout_at(until, self.sending.join_next_with_id()).await {
            self.landed(store, lease, now, landed).await?;
        }
        Ok(())
    }

    /// Keeps what became of a sending.
    async fn landed<S: Store>(
        &mut self,
        store: &S,
        lease: Lease,
        now: Millis,
        landed: Result<(Id, Result<(), SendError>), JoinError>,
    ) -> crate::Result<()> {
        let (task, sent) = match landed {
            Ok(landed) => landed,
            Err(broken) => (broken.id(), Err(SendError::later(format!("the sending broke: {broken}")))),
        };
        let Some(id) = self.under_way.remove(&task) else { return Ok(()) };
        let Some(Known { book, .. }) = &mut self.known else { return Ok(()) };
        let changes = book.sent(now, &id, sent.as_ref().copied(), &self.options.policy);
        keep(store, lease, &changes).await
    }
}

/// Stores what changed, if anything did.
async fn keep<S: Store>(store: &S, lease: Lease, changes: &Changes) -> crate::Result<()> {
    for line in &changes.lines {
        tracing::warn!("{line}");
    }
    let documents = changes.documents().map_err(|wrong| crate::Error::Broken(wrong.to_string()))?;
    if !documents.is_empty() {
        store.put_documents(lease, documents).await?;
    }
    Ok(())
}

/// Nobody is to be told of anything any more.
async fn forget_all<S: Store>(store: &S, lease: Lease) -> crate::Result<()> {
    let mut gone = Vec::new();
    for kind in [DocumentKind::Alert, DocumentKind::Notice] {
        gone.extend(store.documents(kind).await?.into_iter().map(|(id, _)| (kind, id, None)));
    }
    if !gone.is_empty() {
        store.put_documents(lease, gone).await?;
    }
    Ok(())
}
