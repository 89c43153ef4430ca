//! `caravan alert add | list | show | remove | test`.
use crate::args::{AlertAddArgs, AlertVerb, Global};
use crate::fail::End;
use crate::host::alerts;
use crate::host::hands::actor;
use crate::{ask, out, stores};
use caravan_model::alert::{Channel, Messenger as _};
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{CanvasId, Code, Millis, Problem, Severity, Subscription, SubscriptionId};
use caravan_runner::alerts::{AlertBook, OpenAlert, render, trial};
use caravan_runner::control::Labs;
use caravan_store::{DocumentKind, Note, Slots, Sqlite, Store};
use serde_json::{Value, json};

/// Does a verb of alerts.
pub async fn alert(global: &Global, verb: AlertVerb) -> anyhow::Result<End> {
    match verb {
        AlertVerb::Add(args) => add(global, args).await,
        AlertVerb::List => list(global, &super::look(global)?).await,
        AlertVerb::Show { name } => show(global, &super::look(global)?, &name).await,
        AlertVerb::Remove { name } => {
            remove(global, &Sqlite::open(stores::existing(global)?, stores::options(global))?, &name).await
        }
        AlertVerb::Test { name } => test(global, &super::look(global)?, name.as_deref()).await,
    }
}

/// What the command line asks for, checked. A channel is never repeated: a secret may have been typed.
fn wanted(args: AlertAddArgs) -> Result<Subscription, Problem> {
    let wrong = |words: String| Problem::new(Code::BadValue, words).cure("`caravan alert add --help` shows the forms");
    Ok(Subscription {
        id: SubscriptionId::new(args.name).map_err(wrong)?,
        canvas: args.canvas.map(CanvasId::new).transpose().map_err(wrong)?,
        connection: args.connection,
        kinds: args.kinds,
        at_least: args.at_least,
        to: args.to.parse::<Channel>().map_err(wrong)?,
    })
}

async fn add(global: &Global, args: AlertAddArgs) -> anyhow::Result<End> {
    let wanted = wanted(args)?;
    let store = Sqlite::open(stores::to_set_up(global)?, stores::options(global))?;
    let known = alerts::subscriptions(&store).await?.iter().any(|known| known.id == wanted.id);
    write(&store, &wanted.id, Some(serde_json::to_string(&wanted)?)).await?;
    if !global.quiet {
        remarks(&store, &wanted).await?;
    }
    if global.json {
        out::print_json(&json!({"subscription": wanted, "to": wanted.to.to_string(), "changed": known}))?;
    } else {
        let verb = if known { "changed" } else { "added" };
        out::print(&format!("{} {verb}: {}, to {}", wanted.id, about(&wanted), wanted.to))?;
    }
    Ok(End::Done)
}

/// What may keep a subscription from telling anything.
async fn remarks(store: &Sqlite, wanted: &Subscription) -> anyhow::Result<()> {
    if let Some(canvas) = &wanted.canvas
        && !store.versions().await?.iter().any(|version| version.canvas.canvas == *canvas)
    {
        eprintln!("note: this store has no canvas `{canvas}` yet");
    }
    if let Some(connection) = &wanted.connection
        && !store.audiences().await?.iter().any(|audience| audience.connection == *connection)
    {
        eprintln!("note: no audience of this store uses a connection `{connection}` yet");
    }
    match alerts::messenger() {
        Ok(messenger) => alerts::unserved(&messenger, wanted).iter().for_each(|problem| eprintln!("{problem}")),
        Err(problem) => eprintln!("{problem}"),
    }
    Ok(())
}

async fn write(store: &Sqlite, id: &SubscriptionId, document: Option<String>) -> anyhow::Result<()> {
    let lease = store.lease("caravan alert", Slots::ALL, SystemClock.now()).await?;
    let verb = if document.is_some() { "alert.add" } else { "alert.remove" };
    let note = Note::new(SystemClock.now(), actor(), verb, format!("subscription {id}"));
    let written =
        store.note(lease, vec![(DocumentKind::Subscription, id.as_str().to_owned(), document)], vec![note]).await;
    store.release(lease).await?;
    Ok(written?)
}

