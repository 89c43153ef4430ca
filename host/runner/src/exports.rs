//! Exports: activations that are done once. Whoever asked is mailed when everyone is through, with what became of them.
use crate::control::{CanvasState, states};
use crate::error::written;
use crate::occasions;
use crate::runner::Runner;
use crate::shared::Shared;
use caravan_model::alert::{Channel, Message};
use caravan_model::{Code, Duration, Millis, Problem, Status, reasons};
use caravan_store::{Counters, DocumentKind, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How long after a mail did not leave the next try comes.
const AGAIN: Duration = Duration::MINUTE;
/// After so many days without success nobody is mailed any more.
const GIVEN_UP: Duration = Duration::DAY.times(3);

/// An export that somebody waits for; the document's id is the canvas's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ExportDocument {
    /// Who is mailed.
    mail: String,
    /// When it was asked for.
    asked: Millis,
    /// When the mail is tried next.
    #[serde(default)]
    due: Millis,
}

impl<S: Store> Runner<S> {
    /// Notes that somebody is to be mailed once everyone of an export's canvas is through.
    ///
    /// # Errors
    /// CV004 where it is no mail address, or what the store says.
    pub async fn mail_when_done(&self, canvas: &str, mail: &str) -> crate::Result<()> {
        channel(mail)?;
        let lease = self.lease().await?;
        let document = ExportDocument { mail: mail.to_owned(), asked: self.clock.now(), due: Millis(0) };
        let text = written(&document)?;
        Ok(self.store.put_documents(lease, vec![(DocumentKind::Export, canvas.to_owned(), Some(text))]).await?)
    }
}

fn channel(mail: &str) -> Result<Channel, Problem> {
    format!("mailto:{mail}").parse::<Channel>().map_err(|_| {
        let problem = Problem::new(Code::BadValue, "this is no mail address").at_path("mail");
        problem.cure("write ann@acme.example")
    })
}

/// Mails those whose export is through; gives how many that were.
pub(crate) async fn run<S: Store>(shared: &Shared<S>) -> crate::Result<u64> {
    let waiting = shared.documents(DocumentKind::Export).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let (mut done, now) = (0, shared.now());
    for (canvas, text) in waiting.iter() {
        let Ok(mut document) = serde_json::from_str::<ExportDocument>(text) else { continue };
        if document.due > now {
            continue;
        }
        let Some(body) = told(shared, canvas).await? else { continue };
        let Some(messenger) = &shared.options.alerts.messenger else { continue };
        let message = Message::Mail {
            id: format!("export-{canvas}-{}", document.asked.0),
            subject: format!("{}: the export {canvas} is through", shared.options.alerts.policy.source),
            body,
        };
        let sent = match channel(&document.mail) {
            Ok(channel) => messenger.send(&channel, &message).await.map_err(|error| error.again),
            Err(_) => Err(false),
        };
        let kept = match sent {
            Ok(()) => None,
            Err(again) if again && document.asked.after(GIVEN_UP) > now => {
                document.due = now.after(AGAIN);
                Some(written(&document)?)
            }
            Err(_) => {
                tracing::warn!(canvas, "whoever asked for an export could not be mailed");
                None
            }
        };
        done += u64::from(kept.is_none());
        shared.store.put_documents(shared.lease, vec![(DocumentKind::Export, canvas.clone(), kept)]).await?;
    }
    Ok(done)
}

/// What became of everyone, once nobody is on the way any more; `None` until then.
async fn told<S: Store>(shared: &Shared<S>, canvas: &str) -> crate::Result<Option<String>> {
    let Some(route) = shared.newest_versions().into_iter().find(|route| route.canvas.as_str() == canvas) else {
        return Ok(None);
    };
    let stopped = states(&shared.store).await?.of(canvas) == CanvasState::Stopped;
    let counters = shared.store.counters(route.version).await?;
    let waits = counters.counts.iter().any(|count| count.status == Status::Waiting && count.n > 0);
    let coming = occasions::still_to_come(&shared.store, &route).await?.is_some();
    if counters.open > 0 || waits || (coming && !stopped) {
        return Ok(None);
    }
    let mut body = format!("{} people were exported by {canvas}.\n", counters.entered);
    for (at, sync) in route.plan.syncs() {
        let name = route.plan.audience(sync.audience).unwrap_or_default();
        let bound = shared.store.audience(&crate::registered_name(&route.canvas, name)).await?;
        let id = bound.and_then(|audience| audience.partner_id).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(body, "\naudience {name} ({id})");
        for (words, n) in outcomes(&counters, at.0) {
            let _ = writeln!(body, "  {n} {words}");
        }
    }
    body.push_str("\nThese audiences are never changed again by this export.\n");
    Ok(Some(body))
}

/// What became of a step's people, in words.
fn outcomes(counters: &Counters, step: u16) -> BTreeMap<String, u64> {
    let mut outcomes = BTreeMap::new();
    for count in counters.counts.iter().filter(|count| count.step.0 == step && count.n > 0) {
        let why = reasons::words_of(&count.reason);
        let words = match why.is_empty() {
            true => count.status.word().to_owned(),
            false => format!("{}: {why}", count.status.word()),
        };
        *outcomes.entry(words).or_default() += count.n;
    }
    outcomes
}
