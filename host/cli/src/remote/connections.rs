//! Connections on a serving host: as nouns, how they are, and what is sealed for them. Secrets are read here and sealed there.
use super::Remote;
use super::client::{Sent, part};
use crate::args::{AppVerb, ConnectArgs, ConnectionForm, ConnectionVerb, Switched, TokenArgs};
use crate::fail::{End, usage};
use crate::out;
use crate::verbs::connection::{self, filled};
use crate::verbs::consent::{secret_of, typed};
use caravan_model::manifest::QuotaCredential;
use caravan_model::{Code, Connection, Problem};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often the host is asked whether a person has consented.
const LOOK: Duration = Duration::from_millis(500);

impl Remote<'_> {
    pub(super) async fn connection(&self, verb: ConnectionVerb) -> anyhow::Result<End> {
        let path = |name: &str| format!("/connections/{}", part(name));
        match verb {
            ConnectionVerb::List(_) => self.get("/connections").await,
            ConnectionVerb::Show(of) => {
                let view = self.server.ask(Method::GET, &path(&of.name), Sent::Nothing).await?;
                self.tell(&view)?;
                let lacks = view["sealed"]["lacks"].as_array().is_some_and(|lacks| !lacks.is_empty());
                Ok(if lacks { End::NeedsYou } else { End::Done })
            }
            ConnectionVerb::Create(form) => {
                let wanted = json!({"name": form.name, "connection": input(&filled(&form, None)?)?});
                self.post("/connections", wanted).await
            }
            ConnectionVerb::Set(form) => self.change(&path(&form.name), &form).await,
            ConnectionVerb::Delete(of) => {
                let words = format!("the connection {} is forgotten, and what is sealed for it", of.name);
                self.delete(&path(&of.name), &words).await
            }
            ConnectionVerb::Account { of, account, state } => {
                let path = format!("{}/accounts/{}", path(&of.name), part(&account));
                self.ask(Method::PUT, &path, Sent::Json(json!({"on": state == Switched::On}))).await
            }
            ConnectionVerb::Check(args) => {
                let report =
                    self.server.ask(Method::POST, &format!("{}/check", path(&args.name)), Sent::Nothing).await?;
                connection::tell(self.global, &report)
            }
            ConnectionVerb::Accounts(args) => {
                self.ask(Method::POST, &format!("{}/accounts", path(&args.name)), Sent::Nothing).await
            }
            ConnectionVerb::Audiences(args) => {
                let wanted = json!({"account": args.account, "named": args.named});
                self.post(&format!("{}/audiences", path(&args.of.name)), wanted).await
            }
            ConnectionVerb::Token(args) => self.token(&args).await,
            ConnectionVerb::Connect(args) => self.connect(&args).await,
            ConnectionVerb::Disconnect(of) => {
                let words = format!("`{}` is disconnected; its people wait until it is connected again", of.name);
                self.delete(&format!("{}/token", path(&of.name)), &words).await
            }
        }
    }

    async fn change(&self, path: &str, form: &ConnectionForm) -> anyhow::Result<End> {
        let view = self.server.ask(Method::GET, path, Sent::Nothing).await?;
        let becomes = input(&filled(form, Some(&serde_json::from_value(view)?))?)?;
        self.ask(Method::PUT, path, Sent::Json(becomes)).await
    }

    async fn token(&self, args: &TokenArgs) -> anyhow::Result<End> {
        let token = typed()?;
        let called_as = args.called_as.map(QuotaCredential::from);
        let body = json!({"token": token.expose(), "service_account": args.service_account_stdin, "as": called_as,
            "replace": self.global.yes});
        self.ask(Method::PUT, &of(&args.of.name, "/token"), Sent::Json(body)).await
    }

    /// Asks for a person's consent, and waits until the partner has sent the browser back to the host.
    async fn connect(&self, args: &ConnectArgs) -> anyhow::Result<End> {
        let name = &args.of.name;
        if args.port != 0 || args.redirect.is_some() {
            let cure = "leave --port and --redirect out: the browser comes back to the host's `public_url`";
            return Err(usage("a serving host takes the consent itself", cure).into());
        }
        let sealed = async || self.server.ask(Method::GET, &of(name, "/token"), Sent::Nothing).await;
        let before = sealed().await?;
        let body = json!({"replace": self.global.yes});
        let asked = self.server.ask(Method::POST, &of(name, "/connect"), Sent::Json(body)).await?;
        let address = asked["open"].as_str().unwrap_or_default();
        match self.global.json {
            true => eprintln!("open this address, and let the app in:\n{address}"),
            false => out::print(&format!("open this address, and let the app in:\n{address}\n"))?,
        }
        let patience = Duration::from_secs(asked["within_seconds"].as_u64().unwrap_or_default());
        let since = Instant::now();
        while since.elapsed() < patience {
            tokio::time::sleep(LOOK).await;
            let now = sealed().await?;
            if !now.is_null() && now["given"] != before["given"] {
                self.tell(&now)?;
                return Ok(end_of(&now));
            }
        }
        Err(Problem::new(Code::ConsentRefused, "nobody consented in time").cure("ask again").into())
    }

    pub(super) async fn app(&self, verb: AppVerb) -> anyhow::Result<End> {
        let path = |connector: &str| format!("/connectors/{}/app", part(connector));
        match verb {
            AppVerb::Set { connector, client_id, client_secret_env, .. } => {
                let secret = secret_of(client_secret_env.as_deref())?;
                let body = json!({"client_id": client_id, "client_secret": secret.expose()});
                self.ask(Method::PUT, &path(&connector), Sent::Json(body)).await
            }
            AppVerb::Show { connector } => self.get(&path(&connector)).await,
            AppVerb::Remove { connector } => {
                let words = format!("consents by the app of {connector} are no longer refreshed");
                self.delete(&path(&connector), &words).await
            }
        }
    }
}

/// A connection as the API takes it.
fn input(connection: &Connection) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(connection)?)
}

fn of(connection: &str, what: &str) -> String {
    format!("/connections/{}{what}", part(connection))
}

/// A consent that lacks a scope needs a person.
fn end_of(sealed: &Value) -> End {
    match sealed["missing_scopes"].as_array().is_none_or(Vec::is_empty) {
        true => End::Done,
        false => End::NeedsYou,
    }
}
