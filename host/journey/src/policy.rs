//! The workspace's policy: whether it makes sense, and which of its labels a field carries.
//!
//! Everything that has a label has a *name* here: a profile field (`email`), an attribute
//! (`attributes.health.condition`), an event or a property of one (`events.purchase.diagnosis`), a segment or a list
//! (`segments.vip`, `lists.vip`).
use crate::document::{Document, Path};
use crate::suggest;
use caravan_model::policy::Signatures;
use caravan_model::policy::{Deny, Labels};
use caravan_model::{Code, Duration, Policy, Problem};
use std::collections::BTreeSet;

/// The profile fields that rules can look at, as [`crate::filter::look_up`] names them.
pub const PROFILE_FIELDS: [&str; 18] = [
    "external_id",
    "aliases",
    "email",
    "phone",
    "first_name",
    "last_name",
    "gender",
    "birth_date",
    "city",
    "state",
    "zip",
    "country",
    "idfa",
    "gaid",
    "time_zone",
    "locale",
    "ad_tracking_enabled",
    "do_not_sell_or_share",
];

/// What stands before the names of what is no profile field.
const ROOTS: [&str; 4] = ["attributes", "events", "segments", "lists"];

/// The name of what a filter's `attr` looks at.
pub fn name_of_attr(attr: &str) -> String {
    match attr {
        "emails" => "email".to_owned(),
        "phones" => "phone".to_owned(),
        field if PROFILE_FIELDS.contains(&field) => field.to_owned(),
        path if path.starts_with("attributes.") => path.to_owned(),
        path => format!("attributes.{path}"),
    }
}

