//! `/api/connections`: ways to partners.
use super::VIEW_CONNECTIONS;
use crate::bench::ConnectionView;
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use caravan_store::Store;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The connections of this host.
#[utoipa::path(get, path = "/api/connections", tag = "connections", security(("key" = ["view-connections"])),
    responses((status = 200, body = Vec<ConnectionView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
) -> Result<axum::Json<Vec<ConnectionView>>, Refused> {
    Ok(axum::Json(caller.place.bench.connections().await?))
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
