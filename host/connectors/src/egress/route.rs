//! Granted routes: which requests may leave, and why another may not.
use super::header::GuestHeaders;
use super::template::{Scope, Template};
use caravan_model::manifest::{Manifest, Route};
use http::{Method, Uri};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

/// The longest path with query.
const LONGEST: usize = 8 * 1024;

/// A route of the manifest, compiled under a connection's settings.
#[derive(Clone, Debug)]
pub struct CompiledRoute {
    /// The route's name.
    pub name: String,
    /// The method.
    pub method: Method,
    /// The host, lower case; empty where its setting is, and then no request fits.
    pub host: String,
    segments: Vec<Template>,
    query: BTreeMap<String, Option<Template>>,
    /// Headers that the guest may set here, and to what.
    pub headers: GuestHeaders,
    /// The content type of the body; none = no body.
    pub body: Option<String>,
    /// Body locks: pointer tokens and template.
    pub locks: Vec<(String, Template)>,
    /// Whether credentials are injected.
    pub auth: bool,
    /// Query parameters that the host injects; the guest may not bring its own.
    pub injected: Vec<String>,
    /// Whether the request changes membership.
    pub writes: bool,
    /// Whether a grant covers it.
    pub granted: bool,
}

/// Why a request fits no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The URL itself is not acceptable.
    Url(&'static str),
    /// No route has this host.
    Host,
    /// Routes have the host, none this method and path (or its ids are not the step's own).
    Path,
    /// The route fits but for its query parameter of this name.
    Query(String),
    /// The manifest asks for the route of this name, and no grant covers it.
    NotGranted(String),
}

impl CompiledRoute {
    /// Compiles a route.
    ///
    /// # Errors
    /// What is wrong with it, naming the route.
    pub fn new(route: &Route, manifest: &Manifest, settings: &Map<String, Value>) -> Result<CompiledRoute, String> {
        let wrong = |what: String| format!("route `{}`: {what}", route.name);
        let method = Method::from_bytes(route.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT && route.method.bytes().all(|b| b.is_ascii_uppercase()))
            .ok_or_else(|| wrong(format!("`{}` is no method", route.method)))?;
        if !manifest.hosts.contains(&route.host) {
            return Err(wrong(format!("host `{}` is not among the manifest's hosts", route.host)));
        }
        let path = route.path.strip_prefix('/').ok_or_else(|| wrong("the path must begin with `/`".into()))?;
        let segments = path
            .split('/')
            .map(|segment| Template::parse(segment, settings)?.bounded())
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        let mut query = BTreeMap::new();
        for (name, template) in &route.query {
            let parsed =
                || Template::parse(template, settings)?.bounded().map_err(|what| format!("the query `{name}`: {what}"));
            let template = if template == "*" { None } else { Some(parsed().map_err(wrong)?) };
            query.insert(name.clone(), template);
        }
        let headers = GuestHeaders::new(&route.headers, manifest, settings).map_err(wrong)?;
        let mut locks = Vec::new();
        for (pointer, template) in &route.locks {
            let is_json =
                route.body.as_deref().is_some_and(|body| body == "application/json" || body.ends_with("+json"));
            if !is_json {
                return Err(wrong("body locks need a JSON body".into()));
            }
            if !pointer.starts_with('/') {
                return Err(wrong(format!("`{pointer}` is no JSON pointer")));
            }
            let template = Template::parse(template, settings).map_err(wrong)?;
            if template.has_any() {
                return Err(wrong(format!("the lock `{pointer}` locks nothing: it has an {{any}}")));
            }
            locks.push((pointer.clone(), template));
        }
        let injected = match manifest.auth.query.get(&route.name) {
            Some(parameters) if route.auth => parameters.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Ok(CompiledRoute {
            name: route.name.clone(),
            method,
            host: host_under(&route.host, settings).map_err(wrong)?,
            segments,
            query,
            headers,
            body: route.body.clone(),
            locks,
            auth: route.auth,
            injected,
            writes: route.writes,
            granted: false,
        })
    }

    fn fits_path(&self, segments: &[String], scope: &Scope) -> bool {
        self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(template, segment)| template.fits(segment, scope))
    }

