//! Segments: rules of a workspace that canvases and other segments mention by name.
use crate::document::{Document, Path};
use crate::filter::{self, evaluate};
use crate::person::{Groups, Person, Scene};
use crate::suggest;
use caravan_model::{Code, Filter, Group, GroupKind, Problem, Segment, is_group_name};
use std::collections::{BTreeMap, BTreeSet};

/// The segments of a workspace, each with all that it asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segments {
    rules: BTreeMap<String, Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    who: Filter,
    /// With those of the segments that it mentions.
    events: BTreeSet<String>,
    timed: bool,
}

impl Segments {
    /// From names and rules. Those that mention each other in a circle are left out; [`problems`] refuses them before.
    pub fn new(rules: impl IntoIterator<Item = (String, Filter)>) -> Segments {
        let all: BTreeMap<String, Filter> = rules.into_iter().collect();
        let mut done: BTreeMap<String, Rule> = BTreeMap::new();
        loop {
            let ready: Vec<(&String, &Filter)> = all
                .iter()
                .filter(|(name, who)| {
                    !done.contains_key(*name)
                        && segments_in(who).iter().all(|other| done.contains_key(other) || !all.contains_key(other))
                })
                .collect();
            if ready.is_empty() {
                return Segments { rules: done };
            }
            let rules: Vec<(String, Rule)> = ready
                .into_iter()
                .map(|(name, who)| {
                    let below: Vec<&Rule> = segments_in(who).iter().filter_map(|other| done.get(other)).collect();
                    let own = filter::needs_events(who).into_iter().map(str::to_owned);
                    let rule = Rule {
                        who: who.clone(),
                        events: own.chain(below.iter().flat_map(|rule| rule.events.iter().cloned())).collect(),
                        timed: filter::depends_on_time(who) || below.iter().any(|rule| rule.timed),
                    };
                    (name.clone(), rule)
                })
                .collect();
            done.extend(rules);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// A segment's rule.
    pub fn rule(&self, name: &str) -> Option<&Filter> {
        self.rules.get(name).map(|rule| &rule.who)
    }

    /// The events that a segment looks at, with those of the segments that it mentions.
    pub fn events(&self, name: &str) -> impl Iterator<Item = &str> {
        self.rules.get(name).into_iter().flat_map(|rule| rule.events.iter().map(String::as_str))
    }

    /// All events that any looks at.
    pub fn all_events(&self) -> BTreeSet<&str> {
        self.rules.values().flat_map(|rule| rule.events.iter().map(String::as_str)).collect()
    }

    /// Whether time alone can bring people in or out.
    pub fn is_timed(&self, name: &str) -> bool {
        self.rules.get(name).is_some_and(|rule| rule.timed)
    }
}

fn segments_in(who: &Filter) -> BTreeSet<String> {
    let groups = filter::groups_of(who).into_iter();
    groups.filter(|group| group.kind == GroupKind::Segment).map(|group| group.name).collect()
}

/// One person's segments, by their rules, and lists, as they were put on them.
pub struct Crowd<'a> {
    /// The workspace's segments.
    pub segments: &'a Segments,
    /// The lists that the person is on.
    pub lists: &'a BTreeSet<String>,
    /// The person, with the events that the segments look at.
    pub person: Person<'a>,
    /// The scene; its own groups are not asked.
    pub scene: Scene<'a>,
}

impl Groups for Crowd<'_> {
    fn in_segment(&self, name: &str) -> bool {
        let scene = self.scene.with_groups(self);
        // No segment mentions itself, so this ends.
        self.segments.rule(name).is_some_and(|rule| evaluate(rule, &self.person, &scene))
    }

    fn in_list(&self, name: &str) -> bool {
        self.lists.contains(name)
    }
}

