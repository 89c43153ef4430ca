//! Apps, tokens and consents: what is sealed, and the browser that comes back from a partner.
use super::{MANAGE_CONNECTIONS, VIEW_CONNECTIONS};
use crate::bench::Sealing;
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use crate::server::State as Served;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use caravan_model::manifest::QuotaCredential;
use caravan_model::port::Secret;
use caravan_model::{Code, Problem};
use caravan_store::Store;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

type Done = Result<axum::Json<Value>, Refused>;

/// An app of the partner's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppInput {
    /// Its id.
    pub client_id: String,
    /// Its secret, which is sealed and never shown again.
    pub client_secret: String,
}

/// A token that somebody brings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenInput {
    /// The token, which is sealed and never shown again.
    pub token: String,
    /// Whether it is a service account's key file, where the partner takes one.
    #[serde(default)]
    pub service_account: bool,
    /// What it is, where the partner's quotas differ by it: the `app`'s own, or a person's `consent`. Without, the lower quota
    /// holds.
    #[serde(default, rename = "as")]
    #[schema(value_type = Option<String>)]
    pub called_as: Option<QuotaCredential>,
    /// Whether it may replace what is there.
    #[serde(default)]
    pub replace: bool,
}

/// A consent that is asked for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectInput {
    /// Whether it may replace what is there.
    #[serde(default)]
    pub replace: bool,
}

async fn act<S: Store, const R: u8>(caller: Caller<S, R>, act: Sealing) -> Done {
    Ok(axum::Json(caller.place.bench.seal(caller.signed.who.clone(), act).await?))
}

/// Seals an app's id and secret for all connections of a connector.
#[utoipa::path(put, path = "/api/connectors/{connector}/app", tag = "connections", params(("connector" = String, Path)),
    request_body = AppInput, security(("key" = ["manage-connections"])), responses((status = 200, body = Object)))]
pub(crate) async fn set_app<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At(connector): At<String>,
    Json(input): Json<AppInput>,
) -> Done {
    let AppInput { client_id, client_secret } = input;
    act(caller, Sealing::App { connector, client_id, client_secret: Secret::new(client_secret) }).await
}

/// The app that is sealed for a connector: its id, never its secret.
#[utoipa::path(get, path = "/api/connectors/{connector}/app", tag = "connections", params(("connector" = String, Path)),
    security(("key" = ["view-connections"])), responses((status = 200, body = Object)))]
pub(crate) async fn show_app<S: Store>(caller: Caller<S, VIEW_CONNECTIONS>, At(connector): At<String>) -> Done {
    act(caller, Sealing::ShowApp { connector }).await
}

/// Forgets the app of a connector. Consents by it are no longer refreshed.
#[utoipa::path(delete, path = "/api/connectors/{connector}/app", tag = "connections",
    params(("connector" = String, Path)), security(("key" = ["manage-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn remove_app<S: Store>(caller: Caller<S, MANAGE_CONNECTIONS>, At(connector): At<String>) -> Done {
    act(caller, Sealing::RemoveApp { connector }).await
}

/// Seals a token for a connection; it goes before the one that its file names.
#[utoipa::path(put, path = "/api/connections/{connection}/token", tag = "connections",
    params(("connection" = String, Path)), request_body = TokenInput, security(("key" = ["manage-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn set_token<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At(connection): At<String>,
    Json(input): Json<TokenInput>,
) -> Done {
    let TokenInput { token, service_account, called_as, replace } = input;
    act(caller, Sealing::Token { connection, token: Secret::new(token.trim()), service_account, called_as, replace })
        .await
}

/// What is sealed for a connection: its kind, since when and until when, and its scopes; no value. Null where nothing is.
#[utoipa::path(get, path = "/api/connections/{connection}/token", tag = "connections",
    params(("connection" = String, Path)), security(("key" = ["view-connections"])),
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn show<S: Store>(caller: Caller<S, VIEW_CONNECTIONS>, At(connection): At<String>) -> Done {
    act(caller, Sealing::Show { connection }).await
}

/// Asks a person for consent: gives the address to open. The partner sends the browser back to this host's public URL; the
/// question is good once, for ten minutes.
#[utoipa::path(post, path = "/api/connections/{connection}/connect", tag = "connections",
    params(("connection" = String, Path)), request_body = ConnectInput, security(("key" = ["manage-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn connect<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At(connection): At<String>,
    Json(input): Json<ConnectInput>,
) -> Done {
    act(caller, Sealing::Connect { connection, replace: input.replace }).await
}

/// Ends what is sealed for a connection, at the partner too where it has a way. People wait.
#[utoipa::path(delete, path = "/api/connections/{connection}/token", tag = "connections",
    params(("connection" = String, Path)), security(("key" = ["manage-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn disconnect<S: Store>(caller: Caller<S, MANAGE_CONNECTIONS>, At(connection): At<String>) -> Done {
    act(caller, Sealing::Disconnect { connection }).await
}

/// Where partners send browsers back. Nobody is signed here: the question's state says who asked.
pub(crate) async fn came_back<S: Store>(
    State(host): State<Arc<Served<S>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let query = query.unwrap_or_default();
    for place in &host.workspaces {
        if let Some(words) = place.bench.came_back(query.clone()).await? {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            return Ok((headers, words).into_response());
        }
    }
    let words = "this answers a question that nobody asked, or that was answered already";
    Err(Refused::bad(Problem::new(Code::ConsentRefused, words).cure("connect again, within ten minutes")))
}
