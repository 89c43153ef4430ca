//! `/api/keys`: secrets of machines.
use super::MANAGE_MEMBERS;
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use crate::secret;
use axum::http::StatusCode;
use caravan_model::{Code, Problem, Rights};
use caravan_runner::control::keys;
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// The first digits of its digest.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    pub rights: Rights,
    /// Since when, in milliseconds of UTC.
    pub since: i64,
    /// Who made it.
    pub by: String,
}

/// A key that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it; each name once.
    pub name: String,
    /// Rights and roles: `["designer", "audit"]`.
    pub rights: Vec<String>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeKey {
    /// The first digits of its digest.
    pub id: String,
    /// The secret, told once.
    pub key: String,
}

/// Rights from words.
pub(super) fn rights(words: &[String]) -> Result<Rights, Refused> {
    let read = words.join(",").parse::<Rights>();
    read.map_err(|words| Refused::bad(Problem::new(Code::BadValue, words).at_path("rights")))
}

/// All keys.
#[utoipa::path(get, path = "/api/keys", tag = "access", security(("key" = ["manage-members"])),
    responses((status = 200, body = Vec<KeyView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, MANAGE_MEMBERS>) -> Result<axum::Json<Vec<KeyView>>, Refused> {
    let view = |(id, key): (String, caravan_model::Key)| KeyView {
        id,
        name: key.name,
        rights: key.rights,
        since: key.since.0,
        by: key.by,
    };
    Ok(axum::Json(keys(caller.store()).await?.into_iter().map(view).collect()))
}

/// Makes a key. Its secret is in the answer, and nowhere else.
#[utoipa::path(post, path = "/api/keys", tag = "access", request_body = NewKey, security(("key" = ["manage-members"])),
    responses((status = 201, body = MadeKey)))]
pub(crate) async fn add<S: Store>(
    caller: Caller<S, MANAGE_MEMBERS>,
    Json(wanted): Json<NewKey>,
) -> Result<(StatusCode, axum::Json<MadeKey>), Refused> {
    let rights = rights(&wanted.rights)?;
    caller.may_give(&rights)?;
    let key = secret::fresh("ck")?;
    let id = caller.acting().add_key(&wanted.name, rights, &key).await?;
    Ok((StatusCode::CREATED, axum::Json(MadeKey { id, key })))
}

/// Forgets a key, by its name or id.
#[utoipa::path(delete, path = "/api/keys/{key}", tag = "access", params(("key" = String, Path)),
    security(("key" = ["manage-members"])), responses((status = 204)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, MANAGE_MEMBERS>,
    At(key): At<String>,
) -> Result<StatusCode, Refused> {
    caller.acting().remove_key(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}
