//! The egress: which URLs may leave.
use crate::naive_url::{Asked, allowed};
use caravan_connectors::{Grant, RouteBook};
use caravan_model::Manifest;
use caravan_model::manifest::Route;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The ad account of the step that all requests serve.
pub const ACCOUNT: &str = "act_1";
/// The audience of that step.
pub const AUDIENCE: &str = "77";
/// What the placeholder `{any}` is filled with in a proper request.
const WORD: &str = "w-1";

/// A connector under one grant.
pub struct Case {
    manifest: Manifest,
    grant: Grant,
    settings: Map<String, Value>,
    book: RouteBook,
}

impl Case {
    fn new(manifest: &Manifest, grant: Grant) -> Case {
        let mut settings = manifest.settings_with(&Map::new()).expect("defaults fit");
        for value in settings.values_mut().filter(|value| value.as_str() == Some("")) {
            *value = "set-1".into();
        }
        let book = RouteBook::new(manifest, &grant, &settings).expect("routes");
        Case { manifest: manifest.clone(), grant, settings, book }
    }

    /// A template as it is under the settings, for the step's own ids.
    fn filled(&self, template: &str) -> String {
        let mut text = template.replace("{account}", ACCOUNT).replace("{audience}", AUDIENCE);
        for (name, value) in &self.settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text = text.replace(&format!("{{settings.{name}}}"), &value);
        }
        text
    }

    fn is_granted(&self, route: &Route) -> bool {
        self.grant.to.get(&route.host).is_some_and(|routes| routes.contains(&route.name))
    }

    /// The routes that are granted, as the oracle reads them.
    fn asked(&self) -> Vec<Asked> {
        let granted = self.manifest.routes.iter().filter(|route| self.is_granted(route));
        let asked = granted.map(|route| {
            let injected = self.manifest.auth.query.get(&route.name).filter(|_| route.auth);
            Asked {
                name: route.name.clone(),
                method: route.method.clone(),
                host: self.filled(&route.host).to_lowercase(),
                path: self.filled(&route.path),
                query: route.query.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect(),
                injected: injected.map(|all| all.keys().cloned().collect()).unwrap_or_default(),
            }
        });
        asked.collect()
    }

    /// A proper request by each granted route.
    fn proper(&self) -> impl Iterator<Item = (String, String)> {
        self.asked().into_iter().map(|route| {
            let encoded = |text: &str| -> String {
                let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
                text.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
            };
            let fill = |text: &str| text.replace("{any}", WORD).replace('*', WORD);
            let segments: Vec<String> = route.path.split('/').map(|segment| encoded(&fill(segment))).collect();
            let query = route.query.iter().filter(|(name, _)| !route.injected.contains(name));
            let query: Vec<String> =
                query.map(|(name, value)| format!("{}={}", encoded(name), encoded(&fill(value)))).collect();
            let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
            (route.method, format!("https://{}{}{query}", route.host, segments.join("/")))
        })
    }
}

/// Nasty names and templates in one manifest: several hosts, places within segments, queries of every kind.
const NASTY: &str = r#"{
  "manifest": 1, "name": "nasty", "title": "Nasty", "version": "1.0.0", "wit": "0.1.0", "world": "destination",
  "publisher": { "name": "n" }, "hosts": ["api.example.com", "up.example.com", "{settings.shop}.example.net"],
  "actions": ["add"], "settings": [
    { "name": "shop", "title": "Shop", "type": "text", "default": "" },
    { "name": "v", "title": "Version", "type": "text", "default": "v1" }
  ],
  "auth": { "headers": { "Authorization": "Bearer {token}" }, "query": { "list": { "access_token": "{token}" } } },
  "routes": [
    { "name": "add", "method": "POST", "host": "api.example.com", "path": "/{settings.v}/{audience}/users", "body": "application/json" },
    { "name": "drop", "method": "DELETE", "host": "api.example.com", "path": "/{settings.v}/{audience}/users", "body": "application/json" },
    { "name": "list", "method": "GET", "host": "api.example.com", "path": "/{settings.v}/x{account}-{any}.json", "query": { "fields": "*", "id": "{audience}", "access_token": "*", "q": "a{any}b" } },
    { "name": "root", "method": "GET", "host": "up.example.com", "path": "/" },
    { "name": "up", "method": "PUT", "host": "up.example.com", "path": "/{any}/{any}/", "auth": false, "body": "text/csv" },
    { "name": "bomb", "method": "GET", "host": "up.example.com", "path": "/bomb/{any}a{any}x", "query": { "q": "{any}a{any}" } },
    { "name": "shop", "method": "GET", "host": "{settings.shop}.example.net", "path": "/a/{any}", "query": { "a": "{account}" } }
  ]
}"#;

/// Every bundled connector and the nasty one, with all routes granted, and with every second one.
pub static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let manifests = [
        NASTY,
        include_str!("../../../guest-steps/criteo/manifest.json"),
        include_str!("../../../guest-steps/experience-platform/manifest.json"),
        include_str!("../../../guest-steps/google/manifest.json"),
        include_str!("../../../guest-steps/marketo/manifest.json"),
        include_str!("../../../guest-steps/meta/manifest.json"),
        include_str!("../../../guest-steps/pinterest/manifest.json"),
        include_str!("../../../guest-steps/snapchat/manifest.json"),
        include_str!("../../../guest-steps/tiktok/manifest.json"),
    ];
    let both = |text: &str| {
        let manifest: Manifest = serde_json::from_str(text).expect("a manifest");
        let all = Grant::as_asked(&manifest);
        let mut half = all.clone();
        half.to.values_mut().for_each(|routes| {
            let mut keep = false;
            routes.retain(|_| {
                keep = !keep;
                keep
            });
        });
        [Case::new(&manifest, all), Case::new(&manifest, half)]
    };
    manifests.into_iter().flat_map(both).collect()
});

/// Requests (`METHOD URL`, one per line) leave only where the naive oracle too finds host, port, route, ids and query
/// inside the grant.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
        for case in CASES.iter() {
            let Some(name) = case.book.route_of(method, url, ACCOUNT, AUDIENCE) else { continue };
            let asked = case.asked();
            let route = asked.iter().find(|route| route.name == name).expect("a route that is granted");
            if let Err(why) = allowed(route, method, url) {
                panic!("{method} {url} leaves by `{name}` of {}: {why}", case.manifest.name);
            }
            // Without the ids that a route is bound to, the same request does not leave.
            let bound = |place: &str| {
                let route = case.manifest.routes.iter().find(|route| route.name == name).expect("the route");
                route.path.contains(place)
            };
            if bound("{audience}") {
                assert_ne!(case.book.route_of(method, url, ACCOUNT, ""), Some(name), "{url}");
                assert_ne!(case.book.route_of(method, url, ACCOUNT, "7"), Some(name), "{url}");
            }
            if bound("{account}") {
                assert_ne!(case.book.route_of(method, url, "act_2", AUDIENCE), Some(name), "{url}");
            }
        }
    }
}

/// Proper requests: each leaves by a route that is granted.
///
/// # Panics
/// One does not.
pub fn proper() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for case in CASES.iter() {
        for (method, url) in case.proper() {
            let found = case.book.route_of(&method, &url, ACCOUNT, AUDIENCE);
            assert!(found.is_some(), "{method} {url} of {} does not leave", case.manifest.name);
            all.push((method, url));
        }
    }
    all
}
