//! `/api/sessions`: signing in and out, and who one is.
use super::members::{MemberView, view};
use crate::caller::{ANY, Caller, bearer};
use crate::input::Json;
use crate::problem::Refused;
use crate::secret;
use crate::server::State as Host;
use crate::workspace::Workspace;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Duration, Problem, Rights};
use caravan_runner::control::member;
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// How long a session lasts.
const LIFE: Duration = Duration::HOUR.times(12);

/// How someone signs in: with address and password, or with a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// The password.
    #[serde(default)]
    pub password: Option<String>,
    /// The link's secret.
    #[serde(default)]
    pub link: Option<String>,
    /// The workspace, where the host has several; the first one if not given.
    #[serde(default)]
    pub workspace: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// What further calls send as `Authorization: Bearer …`.
    pub token: String,
    /// Until when it is good, in milliseconds of UTC.
    pub until: i64,
    /// Who signed in.
    pub member: MemberView,
}

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// As the audit chain names them.
    pub who: String,
    /// What they may do.
    #[schema(value_type = Vec<String>)]
    pub rights: Rights,
    /// The workspace.
    pub workspace: String,
}

/// Signs a member in for twelve hours. After five wrong passwords of an address, a minute must pass.
#[utoipa::path(post, path = "/api/sessions", tag = "access", request_body = SignIn, security(()),
    responses((status = 201, body = Session)))]
pub(crate) async fn open<S: Store>(
    State(host): State<Arc<Host<S>>>,
    Json(sign): Json<SignIn>,
) -> Result<(StatusCode, axum::Json<Session>), Refused> {
    let mut places = host.workspaces.iter();
    let place = match &sign.workspace {
        Some(name) => places.find(|place| place.name == *name),
        None => places.next(),
    };
    let place =
        place.ok_or_else(|| refused("there is no such workspace here", "leave `workspace` out, or correct it"))?;
    let email = match sign {
        SignIn { email: Some(email), password: Some(password), link: None, .. } => {
            by_password(&host, place, email, password).await?
        }
        SignIn { email: None, password: None, link: Some(link), .. } => {
            let used = place.runner.acting("link").use_link(&link).await?;
            used.ok_or_else(|| refused("this link is unknown, used or over", "ask for another one"))?
        }
        _ => {
            let problem = Problem::new(Code::BadValue, "send `email` and `password`, or a `link` alone");
            return Err(problem.into());
        }
    };
    Ok((StatusCode::CREATED, axum::Json(begin(place, &email).await?)))
}

/// Opens a session for a member who proved who they are.
pub(super) async fn begin<S: Store>(place: &Workspace<S>, email: &str) -> Result<Session, Refused> {
    let (token, until) = (secret::fresh("cs")?, SystemClock.now().after(LIFE));
    place.runner.acting(format!("member:{email}")).open_session(email, &token, until).await?;
    let member = member(place.runner.store(), email).await?;
    let member = member.ok_or_else(|| refused("the member is not there any more", "ask an admin"))?;
    Ok(Session { token, until: until.0, member: view(member) })
}

async fn by_password<S: Store>(
    host: &Host<S>,
    place: &Workspace<S>,
    email: String,
    password: String,
) -> Result<String, Refused> {
    let email = email.trim().to_lowercase();
    let now = SystemClock.now();
    let door = format!("{} {email}", place.name);
    if !host.doors.may_try(&door, now) {
        let problem = Problem::new(Code::NotSigned, "too many wrong passwords").cure("try again in a minute");
        return Err(Refused::bad(problem).with(StatusCode::TOO_MANY_REQUESTS).again_after(60));
    }
    let known = member(place.runner.store(), &email).await?.and_then(|member| member.password);
    let fits = tokio::task::spawn_blocking(move || secret::fits(&password, known.as_deref())).await;
    if !fits.map_err(caravan_runner::Error::from)? {
        host.doors.failed(&door, now);
        return Err(refused("the address or the password is wrong", "try again, or ask an admin for a link"));
    }
    host.doors.opened(&door);
    Ok(email)
}

pub(super) fn refused(words: &str, cure: &str) -> Refused {
    Refused::bad(Problem::new(Code::NotSigned, words).cure(cure))
}

/// Ends the session that the request is sent with.
#[utoipa::path(delete, path = "/api/sessions", tag = "access", security(("key" = [])), responses((status = 204)))]
pub(crate) async fn close<S: Store>(caller: Caller<S, ANY>, headers: HeaderMap) -> Result<StatusCode, Refused> {
    if let Some(secret) = bearer(&headers).filter(|_| caller.signed.member.is_some()) {
        caller.acting().close_session(secret).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who calls, and what they may do.
#[utoipa::path(get, path = "/api/me", tag = "access", security(("key" = [])), responses((status = 200, body = Me)))]
pub(crate) async fn me<S: Store>(caller: Caller<S, ANY>) -> axum::Json<Me> {
    let workspace = caller.place.name.clone();
    axum::Json(Me { who: caller.signed.who, rights: caller.signed.rights, workspace })
}
