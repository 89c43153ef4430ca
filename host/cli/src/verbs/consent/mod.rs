//! `caravan connector app …` and `caravan connection token | connect | show | disconnect`: what is sealed.
mod callback;
mod connect;

pub use connect::connect;

use crate::args::{AppVerb, Global, NamedConnection, TokenArgs};
use crate::check;
use crate::fail::{End, usage};
use crate::host::hands::Hands;
use crate::host::lab::LabHome;
use crate::host::safe;
use crate::registry::Shelf;
use crate::verbs::connection::allowed;
use crate::{ask, out};
use caravan_connectors::{ConsentDesk, Grant, LoadedComponent, Reach, Safe};
use caravan_model::manifest::QuotaCredential;
use caravan_model::port::{Clock as _, Secret, SystemClock};
use caravan_model::{Code, Connection, Credential, Problem};
use caravan_runner::policy_of;
use serde_json::{Value, json};
use std::io::Read as _;
use std::sync::Arc;

/// The longest secret that is read.
const LARGEST: u64 = 64 << 10;

/// A connection of the file, with its component.
struct Subject {
    name: String,
    connection: Connection,
    component: Arc<LoadedComponent>,
    grant: Grant,
    lab: Option<LabHome>,
}

impl Subject {
    async fn of(hands: &Hands, of: &NamedConnection) -> anyhow::Result<Subject> {
        let checked = check::connection(&of.connections, &of.name, &Shelf::of(hands.store()).await?)?;
        let connection = checked.connections.value.connections.get(&of.name).cloned().unwrap_or_default();
        let component = checked.components.get(&of.name).cloned();
        let component = component.ok_or_else(|| Problem::new(Code::UnknownConnector, "no component"))?;
        let grant = checked.grants.get(&of.name).cloned().unwrap_or_default();
        let lab = match (connection.lab, &of.lab) {
            (false, _) => None,
            (true, Some(url)) => Some(LabHome::attach(url).await?),
            (true, None) => Some(LabHome::start().await?),
        };
        Ok(Subject { name: of.name.clone(), connection, component, grant, lab })
    }

    fn connector(&self) -> &str {
        &self.component.manifest().name
    }

    fn desk(&self) -> Result<Option<ConsentDesk>, Problem> {
        let reach = match &self.lab {
            None => Reach::Partner,
            Some(lab) => Reach::Lab(lab.map(self.component.manifest())?),
        };
        ConsentDesk::new(&self.component, &self.grant, &self.connection.settings, reach)
    }

    /// An app that the file names is not beside anything sealed.
    fn without_app(&self) -> Result<(), Problem> {
        match self.connection.app {
            None => Ok(()),
            Some(_) => {
                Err(Problem::new(Code::NoConsent, format!("`{}` gets its tokens by `app:` of its file", self.name))
                    .cure("take `app:` out of the connection first"))
            }
        }
    }

    /// Whoever replaces what works says so.
    async fn may_replace(&self, global: &Global, safe: &Safe, by: &str) -> anyhow::Result<()> {
        let sealed = safe.credential(&self.name).await.ok().flatten();
        let now = match (&sealed, &self.connection.secret) {
            (Some(known), _) => known.kind().to_owned(),
            (None, Some(_)) => "the token that the connections file names".to_owned(),
            (None, None) => return Ok(()),
        };
        ask::confirm(global, &format!("{by} replaces {now} of `{}`; name, audiences and people stay", self.name))
    }
}

/// The safe for one change that whoever types this orders.
fn ordered(hands: &Hands, verb: &str, object: &str, details: Value) -> Safe {
    safe::ordered(hands.store(), hands.acting().noted(verb, object, details))
}

/// A secret from the standard input.
///
/// # Errors
/// It is empty, or cannot be read.
pub fn typed() -> anyhow::Result<Secret> {
    let mut text = String::new();
    std::io::stdin().take(LARGEST).read_to_string(&mut text)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(usage("the standard input is empty", "pipe the secret in: … < secret.txt").into());
    }
    Ok(Secret::new(text))
}

/// An app's secret: from a variable, else from the standard input.
pub fn secret_of(variable: Option<&str>) -> anyhow::Result<Secret> {
    let Some(variable) = variable else { return typed() };
    match std::env::var(variable) {
        Ok(value) if !value.trim().is_empty() => Ok(Secret::new(value.trim())),
        _ => {
            let words = format!("the environment variable {variable} is not set, or is empty");
            Err(Problem::new(Code::MissingSecret, words).into())
        }
    }
}

/// Does a verb of apps.
pub async fn app(global: &Global, verb: AppVerb) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let safe = safe::of(hands.store());
        match &verb {
            AppVerb::Set { connector, client_id, client_secret_env, .. } => {
                let secret = secret_of(client_secret_env.as_deref())?;
                let object = format!("connector {connector}");
                let safe = ordered(hands, "connector.app.set", &object, json!({"client_id": client_id}));
                safe.set_app(connector, Some((client_id, &secret))).await?;
                out::print(&format!("the app {client_id} of {connector} is sealed\n"))?;
            }
            AppVerb::Show { connector } => {
                let app = safe.app(connector).await?.ok_or_else(|| no_app(connector))?;
                match global.json {
                    true => out::print_json(&json!({"connector": connector, "client_id": app.id, "secret": "sealed"}))?,
                    false => out::print(&format!("{connector}\n  client id  {}\n  secret     sealed\n", app.id))?,
                }
            }
            AppVerb::Remove { connector } => {
                safe.app(connector).await.ok().flatten().ok_or_else(|| no_app(connector))?;
                ask::confirm(global, &format!("consents by the app of {connector} are no longer refreshed"))?;
                let object = format!("connector {connector}");
                ordered(hands, "connector.app.remove", &object, Value::Null).set_app(connector, None).await?;
                out::print(&format!("the app of {connector} is forgotten\n"))?;
            }
        }
        Ok(End::Done)
    })
    .await
}