    fn misfit_of_query(&self, query: &[(String, String)], scope: &Scope) -> Option<String> {
        let mut seen = HashSet::new();
        let bad = query.iter().find(|(name, value)| {
            let fits = match self.query.get(name) {
                None => false,
                Some(None) => true,
                Some(Some(template)) => template.fits(value, scope),
            };
            !seen.insert(name) || !fits || self.injected.contains(name)
        });
        bad.map(|(name, _)| name.clone())
    }
}

/// Finds the route that allows a request.
///
/// # Errors
/// Why none does; the nearest miss.
pub fn find<'a>(
    routes: &'a [CompiledRoute],
    method: &Method,
    uri: &Uri,
    scope: &Scope,
) -> Result<&'a CompiledRoute, Misfit> {
    let host = checked_host(uri).map_err(Misfit::Url)?;
    if uri.path_and_query().is_some_and(|both| both.as_str().len() > LONGEST) {
        return Err(Misfit::Url("the URL is longer than 8 KiB"));
    }
    let segments = decoded_path(uri.path()).map_err(Misfit::Url)?;
    let query = decoded_query(uri.query()).map_err(Misfit::Url)?;
    let mut nearest = Misfit::Host;
    let of_host = |granted: bool| routes.iter().filter(move |route| route.host == host && route.granted == granted);
    // What is granted comes first: a route that nobody allowed is only looked at to say why a request is denied.
    for route in of_host(true).chain(of_host(false)) {
        if nearest == Misfit::Host {
            nearest = Misfit::Path;
        }
        if route.method != *method || !route.fits_path(&segments, scope) {
            continue;
        }
        match route.misfit_of_query(&query, scope) {
            Some(name) if !matches!(nearest, Misfit::NotGranted(_)) => nearest = Misfit::Query(name),
            Some(_) => {}
            None if route.granted => return Ok(route),
            None => nearest = Misfit::NotGranted(route.name.clone()),
        }
    }
    Err(nearest)
}

/// A host of the manifest under a connection's settings: an exact name, or one whose first label is a setting.
///
/// # Errors
/// The place is no setting, stands elsewhere, leaves no domain behind it, or its value is no label.
pub(crate) fn host_under(host: &str, settings: &Map<String, Value>) -> Result<String, String> {
    if !host.contains(['{', '}']) {
        return match is_host_name(host) {
            true => Ok(host.to_owned()),
            false => {
                Err(format!("the host `{host}` is no public name: lower-case labels with dots, no address, no port"))
            }
        };
    }
    let place = host.strip_prefix("{settings.").and_then(|rest| rest.split_once("}."));
    let (name, domain) = place.filter(|(_, domain)| is_host_name(domain)).ok_or_else(|| {
        format!("the host `{host}` may have one place, {{settings.NAME}} as its first label before a domain")
    })?;
    let label =
        settings.get(name).and_then(Value::as_str).ok_or_else(|| format!("there is no text setting `{name}`"))?;
    let label = label.to_ascii_lowercase();
    match label.as_str() {
        "" => Ok(String::new()),
        label if is_label(label) => Ok(format!("{label}.{domain}")),
        _ => Err(format!("the setting `{name}` stands in a host name: letters, digits and hyphens only")),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A partner's host is a plain, lower-case DNS name with a dot, and no address in disguise.
pub(crate) fn is_host_name(host: &str) -> bool {
    let last_has_letter = host.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    let good = host.len() <= 253 && host.contains('.') && host.split('.').all(is_label) && last_has_letter;
    let local = ["localhost", "local", "internal", "arpa"].iter().any(|zone| host.rsplit('.').next() == Some(zone));
    // `0x7f.1`-like forms: a last label that a resolver may take for a number.
    let number = host.rsplit('.').next().is_some_and(|last| last.starts_with("0x"));
    good && !local && !number
}

fn checked_host(uri: &Uri) -> Result<&str, &'static str> {
    if uri.scheme_str() != Some("https") {
        return Err("only https may leave");
    }
    let authority = uri.authority().ok_or("there is no host")?.as_str();
    if authority.contains('@') {
        return Err("a user name in the URL");
    }
    match authority.split_once(':') {
        None | Some((_, "443")) => {}
        Some(_) => return Err("a port other than 443"),
    }
    match uri.host() {
        Some(host) if is_host_name(host) => Ok(host),
        _ => Err("the host is no public name: lower-case labels with dots, no address, nothing on this machine"),
    }
}

/// The path's segments, decoded.
///
/// # Errors
/// What makes the path unacceptable, whatever the routes say.
pub fn decoded_path(path: &str) -> Result<Vec<String>, &'static str> {
    let path = path.strip_prefix('/').ok_or("the path does not begin with `/`")?;
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.len() - 1;
    let mut decoded = Vec::with_capacity(segments.len());
    for (at, segment) in segments.into_iter().enumerate() {
        if segment.is_empty() && at != last {
            return Err("the path has an empty segment");
        }
        let segment = percent_decode(segment, false)?;
        if segment.contains(['/', '\\']) {
            return Err("the path has an encoded slash or a backslash");
        }
        // A parameter such as `..;x` is a dot segment to some servers.
        let bare = segment.split(';').next().unwrap_or_default();
        if bare == "." || bare == ".." {
            return Err("the path has a dot segment");
        }
        if segment.chars().any(char::is_control) {
            return Err("the path has a control character");
        }
        decoded.push(segment);
    }
    Ok(decoded)
}

