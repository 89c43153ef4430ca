//! How this host tells people of alerts: the mail server and the public URL from its environment, whom from the store.
use super::Host;
use crate::config;
use caravan_connectors::{LocalMessenger, MessengerSettings, secret_of};
use caravan_model::{Code, Problem, Subscription};
use caravan_runner::alerts::{AlertOptions, AlertPolicy};
use caravan_store::{DocumentKind, Store};
use std::sync::Arc;

/// Where links to steps lead.
const PUBLIC_URL: &str = "CARAVAN_PUBLIC_URL";

/// All subscriptions of a store, by name.
///
/// # Errors
/// One of them cannot be read.
pub async fn subscriptions(store: &impl Store) -> anyhow::Result<Vec<Subscription>> {
    let documents = store.documents(DocumentKind::Subscription).await?;
    let read = |(id, document): (String, String)| {
        serde_json::from_str(&document).map_err(|_| {
            Problem::new(Code::StoreDamaged, format!("the subscription `{id}` to alerts cannot be read"))
                .cure("write it anew: `caravan alert add`")
                .into()
        })
    };
    documents.into_iter().map(read).collect()
}

/// Sends notices with what the environment configures.
///
/// # Errors
/// CV004 where a variable cannot be understood; its value is not repeated.
pub fn messenger() -> Result<LocalMessenger, Problem> {
    let mut settings = MessengerSettings::from_env();
    settings.proxy = config::proxy()?;
    if let (None, Some(mail)) = (&settings.smtp, &config::current().mail) {
        let url = secret_of(&mail.url).map_err(|words| {
            Problem::new(Code::MissingSecret, format!("the mail server's URL is not there: {words}"))
                .cure("set the variable or write the file that `mail.url` of the configuration names")
        })?;
        settings.smtp = Some(url);
        settings.mail_from = settings.mail_from.or_else(|| Some(mail.from.clone()));
    }
    LocalMessenger::new(settings)
}

/// Thresholds and the public URL.
///
/// # Errors
/// CV004 where the URL is none.
pub fn policy() -> Result<AlertPolicy, Problem> {
    let public_url = std::env::var(PUBLIC_URL).ok().filter(|url| !url.trim().is_empty());
    let public_url = public_url.or_else(|| config::current().public_url.clone());
    let intake = config::current().intake.options();
    let policy = AlertPolicy {
        public_url: public_url.map(|url| url.trim().to_owned()),
        least_free: intake.least_free,
        largest_store: intake.largest_store,
        ..AlertPolicy::default()
    };
    policy.check().map_err(|words| {
        Problem::new(Code::BadValue, words).cure(format!("correct {PUBLIC_URL}: https://caravan.acme.example"))
    })?;
    Ok(policy)
}

/// What a run needs to tell the subscribers of its store. Says on stderr which of them cannot be served from here.
///
/// # Errors
/// Where there are subscriptions: a setting that cannot be understood.
pub async fn of_run(store: &impl Store, host: &Host) -> anyhow::Result<AlertOptions> {
    let subscriptions = subscriptions(store).await?;
    let messenger = match messenger() {
        Ok(messenger) => messenger,
        // Nobody is to be told: a setting that nobody needs keeps nothing from running.
        Err(_) if subscriptions.is_empty() => return Ok(AlertOptions::default()),
        Err(problem) => return Err(problem.into()),
    };
    for wanted in &subscriptions {
        if let Some(problem) = unserved(&messenger, wanted) {
            eprintln!("{problem}");
        }
    }
    let options = AlertOptions { messenger: Some(Arc::new(messenger)), policy: policy()?, ..AlertOptions::default() };
    for (connection, ends) in &host.token_ends {
        options.signals.token_ends(connection, *ends);
    }
    Ok(options)
}

/// Why a subscription cannot be served from here, if that can be said without sending.
pub fn unserved(messenger: &LocalMessenger, wanted: &Subscription) -> Option<Problem> {
    let wrong = messenger.ready(&wanted.to).err()?;
    let words = format!("subscription `{}` to alerts cannot be served from here: {wrong}", wanted.id);
    Some(Problem::new(Code::Untold, words).cure(format!("mend that, then try `caravan alert test {}`", wanted.id)))
}

/// Whether what a browser brings to an address is for nobody else to read: by https, or on this machine.
pub fn is_sheltered(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => true,
        Some("http") => near,
        _ => false,
    }
}