/// No app is sealed.
pub fn no_app(connector: &str) -> Problem {
    Problem::new(Code::AppMissing, format!("no app is sealed for {connector}"))
        .cure(format!("caravan connector app set {connector} --client-id ID --client-secret-stdin"))
}

/// Seals a token, or a service account's key, that somebody brings.
pub async fn token(global: &Global, args: &TokenArgs) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let subject = Subject::of(hands, &args.of).await?;
        subject.without_app()?;
        allowed(&policy_of(hands.store()).await?, &subject.name, subject.component.manifest())?;
        let safe = safe::of(hands.store());
        let value = typed()?;
        let now = SystemClock.now();
        let credential = if args.service_account_stdin {
            let takes = subject.component.manifest().auth.oauth.as_ref().is_some_and(|spec| spec.service_account);
            if !takes {
                let words = format!("{} takes no service accounts", subject.component.manifest().title);
                return Err(Problem::new(Code::NoConsent, words).into());
            }
            Credential { service_account: Some(value), given: now, ..Credential::default() }
        } else {
            if value.expose().chars().any(char::is_control) {
                return Err(usage("the token holds a line break", "pipe the token alone in").into());
            }
            Credential::by_hand(value, args.called_as.map(Into::into), now)
        };
        subject.may_replace(global, &safe, credential.kind()).await?;
        let details = json!({"kind": credential.kind(), "as": credential.called_as});
        let safe = ordered(hands, "connection.token", &format!("connection {}", subject.name), details);
        safe.set_credential(&subject.name, Some(&credential)).await?;
        out::print(&format!("{} of `{}` is sealed; calls use it from now on\n", credential.kind(), subject.name))?;
        Ok(End::Done)
    })
    .await
}

/// What is sealed for a connection, without any value.
pub fn sealed_as_json(connection: &str, credential: &Credential) -> Value {
    json!({"connection": connection, "kind": credential.kind(), "given": credential.given, "ends": credential.ends,
        "scopes": credential.granted, "missing_scopes": credential.missing(), "refreshed": credential.refresh.is_some(),
        "counts_as": credential.calls_by()})
}

/// Says what is sealed for a connection.
pub async fn show(global: &Global, of: &NamedConnection) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let Some(credential) = safe::of(hands.store()).credential(&of.name).await? else {
            out::print(&format!("nothing is sealed for `{}`: its file says where its token is\n", of.name))?;
            return Ok(End::Done);
        };
        let missing = credential.missing();
        if global.json {
            out::print_json(&sealed_as_json(&of.name, &credential))?;
        } else {
            let mut text = format!("{}: {}\n", of.name, credential.kind());
            text.push_str(&format!("  given   {}\n", out::instant(credential.given)));
            if let Some(ends) = credential.ends {
                let after = if credential.refresh.is_some() { ", refreshed before" } else { "" };
                text.push_str(&format!("  ends    {}{after}\n", out::instant(ends)));
            }
            let counts = match credential.calls_by() {
                Some(QuotaCredential::App) => "as the app's own",
                Some(QuotaCredential::Consent) => "as a person's consent",
                None => {
                    "as what nobody said: where the partner's quotas differ, the lower one holds (`--as app|consent`)"
                }
            };
            text.push_str(&format!("  counts  {counts}\n"));
            if let Some(scopes) = &credential.granted {
                text.push_str(&format!("  scopes  {}\n", scopes.join(", ")));
            }
            if !missing.is_empty() {
                text.push_str(&format!("  LACKS   {}: connect again and leave all boxes ticked\n", missing.join(", ")));
            }
            out::print(&text)?;
        }
        Ok(if missing.is_empty() { End::Done } else { End::NeedsYou })
    })
    .await
}

/// Ends what is sealed for a connection, at the partner too where it has a way.
pub async fn disconnect(global: &Global, of: &NamedConnection) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let subject = Subject::of(hands, of).await?;
        let safe = safe::of(hands.store());
        let credential = safe.credential(&subject.name).await;
        if let Ok(None) = credential {
            out::print(&format!("nothing is sealed for `{}`\n", subject.name))?;
            return Ok(End::Done);
        }
        ask::confirm(
            global,
            &format!("`{}` is disconnected; its people wait until it is connected again", subject.name),
        )?;
        // One whose key is lost is forgotten all the same.
        let mut ended = false;
        if let (Ok(Some(credential)), Some(desk)) = (&credential, subject.desk()?) {
            let app = safe.app(subject.connector()).await.ok().flatten();
            match desk.revoke(app.as_ref(), credential).await {
                Ok(done) => ended = done,
                Err(problem) => eprintln!("note: the consent could not be ended at the partner: {}", problem.message),
            }
        }
        let details = json!({"ended_at_partner": ended});
        let safe = ordered(hands, "connection.disconnect", &format!("connection {}", subject.name), details);
        safe.set_credential(&subject.name, None).await?;
        let there = if ended { ", here and at the partner" } else { " here; end it at the partner too" };
        out::print(&format!("`{}` is disconnected{there}\n", subject.name))?;
        Ok(End::Done)
    })
    .await
}