/// What is wrong with a segment, beside the workspace's others and its lists.
pub fn problems(
    document: &Document<Segment>,
    others: &BTreeMap<String, Filter>,
    lists: &BTreeSet<String>,
) -> Vec<Problem> {
    let segment = &document.value;
    let mut problems = Vec::new();
    if !is_group_name(&segment.segment) {
        let words = format!("`{}` is no name of a segment", segment.segment);
        let cure = "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit";
        problems.push(document.problem(Code::BadValue, &Path::root().key("segment"), words).cure(cure));
    }
    let at = Path::root().key("who");
    let mut mentioned = Vec::new();
    places(&at, &segment.who, &mut mentioned);
    for (at, group) in mentioned {
        let known: BTreeSet<&str> = match group.kind {
            GroupKind::Segment => others.keys().map(String::as_str).filter(|name| *name != segment.segment).collect(),
            GroupKind::List => lists.iter().map(String::as_str).collect(),
        };
        if group.kind == GroupKind::Segment && group.name == segment.segment {
            let words = format!("the segment `{}` mentions itself", segment.segment);
            problems.push(document.problem(Code::UnknownGroup, &at, words).cure("take the condition out"));
        } else if !known.contains(group.name.as_str()) {
            problems.push(unknown(
                document.problem(Code::UnknownGroup, &at, words(&group)),
                &group,
                known.iter().copied(),
            ));
        }
    }
    let mut all = others.clone();
    all.insert(segment.segment.clone(), segment.who.clone());
    if problems.is_empty() && Segments::new(all).rule(&segment.segment).is_none() {
        let words = format!("`{}` and the segments that it mentions go in a circle", segment.segment);
        problems.push(document.problem(Code::UnknownGroup, &at, words).cure("take one of the mentions out"));
    }
    problems
}

fn words(group: &Group) -> String {
    format!("there is no {} `{}`", group.kind.word(), group.name)
}

/// Says what to do about a group that is not there.
fn unknown<'a>(problem: Problem, group: &Group, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let make = match group.kind {
        GroupKind::Segment => "`caravan segment set FILE` makes one",
        GroupKind::List => "`caravan list create NAME` makes one",
    };
    let of = match group.kind {
        GroupKind::Segment => "segments of this workspace",
        GroupKind::List => "lists of this workspace",
    };
    let cure = suggest::cure(&group.name, known, of);
    problem.cure(format!("{cure}; {make}"))
}

/// Mentions of groups in a canvas that are not among these.
pub fn unknown_groups(
    document: &Document<caravan_model::Canvas>,
    segments: &BTreeSet<String>,
    lists: &BTreeSet<String>,
) -> Vec<Problem> {
    let mentioned = mentions(&document.value);
    let missing = mentioned.into_iter().filter(|(_, group)| match group.kind {
        GroupKind::Segment => !segments.contains(&group.name),
        GroupKind::List => !lists.contains(&group.name),
    });
    missing
        .map(|(at, group)| {
            let known = if group.kind == GroupKind::Segment { segments } else { lists };
            unknown(document.problem(Code::UnknownGroup, &at, words(&group)), &group, known.iter().map(String::as_str))
        })
        .collect()
}

/// The groups that a canvas mentions, and where.
pub fn mentions(canvas: &caravan_model::Canvas) -> Vec<(Path, Group)> {
    use caravan_model::canvas::{ExitRule, Trigger};
    let entry = Path::root().key("entry");
    let mut all = Vec::new();
    match &canvas.entry.trigger {
        Trigger::Segment(trigger) => all.push((entry.key("trigger").key("segment"), Group::segment(&trigger.segment))),
        Trigger::Schedule(trigger) => all.push((entry.key("trigger").key("segment"), Group::segment(&trigger.segment))),
        Trigger::List(trigger) => all.push((entry.key("trigger").key("list"), Group::list(&trigger.list))),
        Trigger::Event(_) | Trigger::Api(_) => {}
    }
    if let Some(who) = &canvas.entry.who {
        places(&entry.key("who"), who, &mut all);
    }
    for (id, step) in &canvas.steps.0 {
        let at = Path::root().key("steps").key(id.as_str());
        for (i, arm) in step.branch.iter().flatten().enumerate() {
            places(&at.key("branch").index(i).key("if"), &arm.condition, &mut all);
        }
    }
    for (i, rule) in canvas.exit.iter().enumerate() {
        if let ExitRule::Segment(segment) = rule {
            all.push((Path::root().key("exit").index(i).key("segment"), Group::segment(&segment.segment)));
        }
    }
    for (id, step) in &canvas.steps.0 {
        if let Some(segment) = step.wait_for.as_ref().and_then(|wait| wait.segment.as_ref()) {
            let at = Path::root().key("steps").key(id.as_str()).key("wait_for").key("segment");
            all.push((at, Group::segment(segment)));
        }
    }
    all
}

