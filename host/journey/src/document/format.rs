//! The canonical text of a canvas: what `caravan canvas fmt` prints and the web writes.
//!
//! Fields stand in the order of the model. What fits on a line is written in braces, the rest in blocks. Text is plain
//! where every YAML reader takes it for text, else in double quotes.
use super::decode::{Resolved, resolve};
use super::tree::{self, Kind, Node};
use caravan_model::{Canvas, Code, Duration, Problem};

const WIDTH: usize = 100;

/// The canonical text of a canvas. Reading it gives the same canvas, and formatting that the same text.
///
/// # Errors
/// [`Code::Internal`], if the canvas cannot be written; that would be a mistake of ours.
pub fn format_canvas(canvas: &Canvas) -> Result<String, Problem> {
    let wrong = |why: String| Problem::new(Code::Internal, format!("the canvas cannot be written: {why}"));
    // JSON keeps the order of fields, and is YAML: its tree is the one to print.
    let json = serde_json::to_string(canvas).map_err(|error| wrong(error.to_string()))?;
    let parsed = tree::parse(&json).map_err(|flaw| wrong(flaw.message))?;
    let mut text = String::new();
    block(&parsed.root, 0, &mut text);
    Ok(text)
}

/// Writes a map or list in block form, one entry per line, each line indented.
fn block(node: &Node, indent: usize, to: &mut String) {
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                to.push_str(&" ".repeat(indent));
                entry(&key.text, value, indent, to);
            }
        }
        Kind::List(elements) => {
            for element in elements {
                to.push_str(&" ".repeat(indent));
                to.push_str("- ");
                match inline(element).filter(|text| indent + 2 + text.chars().count() <= WIDTH) {
                    Some(text) => {
                        to.push_str(&text);
                        to.push('\n');
                    }
                    None => hanging(element, indent + 2, to),
                }
            }
        }
        Kind::Scalar { .. } => {}
    }
}

/// Writes a map or list whose first line begins where we stand.
fn hanging(node: &Node, indent: usize, to: &mut String) {
    let mut lines = String::new();
    block(node, indent, &mut lines);
    to.push_str(lines.get(indent..).unwrap_or_default());
}

fn entry(key: &str, value: &Node, indent: usize, to: &mut String) {
    let name = key_text(key);
    to.push_str(&name);
    to.push(':');
    let always_block = indent == 0 && matches!(key, "audiences" | "entry" | "steps");
    let line = inline(value).filter(|text| match &value.kind {
        Kind::Scalar { .. } => true,
        Kind::Map(entries) if entries.is_empty() => true,
        _ => !always_block && indent + name.chars().count() + 2 + text.chars().count() <= WIDTH,
    });
    match line {
        Some(text) => {
            to.push(' ');
            to.push_str(&text);
            to.push('\n');
        }
        None => {
            to.push('\n');
            block(value, indent + 2, to);
        }
    }
}

/// The node on one line; none for collections that are too long for one anyhow.
fn inline(node: &Node) -> Option<String> {
    let joined = |parts: Option<Vec<String>>, open: &str, close: &str| {
        let parts = parts?;
        let length: usize = parts.iter().map(|part| part.chars().count() + 2).sum();
        (length <= WIDTH).then(|| format!("{open}{}{close}", parts.join(", ")))
    };
    match &node.kind {
        Kind::Scalar { text, plain: true } => Some(text.clone()),
        Kind::Scalar { text, plain: false } => Some(scalar_text(text)),
        Kind::List(elements) if elements.is_empty() => Some("[]".to_owned()),
        Kind::Map(entries) if entries.is_empty() => Some("{}".to_owned()),
        Kind::List(elements) => joined(elements.iter().map(inline).collect(), "[", "]"),
        Kind::Map(entries) => {
            let parts = entries.iter().map(|(key, value)| Some(format!("{}: {}", key_text(&key.text), inline(value)?)));
            joined(parts.collect(), "{ ", " }")
        }
    }
}

fn key_text(key: &str) -> String {
    if is_plain(key) { key.to_owned() } else { quoted(key) }
}

fn scalar_text(text: &str) -> String {
    // YAML 1.1 readers take these for true and false.
    let old_truth = matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    if is_plain(text) && !old_truth { text.to_owned() } else { quoted(text) }
}

/// Whether unquoted text stays this text, in blocks and in braces, for every reader.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '+' | ' ');
    let number_like = first.is_ascii_digit() && !(text.is_ascii() && text.parse::<Duration>().is_ok() && text != "0");
    (first.is_alphanumeric() || first == '_')
        && !number_like
        && !text.ends_with(' ')
        && text.chars().all(harmless)
        && matches!(resolve(text, true), Resolved::Text(_))
}

fn quoted(text: &str) -> String {
    let mut to = String::with_capacity(text.len() + 2);
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\t' => to.push_str("\\t"),
            '\r' => to.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                let code = u32::from(c);
                to.push_str(&if code <= 0xffff { format!("\\u{code:04X}") } else { format!("\\U{code:08X}") });
            }
            c => to.push(c),
        }
    }
    to.push('"');
    to
}
