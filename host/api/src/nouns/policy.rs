//! `/api/policy`: what an add needs of a person, what labelled data must not be used for, which partners may be used.
use super::{GRANT_CONNECTORS, VIEW_CANVASES};
use crate::bench::PolicyKept;
use crate::caller::Caller;
use crate::input::{Search, Text};
use crate::problem::Refused;
use axum::http::header;
use axum::response::IntoResponse;
use caravan_runner::POLICY_ID;
use caravan_store::{DocumentKind, Store};
use serde::Deserialize;
use utoipa::IntoParams;

/// How a policy is kept.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Anyway {
    /// Also where it refuses canvases that are live: they go on as they were published.
    #[serde(default)]
    pub anyway: bool,
}

/// The policy as it was written; `format: 1` where there is none.
#[utoipa::path(get, path = "/api/policy", tag = "policy", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Object, content_type = "application/yaml")))]
pub(crate) async fn show<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<impl IntoResponse, Refused> {
    let documents = caller.store().documents(DocumentKind::Policy).await?;
    let text = documents.into_iter().find(|(id, _)| id == POLICY_ID).map(|(_, text)| text);
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text.unwrap_or_else(|| "format: 1\n".to_owned())))
}

/// Keeps a policy: what is sealed or published from now on stands under it.
#[utoipa::path(put, path = "/api/policy", tag = "policy", params(Anyway),
    request_body(content = String, content_type = "application/yaml", description = "The policy, as YAML or JSON"),
    security(("key" = ["grant-connectors"])), responses((status = 200, body = PolicyKept)))]
pub(crate) async fn set<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    Search(how): Search<Anyway>,
    Text(text): Text,
) -> Result<axum::Json<PolicyKept>, Refused> {
    Ok(axum::Json(caller.place.bench.set_policy(caller.signed.who.clone(), text, how.anyway).await?))
}

/// Which live canvases a policy would refuse; nothing is kept.
#[utoipa::path(post, path = "/api/policy/check", tag = "policy",
    request_body(content = String, content_type = "application/yaml", description = "The policy, as YAML or JSON"),
    security(("key" = ["view-canvases"])), responses((status = 200, body = PolicyKept)))]
pub(crate) async fn check<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    Text(text): Text,
) -> Result<axum::Json<PolicyKept>, Refused> {
    Ok(axum::Json(caller.place.bench.check_policy(text).await?))
}
