//! Connections on a serving host.
use super::client::{Sent, part};
use super::{Remote, not_there};
use crate::args::{ConnectionForm, ConnectionVerb, Switched, TokenArgs};
use crate::fail::End;
use crate::verbs::connection::filled;
use crate::verbs::consent::typed;
use caravan_model::Connection;
use http::Method;
use serde_json::{Value, json};

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
                self.tell(&report)?;
                Ok(if report["good"] == true { End::Done } else { End::NeedsYou })
            }
            ConnectionVerb::Accounts(args) => {
                self.ask(Method::POST, &format!("{}/accounts", path(&args.name)), Sent::Nothing).await
            }
            ConnectionVerb::Token(args) => self.token(&path(&args.of.name), &args).await,
            // The host takes the code at its public URL: the address is opened in any browser.
            ConnectionVerb::Connect(args) => {
                let wanted = json!({"replace": self.global.yes});
                self.post(&format!("{}/connect", path(&args.of.name)), wanted).await
            }
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

    async fn token(&self, path: &str, args: &TokenArgs) -> anyhow::Result<End> {
        if args.service_account_stdin {
            return Err(not_there("sealing a service account's key"));
        }
        let token = typed()?;
        let wanted = json!({"token": token.expose(), "replace": self.global.yes});
        self.ask(Method::PUT, &format!("{path}/token"), Sent::Json(wanted)).await
    }
}

/// A connection as the API takes it.
fn input(connection: &Connection) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(connection)?)
}