/// What a subscription is about, in words.
fn about(wanted: &Subscription) -> String {
    let whose = match (&wanted.canvas, &wanted.connection) {
        (None, None) => "everything".to_owned(),
        (Some(canvas), None) => format!("canvas {canvas}"),
        (None, Some(connection)) => format!("connection {connection}"),
        (Some(canvas), Some(connection)) => format!("canvas {canvas} by connection {connection}"),
    };
    match wanted.at_least {
        Severity::Warning => format!("{whose}, {}", kinds(wanted)),
        Severity::Critical => format!("{whose}, {}, only critical", kinds(wanted)),
    }
}

fn kinds(wanted: &Subscription) -> String {
    if wanted.kinds.is_empty() {
        return "all kinds".to_owned();
    }
    wanted.kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ")
}

async fn book(store: &Sqlite) -> anyhow::Result<AlertBook> {
    let alerts = store.documents(DocumentKind::Alert).await?;
    let notices = store.documents(DocumentKind::Notice).await?;
    AlertBook::from_documents(&alerts, &notices).map_err(|words| Problem::new(Code::StoreDamaged, words).into())
}

fn alert_value(alert: &OpenAlert, now: Millis, labs: &Labs) -> Value {
    let lab = alert.facts.connection.as_deref().is_some_and(|name| labs.has(name));
    json!({"kind": alert.key.kind, "severity": alert.severity, "subject": alert.key.subject, "code": alert.key.code,
        "since": alert.opened, "connection": alert.facts.connection, "lab": lab,
        "places": alert.facts.places,
        "words": alert.words(now), "cure": alert.cure()})
}

/// All subscriptions and open alerts. What a run that has ended left behind stands as it left it.
async fn list(global: &Global, store: &Sqlite) -> anyhow::Result<End> {
    let (subscriptions, book) = (alerts::subscriptions(store).await?, book(store).await?);
    let now = SystemClock.now();
    let open: Vec<&OpenAlert> = book.open().collect();
    if global.json {
        let subscriptions: Vec<_> = subscriptions
            .iter()
            .map(|wanted| {
                let unsent = book.waiting(&wanted.id).map(|notice| &notice.subject);
                json!({"subscription": wanted, "to": wanted.to.to_string(), "unsent": unsent})
            })
            .collect();
        let labs = Labs::of(store).await?;
        let open: Vec<Value> = open.iter().map(|alert| alert_value(alert, now, &labs)).collect();
        out::print_json(&json!({"subscriptions": subscriptions, "alerts": open}))?;
    } else {
        let told = subscriptions.iter().map(|wanted| {
            let unsent = book.waiting(&wanted.id).map(|notice| format!("unsent: {}", notice.subject));
            (wanted, unsent.unwrap_or_default())
        });
        let open = open.iter().map(|alert| [out::instant(alert.opened), alert.severity.to_string(), alert.words(now)]);
        out::print(&in_words(told, open))?;
    }
    Ok(if open.is_empty() { End::Done } else { End::NeedsYou })
}

/// Who is told of what, with what is unsent to them, and what is wrong: since when, how bad, and in words.
pub fn in_words<'a>(
    subscriptions: impl Iterator<Item = (&'a Subscription, String)>,
    open: impl Iterator<Item = [String; 3]>,
) -> String {
    let row = |(wanted, unsent): (&Subscription, String)| {
        vec![wanted.id.to_string(), wanted.to.to_string(), about(wanted), unsent]
    };
    let rows: Vec<Vec<String>> = subscriptions.map(row).collect();
    let mut text = match rows.is_empty() {
        true => "nobody is told of anything: `caravan alert add NAME --to CHANNEL` subscribes\n".to_owned(),
        false => out::table(&["SUBSCRIPTION", "TO", "ABOUT", ""], &rows),
    };
    let open: Vec<Vec<String>> = open.map(Vec::from).collect();
    match open.is_empty() {
        true => text.push_str("\nno alert is open\n"),
        false => text.push_str(&format!("\n{}", out::table(&["SINCE", "SEVERITY", "ALERT"], &open))),
    }
    text
}

