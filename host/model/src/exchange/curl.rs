//! An exchange as a command that a person can copy, change and send.
use super::Exchange;
use crate::port::{Place, Placed};

/// Headers that `curl` makes itself.
const OF_CURL: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// A part of a shell word.
#[derive(Clone)]
enum Piece {
    /// As it is.
    Text(String),
    /// The value of a variable.
    Variable(String),
}

impl Piece {
    fn text(&self) -> Option<&str> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Variable(_) => None,
        }
    }
}

impl Exchange {
    /// A `curl` command of the request for a POSIX shell. Secrets are variables, named after the manifest's places
    /// (`{token}` is `$CARAVAN_TOKEN`, `{secret.app_id}` is `$CARAVAN_APP_ID`; within a URL their values must be
    /// percent-encoded). The body, if there was one, is read from the file `body`.
    pub fn curl(&self, body: &str) -> String {
        let method = match self.method.as_str() {
            "HEAD" => "--head".to_owned(),
            method => format!("--request {}", word(&[Piece::Text(method.to_owned())])),
        };
        // `curl` would take brackets and braces of a URL for lists.
        let globs = if self.url.contains(['[', ']', '{', '}']) { " --globoff" } else { "" };
        let mut lines = vec![format!("curl{globs} {method} {}", word(&self.url_pieces()))];
        for (name, value) in self.headers.iter().filter(|(name, _)| !OF_CURL.contains(&name.to_lowercase().as_str())) {
            let placed = self.placed.iter().find(|one| one.place == Place::Header && one.name == *name);
            let pieces = match placed {
                Some(placed) => [vec![Piece::Text(format!("{name}: "))], pieces(placed, str::to_owned)].concat(),
                // An empty one is asked for by a semicolon; a colon would take the header out.
                None if value.is_empty() => vec![Piece::Text(format!("{name};"))],
                None => vec![Piece::Text(format!("{name}: {value}"))],
            };
            lines.push(format!("--header {}", word(&pieces)));
        }
        if self.body_bytes > 0 {
            lines.push(format!("--data-binary {}", word(&[Piece::Text(format!("@{body}"))])));
        }
        lines.join(" \\\n  ")
    }

    fn url_pieces(&self) -> Vec<Piece> {
        let mut all = vec![Piece::Text(self.url.clone())];
        let mut next = if self.url.contains('?') { '&' } else { '?' };
        for placed in self.placed.iter().filter(|placed| placed.place == Place::Query) {
            all.push(Piece::Text(format!("{next}{}=", encoded(&placed.name))));
            all.extend(pieces(placed, encoded));
            next = '&';
        }
        all
    }
}

/// A template with its places as variables.
fn pieces(placed: &Placed, text: impl Fn(&str) -> String) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut rest = placed.template.as_str();
    while let Some((before, (place, after))) =
        rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        all.push(Piece::Text(text(before)));
        all.push(Piece::Variable(variable(place)));
        rest = after;
    }
    all.push(Piece::Text(text(rest)));
    all.retain(|piece| piece.text() != Some(""));
    all
}

/// `secret.app_id` is `CARAVAN_APP_ID`.
fn variable(place: &str) -> String {
    let name = place.strip_prefix("secret.").unwrap_or(place).to_ascii_uppercase();
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    format!("CARAVAN_{name}")
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// One shell word: bare where nothing can go wrong, in single quotes, or in double quotes around variables. Text that a
/// shell would read between double quotes (also `!`, for people at a prompt) stands in single quotes of its own.
fn word(pieces: &[Piece]) -> String {
    let texts = || pieces.iter().filter_map(Piece::text);
    if pieces.iter().all(|piece| piece.text().is_some()) {
        let text: String = texts().collect();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
        return if !text.is_empty() && text.chars().all(plain) { text } else { single(&text) };
    }
    if texts().any(|text| text.contains(['\\', '"', '$', '`', '!'])) {
        let quoted = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => single(text),
            Piece::Variable(name) => format!("\"${name}\""),
        });
        return quoted.collect();
    }
    let quoted = pieces.iter().enumerate().map(|(at, piece)| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(name) if at + 1 == pieces.len() => format!("${name}"),
        // The braces end the name, whatever follows.
        Piece::Variable(name) => format!("${{{name}}}"),
    });
    format!("\"{}\"", quoted.collect::<String>())
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
