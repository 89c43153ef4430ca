//! Templates of the manifest: text with the places `{account}`, `{audience}`, `{settings.NAME}` and `{any}`.
use serde_json::{Map, Value};

/// A template with the connection's settings filled in; the step's own ids follow at each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Account,
    Audience,
    Any,
}

/// The ids of the step that a call serves; without an id, a template that names it matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The partner's id of the ad account.
    pub account: Option<String>,
    /// The partner's id of the audience.
    pub audience: Option<String>,
}

impl Scope {
    /// A scope; empty ids are none.
    pub fn new(account: &str, audience: &str) -> Scope {
        let some = |id: &str| (!id.is_empty()).then(|| id.to_owned());
        Scope { account: some(account), audience: some(audience) }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Names the place that does not exist.
    pub fn parse(text: &str, settings: &Map<String, Value>) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            let close = after.find('}').ok_or_else(|| format!("`{text}` opens a place that it does not close"))?;
            push_text(&mut pieces, before);
            match &after[1..close] {
                "account" => pieces.push(Piece::Account),
                "audience" => pieces.push(Piece::Audience),
                "any" => pieces.push(Piece::Any),
                name => {
                    let value = name.strip_prefix("settings.").and_then(|name| settings.get(name)).ok_or_else(|| {
                        format!("`{text}` names the place `{{{name}}}`, which does not exist: {{account}}, {{audience}}, {{any}}, {{settings.NAME}} do")
                    })?;
                    match value {
                        Value::String(value) => push_text(&mut pieces, value),
                        value => push_text(&mut pieces, &value.to_string()),
                    }
                }
            }
            rest = &after[close + 1..];
        }
        push_text(&mut pieces, rest);
        Ok(Template { pieces })
    }

    /// The one text that fits, where there is only one: no `{any}`, and the scope has every id.
    pub fn fixed(&self, scope: &Scope) -> Option<String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Account => out.push_str(scope.account.as_deref()?),
                Piece::Audience => out.push_str(scope.audience.as_deref()?),
                Piece::Any => return None,
            }
        }
        Some(out)
    }

    /// Whether the template leaves anything open.
    pub fn has_any(&self) -> bool {
        self.pieces.contains(&Piece::Any)
    }

    /// Whether a whole decoded value fits.
    pub fn fits(&self, value: &str, scope: &Scope) -> bool {
        fits(&self.pieces, value, scope)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn fits(pieces: &[Piece], value: &str, scope: &Scope) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return value.is_empty() };
    let strip = |id: Option<&str>| id.and_then(|id| value.strip_prefix(id)).is_some_and(|left| fits(rest, left, scope));
    match first {
        Piece::Text(text) => strip(Some(text)),
        Piece::Account => strip(scope.account.as_deref()),
        Piece::Audience => strip(scope.audience.as_deref()),
        Piece::Any if rest.is_empty() => is_plain(value),
        Piece::Any => value
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|&end| end <= 256)
            .any(|end| is_plain(&value[..end]) && fits(rest, &value[end..], scope)),
    }
}

/// What `{any}` takes: something, without separators, controls, dot segments or a second layer of encoding.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value != "."
        && !value.contains("..")
        && !value.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '%' | '?' | '#' | ';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let settings = serde_json::json!({ "api_version": "v26.0", "depth": 3 });
        Template::parse(text, settings.as_object().unwrap()).unwrap()
    }

    #[test]
    fn places_take_only_the_steps_own_ids() {
        let scope = Scope::new("act_1", "23850");
        assert!(template("{settings.api_version}").fits("v26.0", &scope));
        assert!(template("[\"{account}\"]").fits("[\"act_1\"]", &scope));
        assert!(template("x{settings.depth}-{audience}").fits("x3-23850", &scope));
        for (text, value) in
            [("{audience}", "23851"), ("{audience}", "238500"), ("{audience}", ""), ("{account}", "act_1 ")]
        {
            assert!(!template(text).fits(value, &scope), "{text} {value}");
        }
        assert!(!template("{audience}").fits("", &Scope::default()));
        assert!(!template("a{audience}").fits("a", &Scope::default()));
    }

    #[test]
    fn any_takes_one_plain_value() {
        let scope = Scope::default();
        assert!(template("a-{any}-b").fits("a-x-y-b", &scope));
        assert!(template("{any}").fits("é2", &scope));
        for value in ["", ".", "..", "a..b", "a/b", "a\\b", "%2e", "a;b", "a\nb"] {
            assert!(!template("{any}").fits(value, &scope), "{value}");
        }
    }

    #[test]
    fn an_unknown_place_is_an_error() {
        let none = Map::new();
        for text in ["{acount}", "{settings.missing}", "{any", "{secret.x}"] {
            assert!(Template::parse(text, &none).is_err(), "{text}");
        }
    }
}