async fn find(store: &Sqlite, name: &str) -> anyhow::Result<Subscription> {
    let all = alerts::subscriptions(store).await?;
    let names: Vec<String> = all.iter().map(|wanted| wanted.id.to_string()).collect();
    all.into_iter().find(|wanted| wanted.id.as_str() == name).ok_or_else(|| {
        let cure = match names.as_slice() {
            [] => "there are none: `caravan alert add NAME --to CHANNEL` makes one".to_owned(),
            names => format!("the subscriptions are: {}", names.join(", ")),
        };
        Problem::new(Code::NotFound, format!("there is no subscription `{name}`")).cure(cure).into()
    })
}

/// What a subscription was told, and what is still to be sent, as data.
///
/// # Errors
/// There is no such subscription.
pub async fn show_as_json(store: &Sqlite, name: &str) -> anyhow::Result<Value> {
    let (wanted, book) = (find(store, name).await?, book(store).await?);
    let (now, labs) = (SystemClock.now(), Labs::of(store).await?);
    let state = book.told(&wanted.id);
    let told: Vec<Value> = told_of(&book, &wanted)
        .into_iter()
        .map(|(alert, at)| json!({"alert": alert_value(alert, now, &labs), "told": at}))
        .collect();
    let unsent = book.waiting(&wanted.id).map(
        |notice| json!({"subject": notice.subject, "made": notice.made, "tries": notice.tries, "due": notice.due}),
    );
    let unserved = alerts::messenger().map_or_else(Some, |messenger| alerts::unserved(&messenger, &wanted));
    Ok(json!({"subscription": wanted, "to": wanted.to.to_string(), "told": told, "unsent": unsent,
        "notices": state.map_or(0, |state| state.made), "unserved": unserved}))
}

/// The open alerts that a subscription was told of, and when.
fn told_of<'a>(book: &'a AlertBook, wanted: &Subscription) -> Vec<(&'a OpenAlert, Millis)> {
    let state = book.told(&wanted.id);
    book.open()
        .filter_map(|alert| {
            let told = state?.told.get(&alert.key)?;
            told.open.then_some((alert, told.at))
        })
        .collect()
}

async fn show(global: &Global, store: &Sqlite, name: &str) -> anyhow::Result<End> {
    if global.json {
        out::print_json(&show_as_json(store, name).await?)?;
        return Ok(End::Done);
    }
    let (wanted, book) = (find(store, name).await?, book(store).await?);
    let now = SystemClock.now();
    let state = book.told(&wanted.id);
    let told = told_of(&book, &wanted);
    let unsent = book.waiting(&wanted.id);
    let unserved = alerts::messenger().map_or_else(Some, |messenger| alerts::unserved(&messenger, &wanted));
    let mut text = format!("{}: {}, to {}\n", wanted.id, about(&wanted), wanted.to);
    let made = state.map_or(0, |state| state.made);
    text.push_str(&format!("{} so far\n", out::plural(made, "notice", "notices")));
    if let Some(notice) = unsent {
        let tries = out::plural(notice.tries.into(), "try", "tries");
        let due = out::instant(notice.due);
        text.push_str(&format!("waits to be sent, after {tries}, from {due} on: {}\n", notice.subject));
    }
    if !told.is_empty() {
        let rows: Vec<Vec<String>> = told
            .iter()
            .map(|(alert, at)| vec![out::instant(*at), alert.severity.to_string(), alert.words(now)])
            .collect();
        text.push_str(&format!("\n{}", out::table(&["TOLD", "SEVERITY", "OPEN ALERT"], &rows)));
    }
    out::print(&text)?;
    if let Some(problem) = unserved.filter(|_| !global.quiet) {
        eprintln!("{problem}");
    }
    Ok(End::Done)
}

