//! What a canvas uses people's data for, against the labels of the workspace's policy.
use super::{IdentitiesOf, ManifestOf, kept, step_path};
use crate::document::{Document, Path};
use crate::plan::DEFAULT_PURPOSE;
use crate::policy::{met, name_of_attr};
use crate::webhook::Body;
use caravan_model::canvas::{AudienceSync, EventTrigger, ExitRule, Trigger, Until};
use caravan_model::filter::Compare;
use caravan_model::manifest::Field;
use caravan_model::{Canvas, Code, Filter, Policy, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// The uses of data in a canvas that the policy denies: looks further back than it keeps events, and uses of labelled data:
/// fields that a sync matches on (those that its connection maps, else the partner's defaults), everything that the canvas
/// looks at on the way to one, and what the bodies of its webhooks name. Where the manifest of a connection is not known, its
/// match fields are not checked.
pub fn denied_uses(
    canvas: &Document<Canvas>,
    manifest: Option<&ManifestOf<'_>>,
    identities: &IdentitiesOf<'_>,
    policy: &Policy,
) -> Vec<Problem> {
    let mut audit = Audit { canvas, policy, problems: kept::of_canvas(canvas, policy) };
    if let Some(manifest) = manifest {
        audit.partners(manifest);
    }
    if policy.labels.deny.is_empty() {
        return audit.problems;
    }
    let syncs = canvas.value.steps.0.iter().filter_map(|(id, step)| Some((id, step.audience_sync.as_ref()?)));
    let mut of_canvas = BTreeSet::new();
    for (id, sync) in syncs {
        let actions = actions_of(sync);
        let at = step_path(id.as_str()).key("audience_sync").key("match");
        audit.mapping(&at, sync, (manifest, identities), &actions);
        of_canvas.extend(actions);
    }
    audit.looks(&of_canvas);
    audit.bodies();
    audit.problems.sort_by_key(|problem| problem.line);
    audit.problems
}

/// What the body of a webhook is, in the words of a denial.
const WEBHOOK: &str = "webhook";

/// What a sync is, in the words of a denial: advertising, for its target is an advertising partner, and its purpose.
fn actions_of(sync: &AudienceSync) -> BTreeSet<&str> {
    [DEFAULT_PURPOSE].into_iter().chain(sync.purpose.as_deref()).collect()
}

struct Audit<'a> {
    canvas: &'a Document<Canvas>,
    policy: &'a Policy,
    problems: Vec<Problem>,
}

