//! Templates of the manifest: text with the places `{account}`, `{audience}`, `{settings.NAME}` and `{any}`.
use serde_json::{Map, Value};

/// How often one segment or value may have `{any}`.
const MOST_ANY: usize = 2;
/// The longest text that `{any}` takes where something follows it, in bytes.
const LONGEST_ANY: usize = 256;

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

    /// The same, if it leaves no more open than one can still tell what it takes.
    ///
    /// # Errors
    /// It has more than two `{any}`.
    pub fn bounded(self) -> Result<Template, String> {
        let open = self.pieces.iter().filter(|piece| **piece == Piece::Any).count();
        match open > MOST_ANY {
            true => Err(format!(
                "one segment or value has {open} times {{any}}, and may have it {MOST_ANY} times: name what stands between"
            )),
            false => Ok(self),
        }
    }

    /// Whether a whole decoded value fits.
    pub fn fits(&self, value: &str, scope: &Scope) -> bool {
        let mut cuts = Cuts(vec![false; value.len() + 1]);
        cuts.0[0] = true;
        let last = self.pieces.len().saturating_sub(1);
        for (at, piece) in self.pieces.iter().enumerate() {
            let text = match piece {
                Piece::Text(text) => Some(text),
                Piece::Account => scope.account.as_ref(),
                Piece::Audience => scope.audience.as_ref(),
                Piece::Any => {
                    cuts = cuts.after_any(value, if at == last { usize::MAX } else { LONGEST_ANY });
                    continue;
                }
            };
            let Some(text) = text else { return false };
            cuts = cuts.after_text(value, text);
        }
        cuts.0[value.len()]
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Where a value may be cut after so many pieces: one flag for each byte, so that a long value with many places costs no more
/// than its length for each piece, and no cut is tried twice.
struct Cuts(Vec<bool>);

impl Cuts {
    fn all(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().filter(|(_, reached)| **reached).map(|(at, _)| at)
    }

    /// The cuts behind a text that stands at a cut.
    fn after_text(&self, value: &str, text: &str) -> Cuts {
        let mut after = Cuts(vec![false; self.0.len()]);
        for at in self.all().filter(|&at| value.as_bytes()[at..].starts_with(text.as_bytes())) {
            after.0[at + text.len()] = true;
        }
        after
    }

    /// The cuts behind something plain that begins at a cut, and is at most `longest` bytes long.
    fn after_any(&self, value: &str, longest: usize) -> Cuts {
        let mut after = Cuts(vec![false; self.0.len()]);
        // The nearest two cuts before this character's end, and before which byte nothing plain that ends here begins.
        let (mut nearest, mut second, mut begins) = (None, None, 0);
        let mut before = ' ';
        for (at, c) in value.char_indices() {
            let end = at + c.len_utf8();
            if self.0[at] {
                (nearest, second) = (Some(at), nearest);
            }
            match c {
                _ if !is_plain(c) => begins = end,
                '.' if before == '.' => begins = begins.max(at),
                _ => {}
            }
            before = c;
            // A dot alone is a segment that means another: what ends with it begins earlier.
            let begun = if c == '.' && nearest == Some(at) { second } else { nearest };
            after.0[end] = begun.is_some_and(|begun| begun >= begins && end - begun <= longest);
        }
        after
    }
}

/// What `{any}` takes: something, without separators, controls, dot segments or a second layer of encoding.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '/' | '\\' | '%' | '?' | '#' | ';')
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

    /// As a person would read it: every cut is tried.
    fn naive(pieces: &[Piece], value: &str) -> bool {
        match pieces.split_first() {
            None => value.is_empty(),
            Some((Piece::Any, rest)) => (1..=value.len()).any(|end| {
                let any = &value[..end];
                any.chars().all(is_plain) && any != "." && !any.contains("..") && naive(rest, &value[end..])
            }),
            Some((Piece::Text(text), rest)) => value.strip_prefix(text.as_str()).is_some_and(|left| naive(rest, left)),
            Some(_) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn what_fits_is_what_fits_when_every_cut_is_tried(
            pieces in "([ab.]|\\{any\\}){0,6}", value in "[ab./]{0,10}",
        ) {
            let template = Template::parse(&pieces, &Map::new()).unwrap();
            let fits = template.fits(&value, &Scope::default());
            proptest::prop_assert_eq!(fits, naive(&template.pieces, &value));
        }
    }

    #[test]
    fn a_value_that_can_be_cut_in_very_many_ways_is_read_once_for_each_piece() {
        let value = "a".repeat(8_000);
        // With every cut tried, this would not end.
        assert!(!template(&format!("{}x", "{any}".repeat(40))).fits(&value, &Scope::default()));
        assert!(template(&format!("{}a", "{any}".repeat(40))).fits(&value[..4_000], &Scope::default()));
        assert!(!template("{any}a").fits(&value[..300], &Scope::default()), "no more than 256 bytes before a text");
        assert!(template("{any}{any}").bounded().is_ok());
        assert!(template("{any}a{any}b{any}").bounded().unwrap_err().contains("3 times {any}"));
    }

    #[test]
    fn an_unknown_place_is_an_error() {
        let none = Map::new();
        for text in ["{acount}", "{settings.missing}", "{any", "{secret.x}"] {
            assert!(Template::parse(text, &none).is_err(), "{text}");
        }
    }
}
