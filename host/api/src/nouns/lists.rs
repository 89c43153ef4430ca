//! `/api/lists`: people who were put on them.
use super::segments::{GroupMember, GroupView, members_of, sizes};
use super::{EDIT_SEGMENTS, Page, VIEW_PROFILES, VIEW_SEGMENTS};
use crate::caller::Caller;
use crate::input::{At, Json, Search};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::{Code, Group, Problem, Profile};
use caravan_runner::control::lists_of;
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The most people of one call.
const MOST: usize = 10_000;

/// People by their external ids.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// External ids, at most 10,000. Who is not known yet is made.
    pub external_ids: Vec<String>,
}

/// How many a call changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {
    /// How many.
    pub changed: u64,
}

/// All lists.
#[utoipa::path(get, path = "/api/lists", tag = "lists", security(("key" = ["view-segments"])),
    responses((status = 200, body = Vec<GroupView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_SEGMENTS>) -> Result<axum::Json<Vec<GroupView>>, Refused> {
    let sizes = sizes(caller.store()).await?;
    let view = |name: String| GroupView { members: sizes.get(&Group::list(&name)).copied().unwrap_or(0), name };
    Ok(axum::Json(lists_of(caller.store()).await?.into_iter().map(view).collect()))
}

/// Makes a list; one that is there stays as it is.
#[utoipa::path(put, path = "/api/lists/{list}", tag = "lists", params(("list" = String, Path)),
    security(("key" = ["edit-segments"])), responses((status = 204)))]
pub(crate) async fn create<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
) -> Result<StatusCode, Refused> {
    caller.acting().create_list(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a list. Refused while a live canvas or a segment mentions it.
#[utoipa::path(delete, path = "/api/lists/{list}", tag = "lists", params(("list" = String, Path)),
    security(("key" = ["edit-segments"])), responses((status = 204)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
) -> Result<StatusCode, Refused> {
    caller.acting().forget_group(&Group::list(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is on a list, page by page.
#[utoipa::path(get, path = "/api/lists/{list}/members", tag = "lists", params(("list" = String, Path), Page),
    security(("key" = ["view-profiles"])), responses((status = 200, body = Vec<GroupMember>)))]
pub(crate) async fn members<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    At(name): At<String>,
    Search(page): Search<Page>,
) -> Result<axum::Json<Vec<GroupMember>>, Refused> {
    if !lists_of(caller.store()).await?.contains(&name) {
        return Err(Refused::missing(format!("there is no list `{name}`")));
    }
    Ok(axum::Json(members_of(&caller, Group::list(name), &page).await?))
}

/// Puts people on a list.
#[utoipa::path(post, path = "/api/lists/{list}/members", tag = "lists", params(("list" = String, Path)),
    request_body = Ids, security(("key" = ["edit-segments"])), responses((status = 200, body = Changed)))]
pub(crate) async fn add<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
    Json(ids): Json<Ids>,
) -> Result<axum::Json<Changed>, Refused> {
    change(&caller, &name, ids, true).await
}

/// Takes people off a list.
#[utoipa::path(post, path = "/api/lists/{list}/members/remove", tag = "lists", params(("list" = String, Path)),
    request_body = Ids, security(("key" = ["edit-segments"])), responses((status = 200, body = Changed)))]
pub(crate) async fn take<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
    Json(ids): Json<Ids>,
) -> Result<axum::Json<Changed>, Refused> {
    change(&caller, &name, ids, false).await
}

async fn change<S: Store, const R: u8>(
    caller: &Caller<S, R>,
    name: &str,
    ids: Ids,
    joined: bool,
) -> Result<axum::Json<Changed>, Refused> {
    if ids.external_ids.len() > MOST {
        let words = format!("{} people are more than one call takes: {MOST}", ids.external_ids.len());
        return Err(Problem::new(Code::BadValue, words).at_path("external_ids").cure("send several calls").into());
    }
    let mut people = Vec::with_capacity(ids.external_ids.len());
    for (at, id) in ids.external_ids.into_iter().enumerate() {
        super::profiles::check_id(&id).map_err(|problem| problem.at_path(format!("external_ids[{at}]")))?;
        people.push(Profile { external_id: id.trim().to_owned(), ..Profile::default() });
    }
    let details = json!({"people": people.len(), "joined": joined});
    let mut order = caller.acting().order("list.change", &format!("list {name}"), details).await?;
    let changed = caller.runner().list_people_under(&mut order, name, people, joined).await?;
    Ok(axum::Json(Changed { changed }))
}
