//! Reads and writes canvases, connections and policies: YAML 1.2 or JSON, one serde model, unknown fields refused.
//!
//! A mistake is a [`Problem`] with code, file, line, path and cure. `NO` and `on` are text, duplicate keys are refused,
//! size and nesting are bounded.
mod decode;
mod difference;
mod endpoints;
mod format;
mod path;
mod secrets;
mod tree;
mod wrong;

pub use difference::difference;
pub use format::format_canvas;
pub use path::{Path, Segment};
pub use secrets::{end_in_words, token_end};
pub use tree::{MAX_BYTES, MAX_DEPTH, MAX_NODES};

use caravan_model::{Canvas, Code, Connections, Policy, Problem};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The file format that this version reads and writes.
pub const FORMAT: u32 = 1;

/// A value and where its parts stand in the file.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// What the file says.
    pub value: T,
    /// The file's name, for problems; empty where there is no file.
    pub file: String,
    /// How many comments the file has: [`format_canvas`] does not keep them.
    pub comments: usize,
    root: Option<Arc<tree::Node>>,
}

impl<T> Document<T> {
    /// A value that came from no file: its problems have paths, but no lines.
    pub fn without_file(value: T) -> Document<T> {
        Document { value, file: String::new(), comments: 0, root: None }
    }

    /// The line of a place, or of the nearest thing around it that stands in the file.
    pub fn line(&self, path: &Path) -> Option<u32> {
        self.root.as_ref().map(|root| root.line_at(path))
    }

    /// A problem at a place of this file.
    pub fn problem(&self, code: Code, path: &Path, message: impl Into<String>) -> Problem {
        let mut problem = Problem::new(code, message);
        problem.file = Some(self.file.clone()).filter(|file| !file.is_empty());
        problem.line = self.line(path);
        problem.path = Some(path.to_string()).filter(|path| !path.is_empty());
        problem
    }
}

/// Reads a canvas from YAML or JSON. Whether it makes sense is [`crate::validate::validate`]'s to say.
///
/// # Errors
/// The first thing that cannot be read: CV002 (syntax), CV003 (unknown field) or CV004 (bad value).
pub fn read_canvas(file: &str, text: &str) -> Result<Document<Canvas>, Problem> {
    let document: Document<Canvas> = read(file, text, |_, _| None)?;
    check_format(&document, document.value.format)?;
    Ok(document)
}

/// Reads connections from YAML or JSON. A value written where the place of a secret belongs is refused and not repeated.
///
/// # Errors
/// The first thing that cannot be read: CV002, CV003, CV004 or CV026 (a connection that cannot work).
pub fn read_connections(file: &str, text: &str) -> Result<Document<Connections>, Problem> {
    let document: Document<Connections> = read(file, text, secrets::written_out)?;
    check_format(&document, document.value.format)?;
    match secrets::cannot_work(&document) {
        Some(problem) => Err(problem),
        None => Ok(document),
    }
}

/// Reads a workspace's policy from YAML or JSON. Whether it makes sense is [`crate::policy::check`]'s to say.
///
/// # Errors
/// The first thing that cannot be read: CV002, CV003 or CV004.
pub fn read_policy(file: &str, text: &str) -> Result<Document<Policy>, Problem> {
    let document: Document<Policy> = read(file, text, |_, _| None)?;
    check_format(&document, document.value.format)?;
    Ok(document)
}

/// Reads a segment.
///
/// # Errors
/// As [`read_canvas`].
pub fn read_segment(file: &str, text: &str) -> Result<Document<caravan_model::Segment>, Problem> {
    let document: Document<caravan_model::Segment> = read(file, text, |_, _| None)?;
    check_format(&document, document.value.format)?;
    Ok(document)
}

/// The JSON Schema of a segment.
pub fn segment_schema() -> serde_json::Value {
    schemars::schema_for!(caravan_model::Segment).to_value()
}

/// The JSON Schema of a canvas.
pub fn canvas_schema() -> serde_json::Value {
    schemars::schema_for!(Canvas).to_value()
}

/// The JSON Schema of connections.
pub fn connections_schema() -> serde_json::Value {
    schemars::schema_for!(Connections).to_value()
}

/// The JSON Schema of a policy.
pub fn policy_schema() -> serde_json::Value {
    schemars::schema_for!(Policy).to_value()
}

fn read<T: DeserializeOwned>(
    file: &str,
    text: &str,
    look: impl Fn(&str, &tree::Node) -> Option<Problem>,
) -> Result<Document<T>, Problem> {
    let parsed = tree::parse(text).map_err(|flaw| {
        let mut problem = Problem::new(Code::BadSyntax, flaw.message).in_file(file).at_line(flaw.line).cure(flaw.cure);
        problem.path = Some(flaw.path.to_string()).filter(|path| !path.is_empty());
        problem
    })?;
    if let Some(problem) = look(file, &parsed.root) {
        return Err(problem);
    }
    let value =
        T::deserialize(&parsed.root).map_err(|wrong: wrong::Wrong| wrong.or_in(parsed.root.line).problem(file))?;
    Ok(Document { value, file: file.to_owned(), comments: parsed.comments, root: Some(Arc::new(parsed.root)) })
}

fn check_format<T>(document: &Document<T>, format: u32) -> Result<(), Problem> {
    if format == FORMAT {
        return Ok(());
    }
    let message = format!("this version reads format {FORMAT}, not {format}");
    Err(document.problem(Code::BadValue, &Path::root().key("format"), message).cure("write `format: 1`"))
}
