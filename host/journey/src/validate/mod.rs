//! What is wrong with a canvas, before anyone enters it: all of it, with line, path and cure. Touches no network.
mod graph;
mod kept;
mod labels;
mod partner;
mod steps;
mod webhooks;

pub use kept::too_far_back;
pub use labels::denied_uses;
pub use webhooks::unknown_endpoints;

use crate::document::{Document, Path};
use crate::schedule::{Schedule, ScheduleFault};
use crate::segments::unknown_groups;
use crate::suggest;
use caravan_model::canvas::Trigger;
use caravan_model::{Canvas, Code, Connections, Identities, Manifest, Policy, Problem};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Looks up the manifest of a connection's connector, by the connection's name; `None` where it is not known.
pub type ManifestOf<'a> = dyn Fn(&str) -> Option<&'a Manifest> + 'a;

/// Looks up which fields of people a connection sends as which identifiers, by its name; `None` where it says nothing.
pub type IdentitiesOf<'a> = dyn Fn(&str) -> Option<Arc<Identities>> + 'a;

/// What is known about the world beside the canvas. What is not given is not checked.
#[derive(Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The connections that there are.
    pub connections: Option<&'a Connections>,
    /// The manifests of their connectors.
    pub manifest: Option<&'a ManifestOf<'a>>,
    /// The workspace's policy.
    pub policy: Option<&'a Policy>,
    /// The names of the workspace's segments, and of its lists.
    pub groups: Option<(&'a BTreeSet<String>, &'a BTreeSet<String>)>,
}

/// Checks a canvas. An empty answer means that [`crate::plan::CompiledCanvas::new`] succeeds and that every walk ends.
/// Problems stand in the order of the file.
pub fn validate(canvas: &Document<Canvas>, facts: &Facts<'_>) -> Vec<Problem> {
    let mut findings = Findings { canvas, problems: Vec::new() };
    audiences(&mut findings, facts);
    steps::check(&mut findings);
    graph::check(&mut findings);
    partner::check(&mut findings, facts);
    webhooks::check(&mut findings, facts);
    schedule(&mut findings);
    if let Some((segments, lists)) = facts.groups {
        findings.problems.extend(unknown_groups(canvas, segments, lists));
    }
    if let Some(policy) = facts.policy {
        let mapped = |name: &str| Some(Arc::new(facts.connections?.connections.get(name)?.identities.clone()));
        findings.problems.extend(denied_uses(canvas, facts.manifest, &mapped, policy));
    }
    findings.problems.sort_by_key(|problem| problem.line);
    findings.problems
}

/// The problems found so far.
struct Findings<'a> {
    canvas: &'a Document<Canvas>,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    fn canvas(&self) -> &'a Canvas {
        &self.canvas.value
    }

    fn add(&mut self, code: Code, path: &Path, message: impl Into<String>, cure: impl Into<String>) {
        self.problems.push(self.canvas.problem(code, path, message).cure(cure));
    }
}

/// Where a step stands.
fn step_path(id: &str) -> Path {
    Path::root().key("steps").key(id)
}

/// A schedule that can be read.
fn schedule(findings: &mut Findings<'_>) {
    let Trigger::Schedule(trigger) = &findings.canvas().entry.trigger else { return };
    let at = Path::root().key("entry").key("trigger");
    match Schedule::new(trigger) {
        Ok(_) => {}
        Err(ScheduleFault::Cron(words)) => {
            let cure = "write minute, hour, day of month, month and weekday: \"0 9 * * MON\"";
            findings.add(Code::BadValue, &at.key("schedule"), words, cure);
        }
        Err(ScheduleFault::Zone(words)) => {
            findings.add(Code::BadValue, &at.key("tz"), words, "write an IANA time zone, for instance Europe/Paris");
        }
    }
}

/// The audiences against the connections.
fn audiences(findings: &mut Findings<'_>, facts: &Facts<'_>) {
    let Some(connections) = facts.connections.map(|file| &file.connections) else { return };
    for (name, audience) in &findings.canvas().audiences {
        let at = Path::root().key("audiences").key(name);
        let Some(connection) = connections.get(&audience.connection) else {
            let message = format!("there is no connection `{}`", audience.connection);
            let cure = suggest::cure(&audience.connection, connections.keys().map(String::as_str), "connections");
            findings.add(Code::UnknownConnection, &at.key("connection"), message, cure);
            continue;
        };
        if !connection.accounts.contains_key(&audience.account) {
            let message = format!("connection `{}` has no account `{}`", audience.connection, audience.account);
            let accounts = connection.accounts.keys().map(String::as_str);
            let cure = suggest::cure(&audience.account, accounts, &format!("accounts of `{}`", audience.connection));
            findings.add(Code::UnknownAccount, &at.key("account"), message, cure);
        } else if connection.off.contains(&audience.account) {
            let message = format!("the account `{}` of `{}` is switched off", audience.account, audience.connection);
            let cure = "switch it on, or choose another account";
            findings.add(Code::AccountOff, &at.key("account"), message, cure);
        }
    }
}