impl Audit<'_> {
    /// The partners that nobody is entitled to.
    fn partners(&mut self, manifest: &ManifestOf<'_>) {
        for (name, audience) in &self.canvas.value.audiences {
            let Some(manifest) = manifest(&audience.connection) else { continue };
            let Some(refused) = self.policy.refuses(&manifest.name) else { continue };
            let at = Path::root().key("audiences").key(name).key("connection");
            self.problems.push(self.canvas.problem(Code::NotEntitled, &at, refused.words).cure(refused.cure));
        }
    }

    /// The fields that a sync sends.
    fn mapping(
        &mut self,
        at: &Path,
        sync: &AudienceSync,
        (manifest, identities): (Option<&ManifestOf<'_>>, &IdentitiesOf<'_>),
        actions: &BTreeSet<&str>,
    ) {
        let Some(audience) = self.canvas.value.audiences.get(&sync.audience) else { return };
        let Some(manifest) = manifest.and_then(|manifest| manifest(&audience.connection)) else { return };
        let mapped = identities(&audience.connection).filter(|mapped| !mapped.is_empty());
        for (i, word) in sync.match_on.iter().enumerate() {
            let at = at.index(i);
            let Some(mapped) = &mapped else {
                let word = std::slice::from_ref(word);
                let fields: BTreeSet<Field> = manifest.chosen(word).flat_map(|key| key.fields(word)).collect();
                fields.into_iter().for_each(|field| self.used(&at, name_of_field(field), true, actions));
                continue;
            };
            let asked = |name: &str| manifest.keys.iter().any(|key| key.is_asked_by(name) && key.is_asked_by(word));
            for source in mapped.0.iter().filter(|(name, _)| asked(name)).flat_map(|(_, sources)| sources.all()) {
                // A path may stand with or without the word for all attributes before it.
                let path = source.path();
                let names = [Some(path), path.strip_prefix("traits.")].into_iter().flatten().map(name_of_attr);
                names.for_each(|name| self.used(&at, &name, true, actions));
            }
        }
    }

    /// Everything that the canvas looks at, for the sake of its syncs.
    fn looks(&mut self, actions: &BTreeSet<&str>) {
        let canvas = &self.canvas.value;
        let entry = Path::root().key("entry");
        let at = entry.key("trigger");
        match &canvas.entry.trigger {
            Trigger::Event(trigger) => self.event(&at, trigger, actions),
            Trigger::Segment(trigger) => self.group(&at.key("segment"), "segments", &trigger.segment, actions),
            Trigger::Schedule(trigger) => self.group(&at.key("segment"), "segments", &trigger.segment, actions),
            Trigger::List(trigger) => self.group(&at.key("list"), "lists", &trigger.list, actions),
            Trigger::Api(_) => {}
        }
        if let Some(who) = &canvas.entry.who {
            self.filter(&entry.key("who"), who, actions);
        }
        for (i, exit) in canvas.exit.iter().enumerate() {
            let at = Path::root().key("exit").index(i);
            match exit {
                ExitRule::Event(event) => self.event(&at, event, actions),
                ExitRule::Segment(segment) => self.group(&at.key("segment"), "segments", &segment.segment, actions),
            }
        }
        for (id, step) in &canvas.steps.0 {
            let at = step_path(id.as_str());
            for (i, arm) in step.branch.iter().flatten().enumerate() {
                self.filter(&at.key("branch").index(i).key("if"), &arm.condition, actions);
            }
            if let Some(Until::Attribute(date)) = step.delay.as_ref().and_then(|delay| delay.until.as_ref()) {
                let at = at.key("delay").key("until").key("attr");
                self.used(&at, &name_of_attr(&date.attr), true, actions);
            }
            let Some(wait) = &step.wait_for else { continue };
            let at = at.key("wait_for");
            if let Some(event) = &wait.event {
                self.happened(&at, event, &wait.properties, actions);
            }
            if let Some(segment) = &wait.segment {
                self.group(&at.key("segment"), "segments", segment, actions);
            }
        }
    }

    /// What the bodies of webhooks send. A body whose templates cannot be read is refused for that.
    fn bodies(&mut self) {
        let actions = BTreeSet::from([WEBHOOK]);
        for (id, step) in &self.canvas.value.steps.0 {
            let Some(body) = step.webhook.as_ref().and_then(|webhook| Body::new(&webhook.body).ok()) else { continue };
            let at = step_path(id.as_str()).key("webhook");
            for (place, name) in body.names() {
                let is_whole = name == "attributes" || name.starts_with("events.");
                let name = if is_whole { name.to_owned() } else { name_of_attr(name) };
                self.used(&place.below(&at), &name, true, &actions);
            }
        }
    }

    fn filter(&mut self, at: &Path, filter: &Filter, actions: &BTreeSet<&str>) {
        let several = |audit: &mut Self, at: Path, filters: &[Filter]| {
            filters.iter().enumerate().for_each(|(i, filter)| audit.filter(&at.index(i), filter, actions));
        };
        match filter {
            Filter::All(all) => several(self, at.key("all"), &all.all),
            Filter::Any(any) => several(self, at.key("any"), &any.any),
            Filter::Not(not) => self.filter(&at.key("not"), &not.not, actions),
            Filter::Attr(attr) => self.used(&at.key("attr"), &name_of_attr(&attr.attr), true, actions),
            Filter::Event(event) => self.happened(at, &event.event, &event.properties, actions),
            Filter::Segment(segment) => self.group(&at.key("segment"), "segments", &segment.segment, actions),
            Filter::List(list) => self.group(&at.key("list"), "lists", &list.list, actions),
            Filter::Tracking(_) => self.used(&at.key("tracking"), "ad_tracking_enabled", true, actions),
            // What a person wants done with their data may always be asked.
            Filter::Consent(_) => {}
        }
    }

    fn event(&mut self, at: &Path, event: &EventTrigger, actions: &BTreeSet<&str>) {
        self.happened(at, &event.event, &event.properties, actions);
    }

    fn happened(&mut self, at: &Path, event: &str, wanted: &BTreeMap<String, Compare>, actions: &BTreeSet<&str>) {
        let name = format!("events.{event}");
        // That it happened says nothing of what is labelled within.
        self.used(&at.key("event"), &name, false, actions);
        for property in wanted.keys() {
            self.used(&at.key("where").key(property), &format!("{name}.{property}"), true, actions);
        }
    }

    fn group(&mut self, at: &Path, root: &str, name: &str, actions: &BTreeSet<&str>) {
        self.used(at, &format!("{root}.{name}"), true, actions);
    }

    fn used(&mut self, at: &Path, name: &str, whole: bool, actions: &BTreeSet<&str>) {
        for met in met(&self.policy.labels, name, whole, actions) {
            let (field, label, deny) = (met.field, met.label, met.deny);
            let through = if field == name { String::new() } else { format!("`{name}` is used here, and ") };
            let message = format!(
                "{through}`{field}` is labelled `{label}`, which the policy's `{}` denies for {}",
                deny.name, deny.action
            );
            let cure = "leave it out here, or ask whoever keeps the policy";
            self.problems.push(self.canvas.problem(Code::DeniedUse, at, message).cure(cure));
        }
    }
}

fn name_of_field(field: Field) -> &'static str {
    match field {
        Field::ExternalId => "external_id",
        Field::Email => "email",
        Field::Phone => "phone",
        Field::FirstName => "first_name",
        Field::LastName => "last_name",
        Field::Gender => "gender",
        Field::BirthDate => "birth_date",
        Field::City => "city",
        Field::State => "state",
        Field::Zip => "zip",
        Field::Country => "country",
        Field::Idfa => "idfa",
        Field::Gaid => "gaid",
    }
}
