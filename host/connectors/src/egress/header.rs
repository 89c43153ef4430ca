//! Headers that a guest may set: those that say what it sends and takes, and those that its route names, to what the route says.
//! All others are refused, however they are written: what a proxy or server on the way makes of `x_forwarded_host` is not known.
use super::template::{Scope, Template};
use caravan_model::Manifest;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What every guest may set, to anything: it says how a body or an answer is to be read, and nothing about whose it is.
const PLAIN: [&str; 6] =
    ["accept", "accept-encoding", "accept-language", "content-length", "content-type", "user-agent"];
/// What no manifest may ask for: only the host or the connection may set it, or it makes a server read another request than
/// was checked.
const NEVER: [&str; 22] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-location",
    "content-range",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-host",
    "x-http-method",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
];
/// The same of all that begins so.
const NEVER_BEGINS: [&str; 4] = ["proxy-", "x-forwarded-", "x-original-", "x-http-method-"];

/// The headers of a route; no template takes anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuestHeaders(BTreeMap<String, Option<Template>>);

impl GuestHeaders {
    /// Reads the headers of a route.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn new(
        asked: &BTreeMap<String, String>,
        manifest: &Manifest,
        settings: &Map<String, Value>,
    ) -> Result<GuestHeaders, String> {
        // No header ends or begins with white space, though people's settings do.
        let trimmed = settings.iter().map(|(name, value)| match value {
            Value::String(text) => (name.clone(), text.trim().into()),
            value => (name.clone(), value.clone()),
        });
        let settings: Map<String, Value> = trimmed.collect();
        let mut headers = BTreeMap::new();
        for (name, template) in asked {
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !plain || name.is_empty() || name.len() > 64 {
                return Err(format!("`{name}` is no header in lower-case letters, digits and hyphens"));
            }
            let owned = manifest.auth.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
            let never = NEVER.contains(&name.as_str()) || NEVER_BEGINS.iter().any(|begins| name.starts_with(begins));
            if owned || never || PLAIN.contains(&name.as_str()) {
                return Err(format!("the header `{name}` is not the route's to ask for"));
            }
            let parsed = || Template::parse(template, &settings)?.bounded();
            let template = match template.as_str() {
                "*" => None,
                _ => Some(parsed().map_err(|what| format!("the header `{name}`: {what}"))?),
            };
            headers.insert(name.clone(), template);
        }
        Ok(GuestHeaders(headers))
    }

    /// The first header of a request that may not be set, or not to this.
    pub(super) fn misfit<'a>(&self, headers: &'a HeaderMap, scope: &Scope) -> Option<&'a HeaderName> {
        headers.keys().find(|name| {
            let Some(template) = self.0.get(name.as_str()) else { return !PLAIN.contains(&name.as_str()) };
            let mut values = headers.get_all(*name).iter();
            let (value, another) = (values.next().and_then(|value| value.to_str().ok()), values.next());
            let fits = |value: &str| template.as_ref().is_none_or(|template| template.fits(value, scope));
            another.is_some() || !value.is_some_and(fits)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(asked: &[(&str, &str)]) -> Result<GuestHeaders, String> {
        let manifest = serde_json::from_str(include_str!("../../../../guest-steps/template/manifest.json")).unwrap();
        let asked = asked.iter().map(|(name, template)| ((*name).to_owned(), (*template).to_owned())).collect();
        let settings = serde_json::json!({ "login": "99 " });
        GuestHeaders::new(&asked, &manifest, settings.as_object().unwrap())
    }

    fn sent(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        of.iter().for_each(|(name, value)| {
            map.append(*name, http::HeaderValue::from_static(value));
        });
        map
    }

    #[test]
    fn a_header_leaves_only_where_its_route_names_it_and_to_what_the_route_says() {
        let scope = Scope::new("act_1", "77");
        let route =
            headers(&[("login-customer-id", "{account}"), ("login", "a/{settings.login}"), ("x-free", "*")]).unwrap();
        for good in [
            &[("content-type", "text/csv"), ("accept", "*/*"), ("user-agent", "x")][..],
            &[("login-customer-id", "act_1"), ("login", "a/99"), ("x-free", "whatever; it is")],
            &[],
        ] {
            assert_eq!(route.misfit(&sent(good), &scope), None, "{good:?}");
        }
        for bad in [
            &[("login-customer-id", "act_2")][..],
            &[("login-customer-id", "act_1"), ("login-customer-id", "act_1")],
            &[("login", "a/98")],
            &[("x_forwarded_host", "evil.example")],
            &[("login_customer_id", "act_1")],
            &[("x-other", "1")],
            &[("authorization", "Bearer stolen")],
        ] {
            assert!(route.misfit(&sent(bad), &scope).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn no_manifest_asks_for_the_headers_of_the_host_or_of_a_proxy() {
        for name in [
            "Login",
            "x_login",
            "",
            "a b",
            "authorization",
            "host",
            "cookie",
            "content-type",
            "x-forwarded-anything",
            "x-http-method-override",
            "proxy-authorization",
            "transfer-encoding",
        ] {
            assert!(headers(&[(name, "*")]).is_err(), "{name}");
        }
        assert!(headers(&[("x-a", "{any}{any}{any}")]).is_err() && headers(&[("x-a", "{nothing}")]).is_err());
    }
}