async fn remove(global: &Global, store: &Sqlite, name: &str) -> anyhow::Result<End> {
    let wanted = find(store, name).await?;
    ask::confirm(global, &format!("{} ends: {}, to {}", wanted.id, about(&wanted), wanted.to))?;
    write(store, &wanted.id, None).await?;
    if global.json {
        out::print_json(&json!({"removed": wanted.id}))?;
    } else {
        out::print(&format!("{} removed: nobody is told by it any more", wanted.id))?;
    }
    Ok(End::Done)
}

/// Whether a test notice left, for one subscription.
pub struct Tried {
    /// To whom.
    pub wanted: Subscription,
    /// Why it did not.
    pub why_not: Option<String>,
}

impl Tried {
    /// As data.
    pub fn as_json(&self) -> Value {
        json!({"subscription": self.wanted.id, "to": self.wanted.to.to_string(), "sent": self.why_not.is_none(),
            "why_not": self.why_not})
    }
}

/// Sends a test notice to one subscription, or to all.
///
/// # Errors
/// There is no such subscription, or nothing can be sent from here.
pub async fn try_out(store: &Sqlite, name: Option<&str>) -> anyhow::Result<Vec<Tried>> {
    let all = match name {
        Some(name) => vec![find(store, name).await?],
        None => alerts::subscriptions(store).await?,
    };
    let (messenger, policy) = (alerts::messenger()?, alerts::policy()?);
    let mut tried = Vec::with_capacity(all.len());
    for wanted in all {
        let message = render(&trial(&wanted, SystemClock.now()), &wanted.to, &policy);
        let why_not = messenger.send(&wanted.to, &message).await.err().map(|wrong| wrong.words);
        tried.push(Tried { wanted, why_not });
    }
    Ok(tried)
}

async fn test(global: &Global, store: &Sqlite, name: Option<&str>) -> anyhow::Result<End> {
    let tried = try_out(store, name).await?;
    if global.json {
        out::print_json(&tried.iter().map(Tried::as_json).collect::<Vec<_>>())?;
    } else if tried.is_empty() {
        out::print("nobody is told of anything: `caravan alert add NAME --to CHANNEL` subscribes")?;
    }
    let mut end = End::Done;
    for Tried { wanted, why_not } in &tried {
        match why_not {
            Some(why) => {
                let words = format!("{}: the test notice did not leave: {why}", wanted.id);
                eprintln!("{}", Problem::new(Code::Untold, words).cure("mend that and test again"));
                end = End::NeedsYou;
            }
            None if global.json => {}
            None => out::print(&format!("{}: a test notice went to {}", wanted.id, wanted.to))?,
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::AlertKind;

    fn args(to: &str) -> AlertAddArgs {
        let kinds = vec![AlertKind::QueueHeld, AlertKind::Lateness];
        let (canvas, connection) = (Some("win-back".to_owned()), None);
        AlertAddArgs { name: "ops".into(), to: to.into(), canvas, connection, kinds, at_least: Severity::Critical }
    }

    #[test]
    fn a_subscription_is_read_from_the_command_line_and_said_in_words() {
        let wanted = wanted(args("mailto:ops@acme.example")).unwrap();
        assert_eq!(about(&wanted), "canvas win-back, queue-held, lateness, only critical");
        assert_eq!(wanted.to.to_string(), "mailto:ops@acme.example");
    }

    #[test]
    fn a_secret_that_was_typed_is_refused_and_not_repeated() {
        for to in ["https://hooks.slack.com/services/T0/B0/hunter2", "slack:hunter2", "hunter2", "pagerduty:hunter2"] {
            let wrong = wanted(args(to)).unwrap_err();
            assert_eq!(wrong.code, Code::BadValue);
            assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
        }
    }
}