/// The groups that a filter mentions, and where.
fn places(at: &Path, filter: &Filter, all: &mut Vec<(Path, Group)>) {
    match filter {
        Filter::All(below) => {
            below.all.iter().enumerate().for_each(|(i, one)| places(&at.key("all").index(i), one, all));
        }
        Filter::Any(below) => {
            below.any.iter().enumerate().for_each(|(i, one)| places(&at.key("any").index(i), one, all));
        }
        Filter::Not(below) => places(&at.key("not"), &below.not, all),
        Filter::Segment(segment) => all.push((at.key("segment"), Group::segment(&segment.segment))),
        Filter::List(list) => all.push((at.key("list"), Group::list(&list.list))),
        Filter::Attr(_) | Filter::Event(_) | Filter::Consent(_) | Filter::Tracking(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read_segment;
    use caravan_model::{Millis, Profile};

    fn rule(text: &str) -> Filter {
        serde_json::from_value(serde_saphyr::from_str(text).unwrap()).unwrap()
    }

    fn rules() -> BTreeMap<String, Filter> {
        let french = ("french".to_owned(), rule("{ attr: country, eq: FR }"));
        let vip =
            ("vip".to_owned(), rule("{ all: [ { segment: french }, { list: gold }, { event: paid, within: 1d } ] }"));
        [french, vip].into()
    }

    #[test]
    fn a_segment_is_its_rule_with_those_below_it() {
        let segments = Segments::new(rules());
        assert!(segments.is_timed("vip") && !segments.is_timed("french"));
        assert_eq!(segments.events("vip").collect::<Vec<_>>(), ["paid"]);
        let profile = Profile { country: Some("FR".into()), ..Profile::default() };
        let paid = caravan_model::Event { name: "paid".into(), at: Millis(5), properties: Default::default() };
        let asks = |lists: &[&str], events: &[caravan_model::Event]| {
            let lists = lists.iter().map(|list| (*list).to_owned()).collect();
            let person = Person { profile: &profile, events };
            Crowd { segments: &segments, lists: &lists, person, scene: Scene::at(Millis(9)) }.in_segment("vip")
        };
        assert!(asks(&["gold"], std::slice::from_ref(&paid)));
        assert!(!asks(&[], std::slice::from_ref(&paid)) && !asks(&["gold"], &[]));
    }

    #[test]
    fn cv028_what_a_segment_mentions_is_there_and_goes_in_no_circle() {
        let wrong = |text: &str| -> Vec<String> {
            let document = read_segment("s.yaml", &format!("format: 1\nsegment: new\n{text}")).unwrap();
            let lists = ["gold".to_owned()].into();
            let mut others = rules();
            others.insert("loop".into(), rule("{ segment: new }"));
            problems(&document, &others, &lists).iter().map(ToString::to_string).collect()
        };
        assert_eq!(wrong("who: { all: [ { segment: vip }, { list: gold } ] }"), Vec::<String>::new());
        let one = |text: &str, words: &str| {
            let found = wrong(text);
            assert!(found.len() == 1 && found[0].contains("CV028 s.yaml:3") && found[0].contains(words), "{found:?}");
        };
        one("who: { not: { segment: vpi } }", "who.not.segment: there is no segment `vpi`");
        one("who: { any: [ { list: silver } ] }", "who.any[0].list: there is no list `silver`");
        one("who: { segment: new }", "mentions itself");
        one("who: { segment: loop }", "circle");
    }
}
