//! Exports: activations that are done once. Whoever asked is mailed when everyone is through, with what became of them.
use crate::control::{CanvasState, states};
use crate::error::written;
use crate::occasions;
use crate::runner::Runner;
use crate::shared::Shared;
use caravan_model::alert::{Channel, Message};
use caravan_model::canvas::{Existing, Trigger};
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

/// Who is told of an export that is not through, or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportMail {
    /// Nobody, or they were told.
    Nobody,
    /// Somebody is mailed once everyone is through.
    Waits,
    /// Somebody is to be mailed, and no mail server is configured.
    NoServer,
}

impl ExportMail {
    /// What people read of it.
    pub fn words(self) -> &'static str {
        match self {
            ExportMail::Nobody => "nobody waits for a mail",
            ExportMail::Waits => "somebody is mailed once everyone is through",
            ExportMail::NoServer => "somebody waits for a mail, and no mail server is configured",
        }
    }
}

/// An activation of a segment, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivationState {
    /// The canvas that was written for it.
    pub canvas: String,
    /// `streaming`, or `once` for an export.
    pub mode: &'static str,
    /// Who is told of an export; `None` where it is kept in step.
    pub mail: Option<ExportMail>,
}

/// The activations of a segment, by canvas. `mails` says whether a mail server is configured.
///
/// # Errors
/// What the store says.
pub async fn activations_of<S: Store>(store: &S, segment: &str, mails: bool) -> crate::Result<Vec<ActivationState>> {
    let waiting = store.documents(DocumentKind::Export).await?;
    let mail = |canvas: &str| match waiting.iter().any(|(known, _)| known == canvas) {
        false => ExportMail::Nobody,
        true if mails => ExportMail::Waits,
        true => ExportMail::NoServer,
    };
    // Of each canvas the newest version counts.
    let mut all = BTreeMap::new();
    for version in store.versions().await? {
        let canvas = version.canvas.canvas.to_string();
        let state = match &version.canvas.entry.trigger {
            Trigger::Segment(trigger) if trigger.segment == segment && trigger.existing == Existing::Only => {
                let mail = Some(mail(&canvas));
                Some(ActivationState { canvas: canvas.clone(), mode: "once", mail })
            }
            Trigger::Segment(trigger) if trigger.segment == segment && trigger.in_step => {
                Some(ActivationState { canvas: canvas.clone(), mode: "streaming", mail: None })
            }
            _ => None,
        };
        all.insert(canvas, state);
    }
    Ok(all.into_values().flatten().collect())
}

/// What whoever exports should know of the mail that tells them of its end; `None` where it will come.
pub fn export_warning(mail: Option<&str>, mails: bool) -> Option<String> {
    match (mail, mails) {
        (None, _) => Some("nobody is mailed when this export is through: name an address to be".to_owned()),
        (Some(_), false) => {
            Some("no mail server is configured: the mail about this export waits until there is one".to_owned())
        }
        (Some(_), true) => None,
    }
}

impl<S: Store> Runner<S> {
    /// Whether mails can leave from here.
    pub fn mails(&self) -> bool {
        self.options.alerts.messenger.as_ref().is_some_and(|messenger| messenger.mails())
    }

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
        // Without a mail server it waits, which the activation's state says.
        let Some(messenger) = shared.options.alerts.messenger.as_ref().filter(|messenger| messenger.mails()) else {
            continue;
        };
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