fn decoded_query(query: Option<&str>) -> Result<Vec<(String, String)>, &'static str> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Vec::new()) };
    if query.contains(';') {
        return Err("the query has a `;`, which some servers take for a separator");
    }
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (percent_decode(name, true)?, percent_decode(value, true)?);
            if name.chars().chain(value.chars()).any(char::is_control) {
                return Err("the query has a control character");
            }
            Ok((name, value))
        })
        .collect()
}

fn percent_decode(text: &str, plus_is_space: bool) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                let (Some(high), Some(low)) = (high, low) else { return Err("a broken percent encoding") };
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| "a percent encoding that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn routes() -> Vec<CompiledRoute> {
        let json = serde_json::json!({
            "manifest": 1, "name": "t", "title": "T", "version": "1.0.0", "wit": "0.1.0", "world": "destination",
            "publisher": { "name": "t" }, "hosts": ["api.example.com"], "actions": ["add"],
            "auth": { "query": { "list": { "access_token": "{token}" } } },
            "routes": [
                { "name": "add", "method": "POST", "host": "api.example.com", "path": "/{settings.v}/{audience}/users", "body": "application/json" },
                { "name": "list", "method": "GET", "host": "api.example.com", "path": "/{settings.v}/act_{account}/audiences", "query": { "fields": "*", "id": "{audience}" } },
                { "name": "other", "method": "GET", "host": "api.example.com", "path": "/other" }
            ]
        });
        let manifest: Manifest = serde_json::from_value(json).unwrap();
        let settings = serde_json::json!({ "v": "v1" });
        let compiled = manifest.routes.iter().map(|route| {
            let route = CompiledRoute::new(route, &manifest, settings.as_object().unwrap()).unwrap();
            CompiledRoute { granted: route.name != "other", ..route }
        });
        compiled.collect()
    }

    fn verdict(method: Method, url: &str) -> Result<String, Misfit> {
        let uri: Uri = url.parse().unwrap();
        find(&routes(), &method, &uri, &Scope::new("1", "77")).map(|route| route.name.clone())
    }

    #[test]
    fn the_steps_own_requests_pass() {
        for (method, url, route) in [
            (Method::POST, "https://api.example.com/v1/77/users", "add"),
            (Method::POST, "https://api.example.com:443/v1/77/users", "add"),
            (Method::POST, "https://api.example.com/v1/%37%37/users", "add"),
            (Method::GET, "https://api.example.com/v1/act_1/audiences?fields=id,name&id=77", "list"),
        ] {
            assert_eq!(verdict(method, url).as_deref(), Ok(route), "{url}");
        }
    }

    #[test]
    fn requests_of_another_shape_are_misfits() {
        for (method, url) in [
            (Method::DELETE, "https://api.example.com/v1/77/users"),
            (Method::POST, "https://api.example.com/v1/78/users"),
            (Method::POST, "https://api.example.com/v1/77/users/"),
            (Method::POST, "https://api.example.com/v1/77/users/x"),
            (Method::GET, "https://api.example.com/v1/act_2/audiences"),
            (Method::GET, "https://api.example.com/v1/77;x/users"),
        ] {
            assert_eq!(verdict(method, url), Err(Misfit::Path), "{url}");
        }
        for url in
            ["https://evil.example.com/v1/77/users", "https://api.example.com.evil.net/x", "https://API.example.org/x"]
        {
            assert!(
                verdict(Method::POST, url).is_err_and(|misfit| matches!(misfit, Misfit::Host | Misfit::Url(_))),
                "{url}"
            );
        }
        for (name, query) in [
            ("limit", "limit=1"),
            ("id", "id=78"),
            ("id", "id=77&id=77"),
            ("access_token", "access_token=mine"),
            ("method", "method=delete"),
        ] {
            let url = format!("https://api.example.com/v1/act_1/audiences?{query}");
            assert_eq!(verdict(Method::GET, &url), Err(Misfit::Query(name.into())), "{url}");
        }
        assert_eq!(verdict(Method::GET, "https://api.example.com/other"), Err(Misfit::NotGranted("other".into())));
    }

    #[test]
    fn ambiguous_urls_are_refused_whatever_the_routes_say() {
        for url in [
            "http://api.example.com/v1/77/users",
            "https://api.example.com:8443/v1/77/users",
            "https://me@api.example.com/v1/77/users",
            "https://api.example.com./v1/77/users",
            "https://127.0.0.1/v1/77/users",
            "https://[::1]/v1/77/users",
            "https://2130706433/v1/77/users",
            "https://0x7f.1/v1/77/users",
            "https://localhost/v1/77/users",
            "https://db.internal/v1/77/users",
            "https://api.example.com//v1/77/users",
            "https://api.example.com/v1/./77/users",
            "https://api.example.com/v1/78/../77/users",
            "https://api.example.com/v1/78/%2e%2e/77/users",
            "https://api.example.com/v1/..;a/77/users",
            "https://api.example.com/v1%2F77/users",
            "https://api.example.com/v1%5C77/users",
            "https://api.example.com/v1/77%00/users",
            "https://api.example.com/v1/77/users%",
            "https://api.example.com/v1/%ff/users",
            "https://api.example.com/v1/act_1/audiences?fields=a;id=78",
            "https://api.example.com/v1/act_1/audiences?fields=%0d%0a",
        ] {
            assert!(
                matches!(verdict(Method::POST, url), Err(Misfit::Url(_))),
                "{url}: {:?}",
                verdict(Method::POST, url)
            );
        }
    }

    #[test]
    fn a_setting_may_be_the_first_label_of_a_host_and_nothing_else() {
        let under = |host: &str, value: &str| {
            let settings = serde_json::json!({ "id": value, "n": 7 });
            host_under(host, settings.as_object().unwrap())
        };
        assert_eq!(under("{settings.id}.mktorest.com", "123-ABC-456").as_deref(), Ok("123-abc-456.mktorest.com"));
        assert_eq!(under("{settings.id}.mktorest.com", "").as_deref(), Ok(""));
        assert_eq!(under("api.example.com", "x").as_deref(), Ok("api.example.com"));
        for value in ["a.b", "evil.example/", "-a", "a b", "é", "127.0.0.1:80#", &"a".repeat(64)] {
            assert!(under("{settings.id}.mktorest.com", value).is_err(), "{value}");
        }
        for host in [
            "{settings.id}",
            "{settings.id}.com",
            "a{settings.id}.x.com",
            "api.{settings.id}.com",
            "{any}.x.com",
            "{settings.no}.x.com",
            "{settings.n}.x.com",
            "{settings.id}.{settings.id}.com",
            "x.{y",
        ] {
            assert!(under(host, "a").is_err(), "{host}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_decodes_to_the_steps_own_path(path in "(/|%2f|%2F|\\.|%2e|v1|77|78|users|;|%37|%25|\\\\){0,9}") {
            let Ok(uri) = format!("https://api.example.com/{path}").parse::<Uri>() else { return Ok(()) };
            if find(&routes(), &Method::POST, &uri, &Scope::new("1", "77")).is_ok() {
                prop_assert_eq!(percent_decode(uri.path(), false).unwrap(), "/v1/77/users");
            }
        }
    }
}
