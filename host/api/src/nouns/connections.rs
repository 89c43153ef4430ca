//! `/api/connections`: ways to partners. Those of the connections file are seen, checked and switched here; those that are
//! made here live in the store, and are changed and forgotten here.
use super::{MANAGE_CONNECTIONS, VIEW_CONNECTIONS};
use crate::bench::{ConnectionView, Forgotten};
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::connection::SecretRef;
use caravan_model::{Connection, Identities, Right};
use caravan_store::Store;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// A connection as it is to be kept. Tokens are never part of it: they are sealed apart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionInput {
    /// A connector that is bundled or installed: `meta`, `acme@sha256:…`.
    pub connector: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Our short names of accounts, with the partner's ids.
    #[serde(default)]
    pub accounts: BTreeMap<String, String>,
    /// Accounts of these that are switched off.
    #[serde(default)]
    pub off: BTreeSet<String>,
    /// The country of phone numbers that name none (ISO alpha-2).
    #[serde(default)]
    pub default_country: Option<String>,
    /// Which of a person's fields are sent as which identifiers, where not the partner's defaults.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub identities: Identities,
    /// Match keys by which an e-mail, phone or name may leave unhashed. To name any asks for the right `grant-connectors`.
    #[serde(default)]
    pub raw: BTreeSet<String>,
    /// Settings that the connector's manifest describes.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where further secrets that the manifest names are kept: `{ "NAME": { "env": "VARIABLE" } }`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// When the token ends: a day or an instant.
    #[serde(default)]
    pub token_ends: Option<String>,
    /// Whether it leads to the emulator, never to the partner.
    #[serde(default)]
    pub lab: bool,
}

impl From<ConnectionInput> for Connection {
    fn from(input: ConnectionInput) -> Connection {
        Connection {
            connector: input.connector,
            description: input.description,
            secret: None,
            app: None,
            token_ends: input.token_ends,
            secrets: input.secrets,
            accounts: input.accounts,
            off: input.off,
            default_country: input.default_country,
            identities: input.identities,
            raw: input.raw,
            settings: input.settings,
            lab: input.lab,
        }
    }
}

/// A connection that is new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    /// Its name.
    pub name: String,
    /// What it is.
    pub connection: ConnectionInput,
}

/// How an account is switched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchInput {
    /// Whether anything may be sent to it.
    pub on: bool,
}

/// Whether whoever keeps a connection may decide what leaves by it: which fields of people, and what of it unhashed.
fn may_send<S: Store>(
    caller: &Caller<S, MANAGE_CONNECTIONS>,
    before: Option<&ConnectionView>,
    input: &ConnectionInput,
) -> Result<(), Refused> {
    let is_mapped = before.map_or_else(|| Map::new().into(), |before| before.identities.clone());
    if serde_json::json!(input.identities) != is_mapped {
        caller.need(Right::ExportIdentities)?;
    }
    let may = |before: &ConnectionView| before.connector == input.connector && input.raw.is_subset(&before.raw);
    if !input.raw.is_empty() && !before.is_some_and(may) {
        caller.need(Right::GrantConnectors)?;
    }
    Ok(())
}

/// The connections of this host: those of its file, and those that its store keeps.
#[utoipa::path(get, path = "/api/connections", tag = "connections", security(("key" = ["view-connections"])),
    responses((status = 200, body = Vec<ConnectionView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
) -> Result<axum::Json<Vec<ConnectionView>>, Refused> {
    Ok(axum::Json(caller.place.bench.connections().await?))
}

/// One connection: settings, accounts, what is sealed for it (no value), and what uses it.
#[utoipa::path(get, path = "/api/connections/{connection}", tag = "connections", params(("connection" = String, Path)),
    security(("key" = ["view-connections"])), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
    At(name): At<String>,
) -> Result<axum::Json<ConnectionView>, Refused> {
    Ok(axum::Json(caller.place.bench.connection(name).await?))
}

/// Keeps a new connection in the store, once its connector takes its settings. Its token is sealed apart. `identities` ask for
/// the right `export-identities`, too, and `raw` for `grant-connectors`.
#[utoipa::path(post, path = "/api/connections", tag = "connections", request_body = NewConnection,
    security(("key" = ["manage-connections"])), responses((status = 201, body = ConnectionView)))]
