//! `/api/connections`: ways to partners.
use super::VIEW_CONNECTIONS;
use crate::bench::ConnectionView;
use crate::caller::Caller;
use crate::input::At;
use crate::problem::Refused;
use caravan_store::Store;
use serde_json::Value;

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
