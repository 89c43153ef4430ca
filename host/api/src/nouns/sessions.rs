//! `/api/sessions`: signing in and out, and who one is.
use super::members::{LINK_LIFE, MemberView, view};
use crate::caller::{ANY, Caller, bearer};
use crate::input::Json;
use crate::problem::Refused;
use crate::secret;
use crate::server::State as Host;
use crate::workspace::Workspace;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Duration, Problem, Rights, is_member_address};
use caravan_runner::control::{member, no_mail};
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
    let place = place_of(&host, sign.workspace.as_deref())?;
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

/// Who asks for a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkAsked {
    /// The e-mail address.
    pub email: String,
    /// The workspace, where the host has several; the first one if not given.
    #[serde(default)]
    pub workspace: Option<String>,
}

/// What is answered whoever asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkSent {
    /// What happens now.
    pub told: String,
}

/// Mails a link that signs in once to a member who asks for it. Whether there is such a member is not told: the answer is
/// the same, at once. Five an hour for an address; a mail server must be configured.
#[utoipa::path(post, path = "/api/sessions/link", tag = "access", request_body = LinkAsked, security(()),
    responses((status = 202, body = LinkSent)))]
pub(crate) async fn ask_for_link<S: Store>(
    State(host): State<Arc<Host<S>>>,
    Json(asked): Json<LinkAsked>,
) -> Result<(StatusCode, axum::Json<LinkSent>), Refused> {
    let (email, now) = (asked.email.trim().to_lowercase(), SystemClock.now());
    if !is_member_address(&email) {
        let problem = Problem::new(Code::BadValue, "this is no e-mail address").at_path("email");
        return Err(problem.cure("write ann@acme.example").into());
    }
    let place = place_of(&host, asked.workspace.as_deref())?.clone();
    if !place.runner.mails() {
        return Err(no_mail().into());
    }
    let door = format!("{} {email}", place.name);
    if !host.links.may_try(&door, now) {
        let problem = Problem::new(Code::NotSigned, "too many links were asked for").cure("try again in an hour");
        return Err(Refused::bad(problem).with(StatusCode::TOO_MANY_REQUESTS).again_after(3_600));
    }
    host.links.tried(&door, now);
    // Beside the answer, so that how long it takes tells nothing either.
    tokio::spawn(async move {
        let sent = async {
            if member(place.runner.store(), &email).await?.is_some() {
                let link = secret::fresh("cl").map_err(caravan_runner::Error::from)?;
                place.runner.acting("sign-in").mail_link(&email, &place.name, &link, now.after(LINK_LIFE)).await?;
            }
            caravan_runner::Result::Ok(())
        };
        if let Err(error) = sent.await {
            tracing::warn!(%error, "a link to sign in could not be mailed");
        }
    });
    let told = "if this is a member's address, a link is on its way to it".to_owned();
    Ok((StatusCode::ACCEPTED, axum::Json(LinkSent { told })))
}

/// The workspace that is named, else the first one.
fn place_of<'a, S: Store>(host: &'a Host<S>, named: Option<&str>) -> Result<&'a Arc<Workspace<S>>, Refused> {
    let mut places = host.workspaces.iter();
    let place = match named {
        Some(name) => places.find(|place| place.name == name),
        None => places.next(),
    };
    place.ok_or_else(|| refused("there is no such workspace here", "leave `workspace` out, or correct it"))
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
        host.doors.tried(&door, now);
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
