//! The bodies that webhook steps send: JSON whose texts are templates over the person.
//!
//! ```
//! use caravan_journey::webhook::Body;
//! use caravan_journey::Person;
//! use caravan_model::Profile;
//! let written = serde_json::json!({ "to": "{{ email }}", "age": "{{ age }}", "hi": "Hi {{ first_name | default('you') }}" });
//! let body = Body::new(written.as_object().unwrap()).unwrap();
//! let mut ann = Profile { emails: vec!["ann@example.com".into()], ..Profile::default() };
//! ann.attributes.insert("age".into(), 41.into());
//! let person = Person { profile: &ann, events: &[] };
//! assert_eq!(body.render(&person).unwrap(), r#"{"age":41,"hi":"Hi you","to":"ann@example.com"}"#);
//! let nobody = Profile::default();
//! assert_eq!(body.render(&Person { profile: &nobody, events: &[] }).unwrap_err().code, "template-missing");
//! ```
use crate::Person;
use crate::document::Path;
use crate::policy::PROFILE_FIELDS;
use caravan_model::status::reason;
use caravan_model::{CanvasId, Digest, Event, Millis, Profile, Reason, VisitId};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The largest body, in bytes.
pub const LARGEST_BODY: usize = 64 << 10;
/// How much work one template may be, in the engine's steps: a body is no program.
const FUEL: u64 = 20_000;
/// Below this, templates find what people did: `events.Lapsed.total`, `events['Order Completed'].total`.
const EVENTS: &str = "events";
/// What holds the value of a leaf that is one expression.
const WHOLE: &str = "caravan_whole";

/// What is wrong with a template, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaw {
    /// From `body` on.
    pub at: Path,
    /// In plain words.
    pub words: String,
}

/// A body, ready to be made for one person after the other.
pub struct Body {
    written: Map<String, Value>,
    root: Node,
    leaves: Vec<Leaf>,
    /// Names of events whose properties templates ask for.
    events: BTreeSet<String>,
    engine: Environment<'static>,
}

/// A part of the body.
#[derive(Debug)]
enum Node {
    Fixed(Value),
    /// A template: its place among the leaves.
    Made(usize),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A text that is a template.
#[derive(Debug)]
struct Leaf {
    at: Path,
    /// Its name at the engine.
    name: String,
    /// Whether it is one expression, whose value keeps its type.
    whole: bool,
    /// The paths of what it names.
    names: BTreeSet<String>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.written).finish()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.written == other.written
    }
}

impl Body {
    /// Reads the templates.
    ///
    /// # Errors
    /// Every template that cannot be read.
    pub fn new(written: &Map<String, Value>) -> Result<Body, Vec<Flaw>> {
        let mut engine = Environment::new();
        // Templates are tried out on nobody at first; later everything that they name must be there.
        engine.set_undefined_behavior(UndefinedBehavior::Chainable);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_fuel(Some(FUEL));
        engine.set_recursion_limit(50);
        let mut body = Body {
            written: written.clone(),
            root: Node::Fixed(Value::Null),
            leaves: Vec::new(),
            events: BTreeSet::new(),
            engine,
        };
        let mut flaws = Vec::new();
        body.root = body.map(&Path::root().key("body"), written, &mut flaws);
        body.engine.set_undefined_behavior(UndefinedBehavior::Strict);
        if flaws.is_empty() { Ok(body) } else { Err(flaws) }
    }

    fn map(&mut self, at: &Path, map: &Map<String, Value>, flaws: &mut Vec<Flaw>) -> Node {
        Node::Map(map.iter().map(|(key, value)| (key.clone(), self.node(&at.key(key), value, flaws))).collect())
    }

