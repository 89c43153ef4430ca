//! Connections on a serving host: how they are, and what is sealed for them. Secrets are read here and sealed there.
use super::Remote;
use super::client::{Sent, part};
use crate::args::{AppVerb, ConnectArgs, ConnectionVerb, TokenArgs};
use crate::fail::{End, usage};
use crate::out;
use crate::verbs::consent::{secret_of, typed};
use caravan_model::{Code, Problem};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often the host is asked whether a person has consented.
const LOOK: Duration = Duration::from_millis(500);

impl Remote<'_> {
    pub(super) async fn connection(&self, verb: ConnectionVerb) -> anyhow::Result<End> {
        match verb {
            ConnectionVerb::Check(args) => {
                let report = self.server.ask(Method::POST, &of(&args.name, "/check"), Sent::Nothing).await?;
                self.tell(&report)?;
                Ok(if report["good"] == true { End::Done } else { End::NeedsYou })
            }
            ConnectionVerb::Accounts(args) => self.ask(Method::POST, &of(&args.name, "/accounts"), Sent::Nothing).await,
            ConnectionVerb::Audiences(args) => {
                let wanted = json!({"account": args.account, "named": args.named});
                self.post(&of(&args.of.name, "/audiences"), wanted).await
            }
            ConnectionVerb::Token(args) => self.token(&args).await,
            ConnectionVerb::Connect(args) => self.connect(&args).await,
            ConnectionVerb::Show(args) => {
                let sealed = self.server.ask(Method::GET, &of(&args.name, "/token"), Sent::Nothing).await?;
                if sealed.is_null() && !self.global.json {
                    let words = format!("nothing is sealed for `{}`: its file says where its token is\n", args.name);
                    out::print(&words)?;
                    return Ok(End::Done);
                }
                self.tell(&sealed)?;
                Ok(end_of(&sealed))
            }
            ConnectionVerb::Disconnect(args) => {
                let words = format!("`{}` is disconnected; its people wait until it is connected again", args.name);
                self.delete(&of(&args.name, "/token"), &words).await
            }
        }
    }

    async fn token(&self, args: &TokenArgs) -> anyhow::Result<End> {
        let token = typed()?;
        let body = json!({"token": token.expose(), "service_account": args.service_account_stdin,
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
