//! What is wrong with a value, in people's words: built by serde where it is found, given its place on the way up.
use super::path::{Path, Segment};
use super::tree::{Key, Node};
use crate::suggest;
use caravan_model::{Code, Problem};
use serde::de::{Expected, Unexpected};
use std::fmt;

/// What is wrong with a value, and, once it has been handed up, where.
#[derive(Debug)]
pub(super) struct Wrong {
    code: Code,
    message: String,
    cure: Option<String>,
    line: Option<u32>,
    /// From the value up to the root.
    path: Vec<Segment>,
    /// A field of the map at hand, whose line is looked for there.
    field: Option<String>,
}

impl Wrong {
    pub(super) fn new(code: Code, message: String, cure: Option<String>) -> Wrong {
        Wrong { code, message, cure, line: None, path: Vec::new(), field: None }
    }

    /// At this node, if it is not known yet. A field that is missing here has its line from the key above.
    pub(super) fn at(mut self, node: &Node) -> Wrong {
        match self.field.take() {
            Some(field) => {
                self.line = node.entry(&field).map(|(key, _)| key.line);
                self.path.push(Segment::Key(field));
            }
            None if self.path.is_empty() => _ = self.line.get_or_insert(node.line),
            None => {}
        }
        self
    }

    /// In this line, if it is not known yet.
    pub(super) fn or_in(mut self, line: u32) -> Wrong {
        self.line.get_or_insert(line);
        self
    }

    pub(super) fn under(mut self, segment: Segment) -> Wrong {
        self.path.push(segment);
        self
    }

    /// At a key of the map at hand that is wrong itself, such as a step's id. An unknown field is placed by the map.
    pub(super) fn at_key(mut self, key: &Key) -> Wrong {
        if self.field.is_none() {
            self.line.get_or_insert(key.line);
            self.path.push(Segment::Key(key.text.clone()));
        }
        self
    }

    /// With what to do.
    pub(super) fn with_cure(mut self, cure: String) -> Wrong {
        self.cure = Some(cure);
        self
    }

    /// As the problem of a file.
    pub(super) fn problem(mut self, file: &str) -> Problem {
        self.path.reverse();
        let mut problem = Problem::new(self.code, self.message).in_file(file);
        problem.line = self.line;
        problem.path = Some(Path(self.path).to_string()).filter(|path| !path.is_empty());
        problem.cure = self.cure;
        problem
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // The model's messages say what is wrong, and after a colon what to do.
        match colon_outside_quotes(&message) {
            Some(at) => Wrong::new(Code::BadValue, message[..at].to_owned(), Some(message[at + 2..].to_owned())),
            None => Wrong::new(Code::BadValue, message, None),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = words_for(&expected.to_string());
        let cure = match (&found, expected.as_str()) {
            (Unexpected::Str(text), "a list") => Some(format!("write it as a list: [{text}]")),
            (Unexpected::Map, "text") => Some("write a single value, without braces".to_owned()),
            _ => Some(format!("write {expected}")),
        };
        Wrong::new(Code::BadValue, format!("{} is expected here, not {}", expected, words_of(&found)), cure)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let cure = suggest::cure(variant, expected.iter().copied(), "what may stand here");
        Wrong::new(Code::BadValue, format!("`{variant}` cannot stand here"), Some(cure))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let cure = suggest::cure(field, expected.iter().copied(), "what may stand here");
        let mut wrong = Wrong::new(Code::UnknownField, format!("there is no field `{field}` here"), Some(cure));
        wrong.field = Some(field.to_owned());
        wrong
    }

    fn missing_field(field: &'static str) -> Self {
        let mut wrong = Wrong::new(Code::BadValue, format!("`{field}` is missing"), Some(format!("add `{field}`")));
        wrong.field = Some(field.to_owned());
        wrong
    }

    fn duplicate_field(field: &'static str) -> Self {
        Wrong::new(Code::BadSyntax, format!("`{field}` stands here twice"), Some("remove one of the two".to_owned()))
    }
}

/// The first `: ` that is not between backticks.
fn colon_outside_quotes(message: &str) -> Option<usize> {
    let mut colons = message.match_indices(": ").map(|(at, _)| at);
    colons.find(|at| message[..*at].matches('`').count().is_multiple_of(2))
}

/// serde's words for what is expected, in people's words.
fn words_for(expected: &str) -> String {
    match expected {
        "a sequence" => "a list",
        "a string" | "a borrowed string" | "string or map" => "text",
        "a map" => "a map (`name: value`)",
        "a boolean" => "`true` or `false`",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f64" | "f32" => "a number",
        other if other.starts_with("struct ") => "a map of fields (`field: value`)",
        other if other.starts_with("enum ") => "one word, or one word with a value",
        other => other,
    }
    .to_owned()
}

fn words_of(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) if text.chars().count() <= 60 => format!("`{text}`"),
        Unexpected::Str(_) => "a long text".to_owned(),
        Unexpected::Bool(truth) => format!("`{truth}`"),
        Unexpected::Unsigned(number) => format!("`{number}`"),
        Unexpected::Signed(number) => format!("`{number}`"),
        Unexpected::Float(number) => format!("`{number}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a map".to_owned(),
        other => other.to_string(),
    }
}