    fn node(&mut self, at: &Path, value: &Value, flaws: &mut Vec<Flaw>) -> Node {
        match value {
            Value::String(text) if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) => {
                match self.leaf(at, text) {
                    Ok(leaf) => {
                        self.leaves.push(leaf);
                        return Node::Made(self.leaves.len() - 1);
                    }
                    Err(words) => flaws.push(Flaw { at: at.clone(), words }),
                }
                Node::Fixed(Value::Null)
            }
            Value::Array(all) => {
                let all = all.iter().enumerate();
                Node::List(all.map(|(i, value)| self.node(&at.index(i), value, flaws)).collect())
            }
            Value::Object(map) => self.map(at, map, flaws),
            fixed => Node::Fixed(fixed.clone()),
        }
    }

    fn leaf(&mut self, at: &Path, text: &str) -> Result<Leaf, String> {
        let name = format!("leaf {}", self.leaves.len());
        let inner = only_expression(text).filter(|inner| self.engine.compile_expression_owned(*inner).is_ok());
        let source = inner.map_or_else(|| text.to_owned(), |inner| format!("{{% set {WHOLE} = ({inner}) %}}"));
        self.engine.add_template_owned(name.clone(), source).map_err(|wrong| in_words(&wrong))?;
        let template = self.engine.get_template(&name).map_err(|wrong| in_words(&wrong))?;
        if let Err(wrong) = template.render(minijinja::Value::from(()))
            && matches!(wrong.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
        {
            return Err(in_words(&wrong));
        }
        let mut names = template.undeclared_variables(true);
        let is_of_events = |name: &str| name == EVENTS || name.starts_with("events.");
        if names.iter().any(|name| is_of_events(name)) {
            let events = events_in(text)?;
            // Each by its whole: an engine that sees a path within brackets names but the outermost.
            names.retain(|name| !is_of_events(name));
            names.extend(events.iter().map(|event| format!("{EVENTS}.{event}")));
            self.events.extend(events);
        }
        let known: BTreeSet<String> = self.engine.globals().map(|(name, _)| name.to_owned()).collect();
        let names = names.into_iter().filter(|name| !known.contains(name)).collect();
        Ok(Leaf { at: at.clone(), name, whole: inner.is_some(), names })
    }

    /// The events whose newest properties the templates ask for: what [`Body::render`] needs of a person's.
    pub fn events(&self) -> &BTreeSet<String> {
        &self.events
    }

    /// What the templates name of the person (`email`, `attributes.plan.tier`, `events.Order Completed`), with the place of the template.
    pub fn names(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.leaves.iter().flat_map(|leaf| leaf.names.iter().map(|name| (&leaf.at, name.as_str())))
    }

    /// The body for a person, as JSON text. Of several events of a name the newest counts.
    ///
    /// # Errors
    /// `template-missing` with the name of what is not known, or `template-failed`; never with a value of the person's.
    pub fn render(&self, person: &Person<'_>) -> Result<String, Reason> {
        let known = if self.leaves.is_empty() { Value::Null } else { Value::Object(self.known_of(person)) };
        let context = minijinja::Value::from(Serde(&known));
        let text = self.made(&self.root, &known, &context)?.to_string();
        if text.len() > LARGEST_BODY {
            let words = format!("the body would be larger than {} kB", LARGEST_BODY >> 10);
            return Err(Reason::new(reason::TEMPLATE_FAILED, words));
        }
        Ok(text)
    }

    fn known_of(&self, person: &Person<'_>) -> Map<String, Value> {
        let mut known = known_of(person.profile);
        if !self.events.is_empty() {
            let newest = |name: &String| {
                let of_name = person.events.iter().filter(|event| event.name == *name);
                let newest: &Event = of_name.max_by_key(|event| event.at)?;
                Some((name.clone(), Value::Object(without_nulls(&newest.properties))))
            };
            known.insert(EVENTS.to_owned(), Value::Object(self.events.iter().filter_map(newest).collect()));
        }
        known
    }

    fn made(&self, node: &Node, known: &Value, context: &minijinja::Value) -> Result<Value, Reason> {
        Ok(match node {
            Node::Fixed(value) => value.clone(),
            Node::Made(at) => self.leaves[*at].render(&self.engine, known, context)?,
            Node::List(all) => {
                Value::Array(all.iter().map(|node| self.made(node, known, context)).collect::<Result<_, _>>()?)
            }
            Node::Map(map) => {
                let made = |(key, node): &(String, Node)| Ok((key.clone(), self.made(node, known, context)?));
                Value::Object(map.iter().map(made).collect::<Result<_, Reason>>()?)
            }
        })
    }
}

impl Leaf {
    fn render(&self, engine: &Environment<'_>, known: &Value, context: &minijinja::Value) -> Result<Value, Reason> {
        let failed = |wrong: &minijinja::Error| match wrong.kind() {
            ErrorKind::UndefinedError => self.missing(known),
            // The error's own words may repeat a value.
            kind => Reason::new(reason::TEMPLATE_FAILED, format!("{}: {kind}", self.at)),
        };
        let template = engine.get_template(&self.name).map_err(|wrong| failed(&wrong))?;
        if !self.whole {
            return template.render(context).map(Value::String).map_err(|wrong| failed(&wrong));
        }
        let rendered = template.render_captured(context).map_err(|wrong| failed(&wrong))?;
        match rendered.state().lookup(WHOLE) {
            Some(value) if !value.is_undefined() => serde_json::to_value(&value)
                .map_err(|_| Reason::new(reason::TEMPLATE_FAILED, format!("{}: this is no JSON value", self.at))),
            _ => Err(self.missing(known)),
        }
    }