pub(crate) async fn create<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    Json(input): Json<NewConnection>,
) -> Result<(StatusCode, axum::Json<ConnectionView>), Refused> {
    let (who, NewConnection { name, connection }) = (caller.signed.who.clone(), input);
    may_send(&caller, None, &connection)?;
    let view = caller.place.bench.keep_connection(who, name, connection.into(), true).await?;
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Changes a connection that the store keeps: what is sent is what it becomes, and calls use it from now on. An account or
/// connector that something uses stays. Other `identities` ask for the right `export-identities`, too, and more `raw` keys for
/// `grant-connectors`.
#[utoipa::path(put, path = "/api/connections/{connection}", tag = "connections", params(("connection" = String, Path)),
    request_body = ConnectionInput, security(("key" = ["manage-connections"])),
    responses((status = 200, body = ConnectionView)))]
pub(crate) async fn change<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At(name): At<String>,
    Json(input): Json<ConnectionInput>,
) -> Result<axum::Json<ConnectionView>, Refused> {
    let who = caller.signed.who.clone();
    may_send(&caller, caller.place.bench.connection(name.clone()).await.ok().as_ref(), &input)?;
    Ok(axum::Json(caller.place.bench.keep_connection(who, name, input.into(), false).await?))
}

/// Forgets a connection that the store keeps, and what is sealed for it. Refused while a live canvas, an import or a queue
/// uses it.
#[utoipa::path(delete, path = "/api/connections/{connection}", tag = "connections",
    params(("connection" = String, Path)), security(("key" = ["manage-connections"])),
    responses((status = 200, body = Forgotten)))]
pub(crate) async fn forget<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At(name): At<String>,
) -> Result<axum::Json<Forgotten>, Refused> {
    Ok(axum::Json(caller.place.bench.forget_connection(caller.signed.who.clone(), name).await?))
}

/// Switches one account of a connection on or off, also of one of the file. Nothing is sent to an account that is off: its
/// queues are held with `account_off`, and go on at once when it is switched on.
#[utoipa::path(put, path = "/api/connections/{connection}/accounts/{account}", tag = "connections",
    params(("connection" = String, Path), ("account" = String, Path, description = "Our short name of it")),
    request_body = SwitchInput, security(("key" = ["manage-connections"])),
    responses((status = 200, body = ConnectionView)))]
pub(crate) async fn switch<S: Store>(
    caller: Caller<S, MANAGE_CONNECTIONS>,
    At((name, account)): At<(String, String)>,
    Json(input): Json<SwitchInput>,
) -> Result<axum::Json<ConnectionView>, Refused> {
    let who = caller.signed.who.clone();
    Ok(axum::Json(caller.place.bench.switch_account(who, name, account, input.on).await?))
}

/// Asks a connection's partner how it is: token, scopes, roles, terms, quota, account by account, each with its cure.
#[utoipa::path(post, path = "/api/connections/{connection}/check", tag = "connections",
    params(("connection" = String, Path)), security(("key" = ["view-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn check<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
    At(name): At<String>,
) -> Result<axum::Json<Value>, Refused> {
    Ok(axum::Json(caller.place.bench.check_connection(name).await?))
}

/// Whose audiences are listed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AudiencesWish {
    /// The account, or the source's folder: our short name, or the partner's id.
    pub account: String,
    /// Only those whose name contains this.
    #[serde(default)]
    pub named: String,
}

/// Asks the partner for the audiences of an account, or of a source's folder.
#[utoipa::path(post, path = "/api/connections/{connection}/audiences", tag = "connections",
    params(("connection" = String, Path)), request_body = AudiencesWish, security(("key" = ["view-connections"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn audiences<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
    At(name): At<String>,
    Json(wish): Json<AudiencesWish>,
) -> Result<axum::Json<Value>, Refused> {
    Ok(axum::Json(caller.place.bench.audiences(name, wish.account, wish.named).await?))
}

/// Asks the partner which accounts the connection's credentials reach; those switched on carry our short name.
#[utoipa::path(post, path = "/api/connections/{connection}/accounts", tag = "connections",
    params(("connection" = String, Path)), security(("key" = ["view-connections"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn accounts<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
    At(name): At<String>,
) -> Result<axum::Json<Value>, Refused> {
    Ok(axum::Json(caller.place.bench.accounts(name).await?))
}
