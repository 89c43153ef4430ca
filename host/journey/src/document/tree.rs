//! A document as a tree whose every node knows its line. Scalars keep their text, so that the type asked for decides:
//! `NO` stays a country and `0123` an account.
use super::path::{Path, Segment};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};
use std::collections::HashMap;

/// The longest document, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Most nodes of a document, expanded aliases included.
pub const MAX_NODES: usize = 200_000;
/// The deepest nesting.
pub const MAX_DEPTH: usize = 64;

/// A node and the line where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A scalar; `plain` where it is not quoted.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) line: u32,
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) line: u32,
    pub(super) path: Path,
    pub(super) message: String,
    pub(super) cure: &'static str,
}

impl Node {
    /// Whether this is YAML's null: nothing, `~` or `null`, unquoted.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// A key and its value.
    pub(super) fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == name),
            _ => None,
        }
    }

    /// The line of the deepest node on the way to a place; of the key, where the place is one.
    pub(super) fn line_at(&self, path: &Path) -> u32 {
        let (mut node, mut line) = (self, self.line);
        for segment in path.segments() {
            match (segment, &node.kind) {
                (Segment::Key(name), Kind::Map(_)) => {
                    let Some((key, value)) = node.entry(name) else { return line };
                    (node, line) = (value, key.line);
                }
                (Segment::Index(index), Kind::List(elements)) => {
                    let Some(element) = elements.get(*index) else { return line };
                    (node, line) = (element, element.line);
                }
                _ => return line,
            }
        }
        line
    }
}

/// A tree and what is not in it.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) comments: usize,
}

/// Parses YAML 1.2 or JSON.
pub(super) fn parse(text: &str) -> Result<Parsed, Flaw> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(flaw(
            1,
            "the file is larger than 4 MiB",
            "a canvas or a list of connections is far smaller: is this the right file?",
        ));
    }
    let parser = Parser::new_from_str_with_options(
        text,
        options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH },
    );
    let mut builder = Builder { events: parser, nodes: 0, anchors: HashMap::new(), comments: 0, at: Path::root() };
    let root = builder.document()?;
    Ok(Parsed { root, comments: builder.comments })
}

fn flaw(line: u32, message: impl Into<String>, cure: &'static str) -> Flaw {
    Flaw { line, path: Path::root(), message: message.into(), cure }
}

fn scan_flaw(error: &ScanError) -> Flaw {
    let line = u32::try_from(error.marker().line()).unwrap_or(u32::MAX).max(1);
    flaw(
        line,
        error.info(),
        "mend the YAML: look at this line and the one before it for indentation, quotes and brackets",
    )
}

fn line_of(span: Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX).max(1)
}

struct Builder<I> {
    events: I,
    nodes: usize,
    anchors: HashMap<usize, Node>,
    comments: usize,
    at: Path,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Builder<I> {
    /// The next event that is no comment.
    fn next(&mut self) -> Result<(Event<'a>, u32), Flaw> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => self.comments += 1,
                Some(Ok((event, span))) => return Ok((event, line_of(span))),
                Some(Err(error)) => return Err(Flaw { path: self.at.clone(), ..scan_flaw(&error) }),
                None => return Ok((Event::StreamEnd, 1)),
            }
        }
    }

    fn wrong(&self, line: u32, message: impl Into<String>, cure: &'static str) -> Flaw {
        Flaw { path: self.at.clone(), ..flaw(line, message, cure) }
    }

    fn document(&mut self) -> Result<Node, Flaw> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return Err(self.wrong(
                        line,
                        "a second document begins here",
                        "one file holds one document: remove the `---`",
                    ));
                }
                event => root = Some(self.node(event, line, 0)?),
            }
        }
        root.filter(|root| !root.is_null()).ok_or_else(|| {
            flaw(1, "the file is empty", "see `caravan canvas schema`, or start from one of the examples")
        })
    }

    fn node(&mut self, event: Event<'a>, line: u32, depth: usize) -> Result<Node, Flaw> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(self.wrong(
                line,
                "the document is too large or too deeply nested",
                "a canvas has at most 200,000 values, nested 64 deep",
            ));
        }
        let (kind, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (Kind::Scalar { text: text.into_owned(), plain }, anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (Kind::List(self.list(depth)?), anchor, tag),
            Event::MappingStart(_, anchor, tag) => (Kind::Map(self.map(depth)?), anchor, tag),
            Event::Alias(anchor) => {
                let Some(known) = self.anchors.get(&anchor) else {
                    return Err(self.wrong(line, "an alias within its own anchor", "write the value out"));
                };
                let mut copy = known.clone();
                copy.line = line;
                self.nodes += copy.size();
                return Ok(copy);
            }
            _ => return Err(self.wrong(line, "a value is expected here", "write a value")),
        };
        if tag.is_some() {
            return Err(self.wrong(
                line,
                "YAML tags (`!…`) have no meaning here",
                "remove the tag; quote the value where it is text",
            ));
        }
        let node = Node { line, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Flaw> {
        let mut elements = Vec::new();
        loop {
            self.at.0.push(Segment::Index(elements.len()));
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                self.at.0.pop();
                return Ok(elements);
            }
            elements.push(self.node(event, line, depth + 1)?);
            self.at.0.pop();
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Flaw> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Kind::Scalar { text, .. } = self.node(event, line, depth + 1)?.kind else {
                return Err(self.wrong(
                    line,
                    "a key is a list or a map",
                    "keys are words: is a quote or a colon missing?",
                ));
            };
            if let Some(first) = lines.insert(text.clone(), line) {
                let message = format!("`{text}` stands here twice, first in line {first}");
                self.at.0.push(Segment::Key(text));
                return Err(self.wrong(line, message, "remove one of the two, or rename it"));
            }
            self.at.0.push(Segment::Key(text.clone()));
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line, depth + 1)?;
            self.at.0.pop();
            entries.push((Key { text, line }, value));
        }
    }
}

impl Node {
    fn size(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 1,
            Kind::List(elements) => 1 + elements.iter().map(Node::size).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|(_, value)| 1 + value.size()).sum::<usize>(),
        }
    }
}