    /// Names what the template asks for and nobody knows.
    fn missing(&self, known: &Value) -> Reason {
        let reach = |name: &&String| name.split('.').try_fold(known, |at, key| at.get(key)).is_none();
        let words = match self.names.iter().find(reach) {
            Some(name) => format!("{}: `{name}` is not known of the person", self.at),
            None => format!("{}: something that it names is not known of the person", self.at),
        };
        Reason::new(reason::TEMPLATE_MISSING, words)
    }
}

/// The events that a template names, each written out behind `events`.
fn events_in(text: &str) -> Result<BTreeSet<String>, String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(EVENTS) {
        let (before, rest) = (text[..at].trim_end(), text[at + EVENTS.len()..].trim_start());
        // A longer word, or something else's.
        if text[..at].ends_with(is_word) || before.ends_with('.') || rest.starts_with(is_word) {
            continue;
        }
        let name = match rest.strip_prefix('.') {
            Some(rest) => rest.trim_start().split(|c| !is_word(c)).next().filter(|name| !name.is_empty()),
            None => rest.strip_prefix('[').map(str::trim_start).and_then(|rest| {
                let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
                rest[1..].split_once(quote).map(|(name, _)| name)
            }),
        };
        found.insert(
            name.ok_or("name the event: `events.Lapsed.total` or `events['Order Completed'].total`")?.to_owned(),
        );
    }
    Ok(found)
}

/// What stands within the braces of a text that is nothing but `{{ … }}`.
fn only_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(inner);
    Some(inner.strip_suffix('-').unwrap_or(inner).trim())
}

/// A template's mistake in one line: the text is the canvas's own, so the engine may speak of it.
fn in_words(wrong: &minijinja::Error) -> String {
    match wrong.detail() {
        Some(detail) => format!("the template cannot be read: {detail}"),
        None => format!("the template cannot be read: {}", wrong.kind()),
    }
}

/// What templates can name of a person: profile fields (of several e-mails or phones the first, and `emails`, `phones`),
/// attributes by their own name where no field has it, and below `attributes`. What is null is not known.
fn known_of(person: &Profile) -> Map<String, Value> {
    let mut known = without_nulls(&person.attributes);
    for field in PROFILE_FIELDS.iter().chain(&["emails", "phones", "attributes"]) {
        known.remove(*field);
    }
    known.insert("attributes".to_owned(), Value::Object(without_nulls(&person.attributes)));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            known.insert(name.to_owned(), value);
        }
    };
    put("external_id", Some(person.external_id.clone().into()));
    for (name, texts) in [("aliases", &person.aliases), ("emails", &person.emails), ("phones", &person.phones)] {
        put(name, Some(texts.clone().into()).filter(|_| !texts.is_empty()));
    }
    put("email", person.emails.first().cloned().map(Value::String));
    put("phone", person.phones.first().cloned().map(Value::String));
    for (name, text) in [
        ("first_name", &person.first_name),
        ("last_name", &person.last_name),
        ("gender", &person.gender),
        ("birth_date", &person.birth_date),
        ("city", &person.city),
        ("state", &person.state),
        ("zip", &person.zip),
        ("country", &person.country),
        ("idfa", &person.idfa),
        ("gaid", &person.gaid),
        ("time_zone", &person.time_zone),
        ("locale", &person.locale),
    ] {
        put(name, text.clone().map(Value::String));
    }
    put("ad_tracking_enabled", person.ad_tracking_enabled.map(Value::Bool));
    put("do_not_sell_or_share", person.do_not_sell_or_share.map(Value::Bool));
    known
}

fn without_nulls(map: &Map<String, Value>) -> Map<String, Value> {
    let kept = map.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(below) => (key.clone(), Value::Object(without_nulls(below))),
        value => (key.clone(), value.clone()),
    })
    .collect()
}

/// The `Idempotency-Key` of a visit's call: the same for all its repeats, and for no other visit of this or another
/// store. It tells nothing about the person.
pub fn idempotency_key(canvas: &CanvasId, visit: VisitId, began: Millis) -> String {
    let text = [canvas.as_str(), &visit.entry.0.to_string(), &visit.ordinal.to_string(), &began.0.to_string()];
    let Digest(bytes) = Digest::of(text.join("\0").as_bytes());
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
