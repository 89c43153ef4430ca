//! `/api/connectors`: components that speak with partners: brought, looked at, allowed, taken up, gone back from. A version
//! that is taken up is used from the next batch on, first for one batch; one that breaks goes back by itself.
use super::{GRANT_CONNECTORS, INSTALL_CONNECTORS, VIEW_CONNECTIONS};
use crate::bench::Registry;
use crate::caller::Caller;
use crate::input::{At, Bytes, Json, Search, Text};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::{Right, mask};
use caravan_store::Store;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// The largest component, in bytes.
pub const LARGEST: usize = 64 << 20;

/// Where a version is taken up first.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Only this connection tries it; said again without, all take it up.
    #[serde(default)]
    pub only: Option<String>,
}

/// What a connection stays with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinInput {
    /// `NAME@sha256:DIGEST`; without it, the connection goes with the others.
    #[serde(default)]
    pub version: Option<String>,
}

/// How a version is allowed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// All that its manifest asks for; the body is then empty.
    #[serde(default)]
    pub as_asked: bool,
}

/// How many lines are given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// At most so many; 100 if not given.
    #[serde(default = "hundred")]
    pub lines: usize,
}

fn hundred() -> usize {
    100
}

type Done = Result<axum::Json<Value>, Refused>;

async fn act<S: Store, const R: u8>(caller: Caller<S, R>, act: Registry) -> Done {
    Ok(axum::Json(caller.place.bench.connectors(caller.signed.who.clone(), act).await?))
}

/// All versions: in use, waiting, kept, and those inside the program.
#[utoipa::path(get, path = "/api/connectors", tag = "connectors", security(("key" = ["view-connections"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_CONNECTIONS>) -> Done {
    act(caller, Registry::List).await
}

/// What a connector asks for: its manifest, its imports, and its capabilities in plain words. Nothing of it runs.
#[utoipa::path(get, path = "/api/connectors/{connector}", tag = "connectors", params(("connector" = String, Path)),
    security(("key" = ["view-connections"])), responses((status = 200, body = Object)))]
pub(crate) async fn inspect<S: Store>(caller: Caller<S, VIEW_CONNECTIONS>, At(name): At<String>) -> Done {
    act(caller, Registry::Inspect(name)).await
}

/// How the version that waits behaves beside the one in use: synthetic batches go through both against a lab in this process,
/// and the requests that differ are given. Nothing leaves, nothing is taken up.
#[utoipa::path(get, path = "/api/connectors/{connector}/comparison", tag = "connectors",
    params(("connector" = String, Path)), security(("key" = ["view-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn compare<S: Store>(caller: Caller<S, VIEW_CONNECTIONS>, At(name): At<String>) -> Done {
    act(caller, Registry::Compare(name)).await
}

/// The newest lines that a connector logged on this host: scrubbed of tokens, at most 1,000 and 256 KiB, in memory alone.
/// Identifiers of people are masked without the right `see-identities`.
#[utoipa::path(get, path = "/api/connectors/{connector}/logs", tag = "connectors",
    params(("connector" = String, Path), Newest), security(("key" = ["view-connections"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn logs<S: Store>(
    caller: Caller<S, VIEW_CONNECTIONS>,
    At(name): At<String>,
    Search(newest): Search<Newest>,
) -> Done {
    let plain = caller.signed.rights.has(Right::SeeIdentities);
    let axum::Json(mut logs) = act(caller, Registry::Logs(name, newest.lines)).await?;
    for said in logs["lines"].as_array_mut().into_iter().flatten().filter(|_| !plain) {
        if let Some(Value::String(line)) = said.get_mut("line") {
            *line = mask::line(line);
        }
    }
    Ok(axum::Json(logs))
}

/// Keeps a component. It is read and compiled in a process of its own, and waits for approval.
#[utoipa::path(post, path = "/api/connectors", tag = "connectors",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("key" = ["install-connectors"])),
    responses((status = 201, body = Object)))]
pub(crate) async fn install<S: Store>(
    caller: Caller<S, INSTALL_CONNECTORS>,
    Bytes(bytes): Bytes,
) -> Result<(StatusCode, axum::Json<Value>), Refused> {
    Ok((StatusCode::CREATED, act(caller, Registry::Install(bytes)).await?))
}

/// Allows the version that waits: what the grant in the body says, or all that it asks for. Gives the grant, for Git.
#[utoipa::path(put, path = "/api/connectors/{connector}/grant", tag = "connectors",
    params(("connector" = String, Path), How),
    request_body(content = String, content_type = "application/yaml", description = "The grant; empty with `as_asked`"),
    security(("key" = ["grant-connectors"])), responses((status = 200, body = Object)))]
pub(crate) async fn grant<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    At(name): At<String>,
    Search(how): Search<How>,
    Text(text): Text,
) -> Done {
    act(caller, Registry::Grant(name, (!how.as_asked).then_some(text))).await
}

/// Takes the waiting version into use. What widens rights waits for a grant; the difference is in the answer.
#[utoipa::path(post, path = "/api/connectors/{connector}/upgrade", tag = "connectors",
    params(("connector" = String, Path)), request_body = Upgrade, security(("key" = ["grant-connectors"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn upgrade<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    At(name): At<String>,
    Json(upgrade): Json<Upgrade>,
) -> Done {
    act(caller, Registry::Upgrade(name, upgrade.only)).await
}

/// Ends a trial, or goes back to the version before.
#[utoipa::path(post, path = "/api/connectors/{connector}/rollback", tag = "connectors",
    params(("connector" = String, Path)), security(("key" = ["grant-connectors"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn roll_back<S: Store>(caller: Caller<S, GRANT_CONNECTORS>, At(name): At<String>) -> Done {
    act(caller, Registry::RollBack(name)).await
}

/// Keeps a connection at a version, whatever is upgraded, or lets it go with the others again.
#[utoipa::path(put, path = "/api/connections/{connection}/pin", tag = "connectors",
    params(("connection" = String, Path)), request_body = PinInput, security(("key" = ["grant-connectors"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn pin<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    At(connection): At<String>,
    Json(pin): Json<PinInput>,
) -> Done {
    act(caller, Registry::Pin(connection, pin.version)).await
}

/// Removes a connector, or one version (`NAME@sha256:DIGEST`). Refused while a connection or a queue needs it.
#[utoipa::path(delete, path = "/api/connectors/{connector}", tag = "connectors", params(("connector" = String, Path)),
    security(("key" = ["install-connectors"])), responses((status = 200, body = Object)))]
pub(crate) async fn uninstall<S: Store>(caller: Caller<S, INSTALL_CONNECTORS>, At(name): At<String>) -> Done {
    act(caller, Registry::Uninstall(name)).await
}
