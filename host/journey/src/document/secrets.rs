//! Looks for secrets that stand in `connections.yaml` themselves, and for connections that cannot work. No problem
//! repeats a value that could be a secret.
use super::tree::{Kind, Node};
use super::{Document, Path};
use caravan_model::connection::SecretRef;
use caravan_model::{Code, Connections, Millis, Problem};

const CURE: &str = "keep the secret outside the file and write where it is: `secret: { env: META_TOKEN }` or \
                    `secret: { file: /run/secrets/meta }`; what stood here is known to the file's readers, so renew it";

/// Fields that people try for secrets.
const SECRETLY_NAMED: [&str; 10] = [
    "token",
    "access_token",
    "password",
    "api_key",
    "apikey",
    "key",
    "client_secret",
    "refresh_token",
    "app_secret",
    "bearer",
];

/// The first secret written out, before serde sees the document.
pub(super) fn written_out(file: &str, root: &Node) -> Option<Problem> {
    in_connections(file, root).or_else(|| super::endpoints::written_out(file, root))
}

fn in_connections(file: &str, root: &Node) -> Option<Problem> {
    let connections = Path::root().key("connections");
    let Kind::Map(entries) = &root.get("connections")?.kind else { return None };
    entries.iter().find_map(|(name, connection)| {
        let at = connections.key(&name.text);
        let Kind::Map(fields) = &connection.kind else { return None };
        fields.iter().find_map(|(field, value)| {
            let at = at.key(&field.text);
            match field.text.as_str() {
                "secret" => misplaced(file, root, &at, value),
                "secrets" => match &value.kind {
                    Kind::Map(further) => {
                        further.iter().find_map(|(name, value)| misplaced(file, root, &at.key(&name.text), value))
                    }
                    _ => misplaced(file, root, &at, value),
                },
                "app" => match &value.kind {
                    Kind::Map(fields) => {
                        let mut told = fields.iter().filter(|(field, _)| field.text != "id");
                        told.find_map(|(field, value)| misplaced(file, root, &at.key(&field.text), value))
                    }
                    _ => misplaced(file, root, &at, value),
                },
                other if is_secretly_named(other) => {
                    let message = format!("a connection has no field `{other}`, and no secret stands in this file");
                    Some(problem(file, root, &at, message))
                }
                _ => None,
            }
        })
    })
}

/// Whether a field is called as people call secrets.
pub(super) fn is_secretly_named(field: &str) -> bool {
    SECRETLY_NAMED.contains(&field.to_ascii_lowercase().as_str())
}

/// The problem with what stands for a secret, unless it says where the secret is.
pub(super) fn misplaced(file: &str, root: &Node, at: &Path, value: &Node) -> Option<Problem> {
    let written =
        || Some(problem(file, root, at, "a secret, or something else than its place, is written here".to_owned()));
    let Kind::Map(entries) = &value.kind else { return written() };
    let [(key, place)] = entries.as_slice() else { return written() };
    let Kind::Scalar { text, .. } = &place.kind else { return written() };
    match key.text.as_str() {
        "env" if !is_variable(text) => {
            Some(problem(file, root, &at.key("env"), "this is not the name of an environment variable".to_owned()))
        }
        "file" if text.is_empty() => {
            Some(problem(file, root, &at.key("file"), "the path of the file is empty".to_owned()))
        }
        "env" | "file" => None,
        _ => written(),
    }
}

fn is_variable(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= 100
}

pub(super) fn problem(file: &str, root: &Node, at: &Path, message: String) -> Problem {
    Problem::new(Code::BadConnection, message)
        .in_file(file)
        .at_line(root.line_at(at))
        .at_path(at.to_string())
        .cure(CURE)
}

/// When a token ends that a person gave the end of: an instant, or the beginning of a day in UTC.
pub fn token_end(text: &str) -> Option<Millis> {
    let text = text.trim();
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    instant.map(|instant| Millis(instant.as_millisecond()))
}

/// The day and hour of an instant, in UTC, as people are told when a token ends.
pub fn end_in_words(at: Millis) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// The first connection or endpoint that could not work, whatever the connector.
pub(super) fn cannot_work(document: &Document<Connections>) -> Option<Problem> {
    connection_cannot_work(document).or_else(|| super::endpoints::cannot_work(document))
}

fn connection_cannot_work(document: &Document<Connections>) -> Option<Problem> {
    document.value.connections.iter().find_map(|(name, connection)| {
        let at = Path::root().key("connections").key(name);
        let wrong = |path: Path, message: String, cure: &str| {
            Some(document.problem(Code::BadConnection, &path, message).cure(cure))
        };
        if connection.connector.trim().is_empty() {
            return wrong(at.key("connector"), "no connector is named".into(), "name one: `connector: meta`");
        }
        if let Some(SecretRef::Env(variable)) = &connection.secret
            && variable.is_empty()
        {
            return wrong(at.key("secret"), "no variable is named".into(), CURE);
        }
        if let Some(text) = &connection.token_ends
            && token_end(text).is_none()
        {
            let cure = "write a day, `token_ends: 2027-01-31`, or an instant, 2027-01-31T09:00:00Z";
            return wrong(at.key("token_ends"), format!("`{text}` is no day"), cure);
        }
        for (short, id) in &connection.accounts {
            if short.is_empty() || id.trim().is_empty() {
                let cure = "write our short name and the partner's id: `accounts: { fr: act_1111 }`";
                return wrong(at.key("accounts").key(short), "an account without name or id".into(), cure);
            }
        }
        if let Some(strange) = connection.off.iter().find(|name| !connection.accounts.contains_key(*name)) {
            let words = format!("there is no account `{strange}` to be switched off");
            return wrong(at.key("off"), words, "name accounts of `accounts`");
        }
        match connection.default_country.as_deref() {
            Some(country) if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_alphabetic()) => wrong(
                at.key("default_country"),
                format!("`{country}` is no country code"),
                "write the two letters of ISO 3166-1: `default_country: FR`",
            ),
            _ => None,
        }
    })
}
