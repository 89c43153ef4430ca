//! What browsers need beside the calls: leave to send from a page of another origin, and the settings that Segment's
//! library for them asks for before it sends anything.
use crate::input::At;
use crate::problem::Refused;
use crate::server::{ServerOptions, State as Shared};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use caravan_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser remembers what it may send.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Whose pages may send. No cookie counts under `/v1`, only the write key, which every visitor of such a page can read.
pub(super) fn origins(options: &ServerOptions) -> CorsLayer {
    let allowed = if options.origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(options.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        // By name: `*` would leave the key's header out.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER])
        .max_age(REMEMBERED)
}

/// `GET /v1/projects/{key}/settings`: what the library for browsers asks of the host that it is told as its `cdnURL`.
pub(super) async fn settings<S: Store>(
    State(state): State<Arc<Shared<S>>>,
    At(key): At<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    if state.sends_to(&key).await?.is_none() {
        return Err(Refused::missing("there are no settings for this write key"));
    }
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let public = state.options.public_url.clone().unwrap_or_else(|| format!("http://{asked}"));
    let (protocol, host) = public.split_once("://").unwrap_or(("https", &public));
    let host = host.trim_end_matches('/');
    Ok(Json(json!({
        "integrations": {"Segment.io": {
            "apiKey": key, "apiHost": format!("{host}/v1"), "protocol": protocol,
            "unbundledIntegrations": [], "addBundledMetadata": false,
        }},
        "plan": {"track": {"__default": {"enabled": true, "integrations": {}}}},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        // Nothing of the library's own is measured.
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })))
}
