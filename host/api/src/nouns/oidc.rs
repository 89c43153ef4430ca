//! `/api/sessions/oidc`: signing in by the word of an OpenID provider.
use super::sessions::{Session, begin, refused};
use crate::input::Search;
use crate::problem::Refused;
use crate::provider::{PATIENCE, Provider};
use crate::server::State as Host;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_runner::control::member;
use caravan_store::Store;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Ties the way back to the browser that went.
const COOKIE: &str = "caravan_sign_in";

/// Where to sign in to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Whither {
    /// The workspace, where the host has several; the first one if not given.
    #[serde(default)]
    pub workspace: Option<String>,
}

/// What a browser brings back. Providers add parameters of their own.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Back {
    /// The code.
    #[serde(default)]
    pub code: Option<String>,
    /// What it was sent with.
    #[serde(default)]
    pub state: Option<String>,
    /// Why there is no code.
    #[serde(default)]
    pub error: Option<String>,
}

fn provider<S: Store>(host: &Host<S>) -> Result<Arc<dyn Provider>, Refused> {
    host.provider.clone().ok_or_else(|| Refused::missing("no OpenID provider is configured on this host".to_owned()))
}

/// Sends a browser to the OpenID provider of the configuration.
#[utoipa::path(get, path = "/api/sessions/oidc", tag = "access", params(Whither), security(()),
    responses((status = 303, description = "To the provider")))]
pub(crate) async fn go<S: Store>(
    State(host): State<Arc<Host<S>>>,
    Search(whither): Search<Whither>,
) -> Result<Response, Refused> {
    let provider = provider(&host)?;
    let place = match &whither.workspace {
        Some(name) => host.workspaces.iter().position(|place| place.name == *name),
        None => Some(0).filter(|_| !host.workspaces.is_empty()),
    };
    let place =
        place.ok_or_else(|| refused("there is no such workspace here", "leave `workspace` out, or correct it"))?;
    let asked = provider.begin().await?;
    let secure = if provider.is_secure() { "; Secure" } else { "" };
    let seconds = PATIENCE.0 / 1_000;
    let cookie =
        format!("{COOKIE}={}; Path=/api/sessions/oidc; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", asked.state);
    let text = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| caravan_runner::Error::Broken("an address is no header".to_owned()))
    };
    let headers = [(header::LOCATION, text(&asked.url)?), (header::SET_COOKIE, text(&cookie)?)];
    host.underway.goes(asked, place, SystemClock.now());
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// Signs in whom the provider vouches for, if they are a member. A way back counts once, within ten minutes, in the browser
/// that went.
#[utoipa::path(get, path = "/api/sessions/oidc/callback", tag = "access", params(Back), security(()),
    responses((status = 200, body = Session)))]
pub(crate) async fn come_back<S: Store>(
    State(host): State<Arc<Host<S>>>,
    Search(back): Search<Back>,
    headers: HeaderMap,
) -> Result<axum::Json<Session>, Refused> {
    let provider = provider(&host)?;
    let again = "begin anew at /api/sessions/oidc";
    let state = back.state.unwrap_or_default();
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|one| one.trim().split_once('='));
    if !cookies.any(|(name, value)| name == COOKIE && value == state) {
        return Err(refused("this browser did not begin here", again));
    }
    let known = host.underway.comes_back(&state, SystemClock.now());
    let (asked, place) = known.ok_or_else(|| refused("this way back is unknown, used or over", again))?;
    let place = host.workspaces.get(place).ok_or_else(|| refused("the workspace is gone", again))?;
    let code = match (back.code, back.error) {
        (Some(code), None) => code,
        _ => return Err(refused("the provider signed nobody in", again)),
    };
    let email = provider.finish(code, asked).await?.trim().to_lowercase();
    if member(place.runner.store(), &email).await?.is_none() {
        return Err(refused(
            "whom the provider vouches for is no member here",
            "ask an admin for `caravan member add`",
        ));
    }
    Ok(axum::Json(begin(place, &email).await?))
}