/// Everything that is wrong with a policy that could be read. A name or label that nothing carries would deny nothing
/// without a word, so it is refused.
pub fn check(policy: &Document<Policy>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |at: &Path, message: String, cure: String| {
        problems.push(policy.problem(Code::BadValue, at, message).cure(cure));
    };
    let at = Path::root().key("consent").key("demand");
    for (i, purpose) in policy.value.consent.demand.iter().enumerate() {
        if purpose.trim().is_empty() {
            say(&at.index(i), "a purpose has no name".to_owned(), "write one, such as `advertising`".to_owned());
        }
    }
    let labels = &policy.value.labels;
    let at = Path::root().key("labels").key("fields");
    for (name, carried) in &labels.fields {
        if let Some(cure) = unknown(name) {
            say(&at.key(name), format!("there is no field `{name}`"), cure);
        }
        if carried.is_empty() || carried.iter().any(|label| label.trim().is_empty()) {
            let message = format!("`{name}` has no label here, or an empty one");
            say(&at.key(name), message, "write labels: [sensitive]".to_owned());
        }
    }
    let known: BTreeSet<&str> = labels.fields.values().flatten().map(String::as_str).collect();
    let at = Path::root().key("labels").key("deny");
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (i, deny) in labels.deny.iter().enumerate() {
        let at = at.index(i);
        if deny.name.trim().is_empty() {
            say(&at.key("name"), "a denial has no name".to_owned(), "refusals repeat it: write one".to_owned());
        } else if !names.insert(&deny.name) {
            let message = format!("two denials have the name `{}`", deny.name);
            say(&at.key("name"), message, "refusals repeat it: rename one".to_owned());
        }
        if deny.action.trim().is_empty() {
            say(&at.key("action"), "what is denied is empty".to_owned(), "write `action: advertising`".to_owned());
        }
        if deny.labels.is_empty() {
            let cure = "write at least one label that a field carries".to_owned();
            say(&at.key("labels"), format!("`{}` denies nothing: it has no label", deny.name), cure);
        }
        for (j, label) in deny.labels.iter().enumerate().filter(|(_, label)| !known.contains(label.as_str())) {
            let cure = suggest::cure(label, known.iter().copied(), "labels under `fields`");
            say(&at.key("labels").index(j), format!("no field carries the label `{label}`"), cure);
        }
    }
    problems.extend(signing(policy));
    problems.extend(kept(policy));
    problems.extend(entitled(policy));
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// What is wrong with the keys whose signatures count.
fn signing(policy: &Document<Policy>) -> Vec<Problem> {
    let connectors = &policy.value.connectors;
    let at = Path::root().key("connectors").key("keys");
    let mut problems = Vec::new();
    let mut say = |at: &Path, message: String, cure: &str| {
        problems.push(policy.problem(Code::BadValue, at, message).cure(cure.to_owned()));
    };
    if connectors.signatures == Signatures::Require && connectors.keys.is_empty() {
        let at = Path::root().key("connectors").key("signatures");
        say(&at, "signatures are required, and no key counts".to_owned(), "add a key, or no connector could be used");
    }
    let is_key = |key: &str| {
        let digits = key.trim().strip_prefix("ed25519:");
        digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    for (i, known) in connectors.keys.iter().enumerate() {
        if known.name.trim().is_empty() {
            say(&at.index(i).key("name"), "a key has no name".to_owned(), "write whose it is");
        }
        if !is_key(&known.key) {
            let cure = "write `ed25519:` and 64 hexadecimal digits, as `caravan connector keygen` prints it";
            say(&at.index(i).key("key"), format!("this is no public key of `{}`", known.name), cure);
        }
        let of = at.index(i).key("for");
        if known.names.as_ref().is_some_and(Vec::is_empty) {
            let cure = "name connectors, or leave `for` out: the key then counts for all of them";
            say(&of, format!("the key of `{}` counts for no connector", known.name), cure);
        }
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        for (n, name) in known.names.iter().flatten().enumerate().filter(|(_, name)| !is_name(name)) {
            let cure = "write it as `caravan connector list` prints it: lower-case letters, digits and hyphens";
            say(&of.index(n), format!("`{name}` is no name of a connector"), cure);
        }
    }
    problems
}

/// What is kept for too short a time: operations and partners' judgements may take 30 days.
fn kept(policy: &Document<Policy>) -> Vec<Problem> {
    let keep = &policy.value.keep;
    let bounds = [("events", keep.events, 1), ("statuses", keep.statuses, 31), ("exchanges", keep.exchanges, 1)];
    let short = bounds.into_iter().filter(|(_, span, days)| *span < Duration::DAY.times(*days));
    let problem = |(name, span, days): (&str, Duration, u64)| {
        let at = Path::root().key("keep").key(name);
        let message = format!("`{name}` would be kept for {span}; the least is {days}d");
        policy.problem(Code::BadValue, &at, message).cure(format!("write {days}d or more"))
    };
    short.map(problem).collect()
}

/// What is wrong with the slots.
fn entitled(policy: &Document<Policy>) -> Vec<Problem> {
    let Some(entitlements) = &policy.value.entitlements else { return Vec::new() };
    let at = Path::root().key("entitlements").key("slots");
    let mut problems = Vec::new();
    let mut say = |at: &Path, message: String, cure: &str| {
        problems.push(policy.problem(Code::BadValue, at, message).cure(cure.to_owned()));
    };
    let (given, bought) = (entitlements.slots.len(), entitlements.bought());
    if given > bought {
        let message = format!("{given} slots are given, and {bought} were bought: three for each of `purchases`");
        say(&at, message, "take a partner out, or write how many purchases there are");
    }
    let mut seen: BTreeSet<&str> = entitlements.free.iter().map(String::as_str).collect();
    for (i, name) in entitlements.slots.iter().enumerate().filter(|(_, name)| !seen.insert(name)) {
        let message = format!("`{name}` is free, or has a slot already");
        say(&at.index(i), message, "take it out: its slot is for another partner");
    }
    problems
}

/// What to do about a name that nothing has; `None` where it may stand.
fn unknown(name: &str) -> Option<String> {
    let root = name.split_once('.').map_or(name, |(root, _)| root);
    let whole = !name.split('.').any(|part| part.trim().is_empty());
    if whole && (PROFILE_FIELDS.contains(&name) || ROOTS.contains(&root)) {
        return None;
    }
    let fields = suggest::cure(name, PROFILE_FIELDS, "fields of a profile");
    Some(format!(
        "{fields}; an attribute is written `attributes.NAME`, an event `events.NAME`, a segment `segments.NAME`, a \
         list `lists.NAME`"
    ))
}

/// A denial that meets a use of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met<'a> {
    /// The denial.
    pub deny: &'a Deny,
    /// The labelled name in the policy.
    pub field: &'a str,
    /// The label that it carries.
    pub label: &'a str,
}

/// The denials that the use of a name for these actions meets, each once. A label holds for everything below its name;
/// where the value as a `whole` is looked at, also for what holds something labelled within.
pub fn met<'a>(labels: &'a Labels, name: &str, whole: bool, actions: &BTreeSet<&str>) -> Vec<Met<'a>> {
    let carried = labels.fields.iter().filter(|(field, _)| is_below(name, field) || (whole && is_below(field, name)));
    let carried: Vec<(&str, &str)> =
        carried.flat_map(|(field, labels)| labels.iter().map(move |label| (field.as_str(), label.as_str()))).collect();
    let denials = labels.deny.iter().filter(|deny| actions.contains(deny.action.as_str()));
    denials
        .filter_map(|deny| {
            let (field, label) = carried.iter().copied().find(|(_, label)| deny.labels.iter().any(|of| of == label))?;
            Some(Met { deny, field, label })
        })
        .collect()
}

/// Whether a name is another, or stands below it.
fn is_below(name: &str, other: &str) -> bool {
    name.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
