//! `/api/members`: people who sign in.
use super::MANAGE_MEMBERS;
use super::keys::rights;
use crate::caller::Caller;
use crate::input::{At, Json, Search};
use crate::problem::Refused;
use crate::secret;
use axum::http::StatusCode;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Duration, Member, Rights};
use caravan_runner::control::{self, member};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How long a link is good.
pub const LINK_LIFE: Duration = Duration::DAY;

/// A member.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// The e-mail address, which is their id.
    pub email: String,
    /// For people.
    pub name: Option<String>,
    /// What they may do.
    #[schema(value_type = Vec<String>)]
    pub rights: Rights,
    /// Whether they have a password; without one they sign in by link.
    pub has_password: bool,
    /// Since when, in milliseconds of UTC.
    pub since: i64,
}

/// A member, new or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
    /// Rights and roles: `["designer", "audit"]`.
    pub rights: Vec<String>,
    /// A new password, of at least twelve characters; without one, what stands stays.
    #[serde(default)]
    pub password: Option<String>,
}

/// How a link is told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HowTold {
    /// Mails it to the member instead of answering it.
    #[serde(default)]
    pub mail: bool,
}

/// A link's secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeLink {
    /// To be sent to `POST /api/sessions` once, told once; none where it was mailed.
    pub link: Option<String>,
    /// Until when it is good, in milliseconds of UTC.
    pub until: i64,
}

pub(super) fn view(member: Member) -> MemberView {
    MemberView {
        has_password: member.password.is_some(),
        email: member.email,
        name: member.name,
        rights: member.rights,
        since: member.since.0,
    }
}

/// All members.
#[utoipa::path(get, path = "/api/members", tag = "access", security(("key" = ["manage-members"])),
    responses((status = 200, body = Vec<MemberView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, MANAGE_MEMBERS>) -> Result<axum::Json<Vec<MemberView>>, Refused> {
    Ok(axum::Json(control::members(caller.store()).await?.into_iter().map(view).collect()))
}

/// Keeps a member, new or changed.
#[utoipa::path(put, path = "/api/members/{email}", tag = "access", params(("email" = String, Path)),
    request_body = MemberChange, security(("key" = ["manage-members"])), responses((status = 200, body = MemberView)))]
pub(crate) async fn set<S: Store>(
    caller: Caller<S, MANAGE_MEMBERS>,
    At(email): At<String>,
    Json(change): Json<MemberChange>,
) -> Result<axum::Json<MemberView>, Refused> {
    let rights = rights(&change.rights)?;
    caller.may_give(&rights)?;
    let known = member(caller.store(), &email).await?;
    if let Some(known) = &known {
        // Who has more than the caller is not changed by them.
        caller.may_give(&known.rights)?;
    }
    let password = match change.password {
        Some(password) => Some(hashed(password).await?),
        None => known.as_ref().and_then(|known| known.password.clone()),
    };
    let since = known.map_or_else(|| SystemClock.now(), |known| known.since);
    let member = Member { email: email.trim().to_lowercase(), name: change.name, rights, password, since };
    caller.acting().set_member(member.clone()).await?;
    Ok(axum::Json(view(member)))
}

/// Hashing takes a while: it happens on a thread of its own.
async fn hashed(password: String) -> Result<String, Refused> {
    let hash = tokio::task::spawn_blocking(move || secret::hash(&password)).await;
    Ok(hash.map_err(caravan_runner::Error::from)??)
}

/// Takes a member's rights and ends their sessions.
#[utoipa::path(delete, path = "/api/members/{email}", tag = "access", params(("email" = String, Path)),
    security(("key" = ["manage-members"])), responses((status = 204)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, MANAGE_MEMBERS>,
    At(email): At<String>,
) -> Result<StatusCode, Refused> {
    if let Some(known) = member(caller.store(), &email).await? {
        caller.may_give(&known.rights)?;
    }
    caller.acting().remove_member(&email).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a link that signs a member in once, within a day.
#[utoipa::path(post, path = "/api/members/{email}/links", tag = "access", params(("email" = String, Path), HowTold),
    security(("key" = ["manage-members"])), responses((status = 201, body = MadeLink)))]
pub(crate) async fn link<S: Store>(
    caller: Caller<S, MANAGE_MEMBERS>,
    At(email): At<String>,
    Search(how): Search<HowTold>,
) -> Result<(StatusCode, axum::Json<MadeLink>), Refused> {
    if let Some(known) = member(caller.store(), &email).await? {
        caller.may_give(&known.rights)?;
    }
    let (link, until) = (secret::fresh("cl")?, SystemClock.now().after(LINK_LIFE));
    let told = match how.mail {
        true => caller.acting().mail_link(&email, &caller.place.name, &link, until).await.map(|()| None)?,
        false => caller.acting().make_link(&email, &link, until).await.map(|()| Some(link))?,
    };
    Ok((StatusCode::CREATED, axum::Json(MadeLink { link: told, until: until.0 })))
}
