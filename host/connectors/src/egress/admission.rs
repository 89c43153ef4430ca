//! Admission: may this request leave? Everything that can be told from its head is told here, before any dial.
use super::{
    Egress,
    body::Gate,
    ledger::{Denial, is_changing},
    lock::LockReader,
    route::{self, CompiledRoute, Misfit},
};
use http::{HeaderMap, header, request::Parts};
use http_body::Body as _;
use wasmtime_wasi_http::WasiBody;

/// A request that may leave.
pub(super) struct Admitted {
    pub(super) route: String,
    pub(super) host: String,
    pub(super) auth: bool,
    pub(super) changes: bool,
    pub(super) writes: bool,
    pub(super) gate: Option<Gate>,
}

impl Egress {
    /// Checks a request's head.
    pub(super) fn admit(&self, index: usize, request: &Parts, body: &WasiBody) -> Result<Admitted, Denial> {
        let limits = &self.policy.limits;
        if let Some(earlier) = self.ledger.denial() {
            return Err(earlier);
        }
        if self.ledger.count() > limits.requests as usize {
            let line = format!("requests: {}", limits.requests.saturating_mul(2));
            return Err(Denial::limit(format!("the call makes more than {} requests", limits.requests), &line));
        }
        let route = route::find(&self.policy.routes, &request.method, &request.uri, &self.scope)
            .map_err(|misfit| self.explain(request, &misfit))?;
        self.check_headers(route, &request.headers)?;
        if route.writes && !self.may_write {
            return Err(Denial::rule(format!("route `{}` changes membership, and this call is not to", route.name)));
        }
        let length = body_length(route, &request.headers, body)?;
        if length > limits.request_bytes {
            let line = format!("request_bytes: {length}");
            return Err(Denial::limit(
                format!("the body has {length} bytes, more than {}", limits.request_bytes),
                &line,
            ));
        }
        let locks = self.locks(route)?;
        if locks.is_some() && length == 0 {
            return Err(Denial::rule(format!("route `{}` locks values of a body, and there is none", route.name)));
        }
        let gate = (length > 0).then(|| Gate {
            left: length,
            locks,
            deadline: self.deadline,
            ledger: self.ledger.clone(),
            index,
            writes: false,
        });
        Ok(Admitted {
            route: route.name.clone(),
            host: route.host.clone(),
            auth: route.auth,
            changes: route.writes || (self.creates && is_changing(&request.method)),
            writes: route.writes,
            gate,
        })
    }

    fn locks(&self, route: &CompiledRoute) -> Result<Option<LockReader>, Denial> {
        if route.locks.is_empty() {
            return Ok(None);
        }
        let mut fixed = Vec::with_capacity(route.locks.len());
        for (pointer, template) in &route.locks {
            let value = template.fixed(&self.scope).ok_or_else(|| {
                Denial::rule(format!("route `{}` locks `{pointer}` to an id that this call does not have", route.name))
            })?;
            fixed.push((pointer.clone(), value));
        }
        LockReader::new(fixed).map(Some).map_err(Denial::rule)
    }

    fn check_headers(&self, route: &CompiledRoute, headers: &HeaderMap) -> Result<(), Denial> {
        let limits = &self.policy.limits;
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if headers.len() > limits.headers as usize {
            let line = format!("headers: {}", headers.len());
            return Err(Denial::limit(format!("the request has more than {} headers", limits.headers), &line));
        }
        if bytes > limits.header_bytes as usize {
            let line = format!("header_bytes: {bytes}");
            return Err(Denial::limit(
                format!("the request's headers have more than {} bytes", limits.header_bytes),
                &line,
            ));
        }
        if let Some(name) = headers.keys().find(|name| self.policy.placement.owns(name)) {
            return Err(Denial::rule(format!("a connector may not set the header `{name}`; the host does")));
        }
        match route.headers.misfit(headers, &self.scope) {
            Some(name) => Err(Denial::rule(format!(
                "the header `{name}` is not asked for by the manifest's route `{}`, stands twice, or is not the step's own ({}). The route would have to name it under `headers`",
                route.name,
                self.ids()
            ))),
            None => Ok(()),
        }
    }

    /// Why a request is denied, and the very lines that would allow it.
    fn explain(&self, request: &Parts, misfit: &Misfit) -> Denial {
        let host = request.uri.host().unwrap_or_default();
        let path: String = request.uri.path().chars().take(200).collect();
        let what = format!("{} {}://{host}{path}", request.method, request.uri.scheme_str().unwrap_or("?"));
        let lines = |route: &str| crate::grant::to_line(host, route);
        Denial::rule(match misfit {
            Misfit::Url(why) => format!("{what}: {why}; no grant can allow this"),
            Misfit::Host => format!(
                "{what}: the manifest asks for no such host. A version of the connector whose manifest asks for it would need this grant:\n{}",
                lines("ROUTE")
            ),
            Misfit::Path => format!(
                "{what}: the manifest asks for no such method and path with the step's own ids ({}). A version of the connector whose manifest asks for it would need this grant:\n{}",
                self.ids(),
                lines("ROUTE")
            ),
            Misfit::Query(name) => format!(
                "{what}: its query parameter `{name}` is not asked for by the manifest, stands twice, is the host's to set, or is not the step's own ({}). The manifest's route would have to name it under `query`",
                self.ids()
            ),
            Misfit::NotGranted(route) => {
                format!(
                    "{what}: the manifest asks for it, the grant does not cover it. These lines of the grant would allow it:\n{}",
                    lines(route)
                )
            }
        })
    }

    fn ids(&self) -> String {
        let id = |id: &Option<String>| id.as_deref().unwrap_or("none").to_owned();
        format!("account {}, audience {}", id(&self.scope.account), id(&self.scope.audience))
    }
}

/// The length of the body, which must be what the route declares.
fn body_length(route: &CompiledRoute, headers: &HeaderMap, body: &WasiBody) -> Result<u64, Denial> {
    let length = match headers.get(header::CONTENT_LENGTH) {
        Some(value) => value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| Denial::rule("the content-length is no number"))?,
        None if body.size_hint().exact() == Some(0) => 0,
        None => return Err(Denial::rule("a request with a body needs a content-length")),
    };
    if length == 0 {
        return Ok(0);
    }
    let Some(declared) = &route.body else {
        return Err(Denial::rule(format!("route `{}` takes no body", route.name)));
    };
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (given, another) = (types.next().and_then(|value| value.to_str().ok()), types.next());
    let given = given.filter(|_| another.is_none()).unwrap_or_default();
    if is_type(given, declared) {
        Ok(length)
    } else {
        Err(Denial::rule(format!(
            "route `{}` takes a body of the type {declared}, not `{}`",
            route.name,
            given.escape_default()
        )))
    }
}

/// Whether a content type is the declared one, with no other parameter than UTF-8 and a boundary.
fn is_type(given: &str, declared: &str) -> bool {
    let mut parts = given.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case(declared)
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_lowercase().as_str() {
                "charset" => value.trim_matches('"').eq_ignore_ascii_case("utf-8"),
                "boundary" => declared.starts_with("multipart/"),
                _ => false,
            }
        })
}
