//! Endpoints of webhooks in `connections.yaml`: secrets that stand there themselves, and headers that cannot be sent. No
//! problem repeats a value that could be a secret.
use super::secrets::{is_secretly_named, misplaced, problem};
use super::tree::{Kind, Node};
use super::{Document, Path};
use caravan_model::connection::SecretRef;
use caravan_model::webhook::{Header, LONGEST_TIMEOUT};
use caravan_model::{Code, Connections, Duration, Problem};

/// What a header's name holds whose value is a secret.
const SECRET_HEADERS: [&str; 8] = ["auth", "cookie", "credential", "key", "password", "secret", "signature", "token"];

/// Headers that the host writes itself, or that would change how a request is read.
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The first secret written out.
pub(super) fn written_out(file: &str, root: &Node) -> Option<Problem> {
    let at = Path::root().key("webhooks");
    let Kind::Map(endpoints) = &root.get("webhooks")?.kind else { return None };
    endpoints.iter().find_map(|(name, endpoint)| {
        let at = at.key(&name.text);
        let Kind::Map(fields) = &endpoint.kind else { return None };
        fields.iter().find_map(|(field, value)| {
            let at = at.key(&field.text);
            match field.text.as_str() {
                "headers" => match &value.kind {
                    Kind::Map(headers) => headers.iter().find_map(|(name, value)| {
                        let at = at.key(&name.text);
                        header(file, root, &at, &name.text, value)
                    }),
                    _ => None,
                },
                other if is_secretly_named(other) || other == "secret" => {
                    let message = format!("an endpoint has no field `{other}`, and no secret stands in this file");
                    Some(problem(file, root, &at, message))
                }
                _ => None,
            }
        })
    })
}

fn header(file: &str, root: &Node, at: &Path, name: &str, value: &Node) -> Option<Problem> {
    match &value.kind {
        Kind::Map(fields) => {
            let kept = fields.iter().find(|(field, _)| field.text == "secret");
            kept.and_then(|(field, place)| misplaced(file, root, &at.key(&field.text), place))
        }
        _ if SECRET_HEADERS.iter().any(|word| name.to_ascii_lowercase().contains(word)) => {
            let message = "a header that is called so carries a secret, and it is written here".to_owned();
            let cure = "keep it outside the file and write where it is: `{ secret: { env: MAILER_TOKEN }, prefix: \
                        \"Bearer \" }`; what stood here is known to the file's readers, so renew it";
            Some(problem(file, root, at, message).cure(cure))
        }
        _ => None,
    }
}

/// The first endpoint that could not be called.
pub(super) fn cannot_work(document: &Document<Connections>) -> Option<Problem> {
    document.value.webhooks.iter().find_map(|(name, endpoint)| {
        let at = Path::root().key("webhooks").key(name);
        let wrong = |path: &Path, message: String, cure: &str| {
            Some(document.problem(Code::BadConnection, path, message).cure(cure))
        };
        if !(Duration::SECOND..=LONGEST_TIMEOUT).contains(&endpoint.timeout) {
            let message = format!("`timeout` is {}", endpoint.timeout);
            return wrong(&at.key("timeout"), message, "write a span from 1s to 1m, or remove it: it is 10s by itself");
        }
        endpoint.headers.iter().find_map(|(header, value)| {
            let at = at.key("headers").key(header);
            if !is_header_name(header) {
                let cure = "a header's name has letters, digits and hyphens: `X-Workspace: acme`";
                return wrong(&at, format!("`{header}` is no header's name"), cure);
            }
            if RESERVED.contains(&header.to_ascii_lowercase().as_str())
                || header.to_ascii_lowercase().starts_with("proxy-")
            {
                let message = format!("`{header}` is written by the host, or would change how a request is read");
                return wrong(&at, message, "remove it");
            }
            let (text, place) = match value {
                Header::Text(text) => (text, at.clone()),
                Header::Kept(kept) => (&kept.prefix, at.key("prefix")),
            };
            if text.len() > 4_000 || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                let message = "a header's value is ASCII text in one line, of at most 4,000 characters".to_owned();
                return wrong(&place, message, "shorten it, or take line breaks and letters beyond ASCII out");
            }
            match value {
                Header::Kept(kept) if matches!(&kept.secret, SecretRef::Env(name) if name.is_empty()) => {
                    wrong(&at.key("secret"), "no variable is named".to_owned(), "write `{ secret: { env: NAME } }`")
                }
                _ => None,
            }
        })
    })
}

fn is_header_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
