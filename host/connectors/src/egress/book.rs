//! Which requests a connection's connector may make: the manifest's routes under its settings, as far as they are granted.
use super::{
    route::{self, CompiledRoute},
    template::Scope,
};
use crate::{bound::compile_routes, grant::Grant};
use caravan_model::{Manifest, Problem};
use http::{Method, Uri};
use serde_json::{Map, Value};

/// The routes of a connection, compiled. The egress asks nothing else of a request's method and URL.
///
/// ```
/// # use caravan_connectors::{Grant, RouteBook};
/// # let manifest: caravan_model::Manifest =
/// #     serde_json::from_str(include_str!("../../../../guest-steps/meta/manifest.json")).unwrap();
/// let settings = manifest.settings_with(&Default::default()).unwrap();
/// let book = RouteBook::new(&manifest, &Grant::as_asked(&manifest), &settings).unwrap();
/// let route = |url| book.route_of("POST", url, "act_1", "77");
/// assert!(route("https://graph.facebook.com/v26.0/77/users").is_some());
/// assert!(route("https://graph.facebook.com/v26.0/78/users").is_none());
/// ```
#[derive(Debug)]
pub struct RouteBook {
    pub(crate) routes: Vec<CompiledRoute>,
}

impl RouteBook {
    /// The routes under `settings`, whose defaults are filled in. A grant may name a host as the manifest does, or as it
    /// is under these settings.
    ///
    /// # Errors
    /// CV052 where a route cannot be read under these settings.
    pub fn new(manifest: &Manifest, grant: &Grant, settings: &Map<String, Value>) -> Result<RouteBook, Problem> {
        let mut routes = compile_routes(manifest, settings)?;
        for (route, asked) in routes.iter_mut().zip(&manifest.routes) {
            route.granted = grant.allows(&asked.host, &route.name) || grant.allows(&route.host, &route.name);
        }
        Ok(RouteBook { routes })
    }

    /// The name of the route by which a request leaves that serves this account and audience (the partner's ids, empty
    /// where there is none); `None` where it does not leave.
    pub fn route_of(&self, method: &str, url: &str, account: &str, audience: &str) -> Option<&str> {
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let url: Uri = url.parse().ok()?;
        let found = route::find(&self.routes, &method, &url, &Scope::new(account, audience));
        found.ok().map(|route| route.name.as_str())
    }
}
