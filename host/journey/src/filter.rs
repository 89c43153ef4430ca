//! Whether a person fulfils a condition.
use crate::compare::{Found, Reading, holds};
use crate::person::{Person, Scene};
use caravan_model::filter::{Compare, EventFilter};
use caravan_model::{Consent, Event, Filter, Group, Profile};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the person fulfils the condition at the scene's time.
pub fn evaluate(filter: &Filter, person: &Person<'_>, scene: &Scene<'_>) -> bool {
    match filter {
        Filter::All(all) => all.all.iter().all(|filter| evaluate(filter, person, scene)),
        Filter::Any(any) => any.any.iter().any(|filter| evaluate(filter, person, scene)),
        Filter::Not(not) => !evaluate(&not.not, person, scene),
        Filter::Attr(attr) => {
            let reading = Reading { any_case: attr.attr == "country", ..reading(person, scene) };
            holds(&attr.is, &look_up(person.profile, &attr.attr), reading)
        }
        Filter::Event(event) => happened(event, person, scene),
        Filter::Segment(segment) => scene.groups.in_segment(&segment.segment),
        Filter::List(list) => scene.groups.in_list(&list.list),
        Filter::Consent(consent) => person.profile.consent(&consent.consent) == consent.is.unwrap_or(Consent::Granted),
        Filter::Tracking(tracking) => person.profile.ad_tracking_enabled == Some(tracking.tracking),
    }
}

/// The names of the events that a filter looks at: what must be loaded before it is evaluated.
pub fn needs_events(filter: &Filter) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    visit(filter, &mut |filter| {
        if let Filter::Event(event) = filter {
            names.insert(event.event.as_str());
        }
    });
    names
}

/// The segments and lists that a filter mentions.
pub fn groups_of(filter: &Filter) -> BTreeSet<Group> {
    let mut groups = BTreeSet::new();
    visit(filter, &mut |filter| match filter {
        Filter::Segment(segment) => drop(groups.insert(Group::segment(&segment.segment))),
        Filter::List(list) => drop(groups.insert(Group::list(&list.list))),
        _ => {}
    });
    groups
}

/// Whether time alone can change whether someone fulfils a filter.
pub fn depends_on_time(filter: &Filter) -> bool {
    let dated = |compare: &Compare| compare.within.is_some() || compare.before.is_some();
    let mut depends = false;
    visit(filter, &mut |filter| match filter {
        Filter::Attr(attr) => depends |= dated(&attr.is),
        Filter::Event(event) => {
            depends |= event.within.is_some()
                || event.properties.values().any(dated)
                || event.first.as_ref().is_some_and(dated)
                || event.last.as_ref().is_some_and(dated);
        }
        _ => {}
    });
    depends
}

/// Shows a filter and all below it.
fn visit<'a>(filter: &'a Filter, see: &mut dyn FnMut(&'a Filter)) {
    see(filter);
    match filter {
        Filter::All(all) => all.all.iter().for_each(|below| visit(below, see)),
        Filter::Any(any) => any.any.iter().for_each(|below| visit(below, see)),
        Filter::Not(not) => visit(&not.not, see),
        _ => {}
    }
}

/// Whether an event's properties compare as a `where` asks.
pub fn properties_match(
    wanted: &BTreeMap<String, Compare>,
    event: &Event,
    person: &Person<'_>,
    scene: &Scene<'_>,
) -> bool {
    let reading = reading(person, scene);
    wanted.iter().all(|(path, compare)| holds(compare, &value_at(&event.properties, path), reading))
}

fn reading<'a>(person: &Person<'a>, scene: &Scene<'a>) -> Reading<'a> {
    Reading { now: scene.now, own_zone: person.profile.time_zone.as_deref(), zone: scene.zone, any_case: false }
}

fn happened(filter: &EventFilter, person: &Person<'_>, scene: &Scene<'_>) -> bool {
    let since = filter.within.map(|span| scene.now.before(span));
    let counts = |event: &&Event| {
        event.name == filter.event
            && since.is_none_or(|since| event.at >= since)
            && properties_match(&filter.properties, event, person, scene)
    };
    if filter.count.is_none() && filter.first.is_none() && filter.last.is_none() {
        return person.events.iter().any(|event| counts(&event));
    }
    let reading = reading(person, scene);
    let (mut count, mut first, mut last) = (0, None, None);
    for event in person.events.iter().filter(counts) {
        count += 1;
        first = Some(first.map_or(event.at, |first| event.at.min(first)));
        last = Some(last.map_or(event.at, |last| event.at.max(last)));
    }
    let instant = |at: Option<_>| at.map_or(Found::Absent, Found::Instant);
    let counted = match &filter.count {
        Some(compare) => holds(compare, &Found::Number(count), reading),
        None => count > 0,
    };
    counted
        && filter.first.as_ref().is_none_or(|compare| holds(compare, &instant(first), reading))
        && filter.last.as_ref().is_none_or(|compare| holds(compare, &instant(last), reading))
}

/// The value of a profile field or attribute; nested attributes with dots (`plan.tier`), an attribute named like a
/// profile field as `attributes.country`.
pub fn look_up<'a>(profile: &'a Profile, path: &str) -> Found<'a> {
    let text = |text: &'a Option<String>| text.as_deref().map_or(Found::Absent, Found::Text);
    let texts = |texts: &'a [String]| if texts.is_empty() { Found::Absent } else { Found::Texts(texts) };
    let truth = |truth: Option<bool>| truth.map_or(Found::Absent, Found::Truth);
    match path {
        "external_id" => Found::Text(&profile.external_id),
        "aliases" => texts(&profile.aliases),
        "email" | "emails" => texts(&profile.emails),
        "phone" | "phones" => texts(&profile.phones),
        "first_name" => text(&profile.first_name),
        "last_name" => text(&profile.last_name),
        "gender" => text(&profile.gender),
        "birth_date" => text(&profile.birth_date),
        "city" => text(&profile.city),
        "state" => text(&profile.state),
        "zip" => text(&profile.zip),
        "country" => text(&profile.country),
        "idfa" => text(&profile.idfa),
        "gaid" => text(&profile.gaid),
        "time_zone" => text(&profile.time_zone),
        "locale" => text(&profile.locale),
        "ad_tracking_enabled" => truth(profile.ad_tracking_enabled),
        "do_not_sell_or_share" => truth(profile.do_not_sell_or_share),
        _ => match value_at(&profile.attributes, path) {
            Found::Absent => {
                path.strip_prefix("attributes.").map_or(Found::Absent, |rest| value_at(&profile.attributes, rest))
            }
            found => found,
        },
    }
}

/// The value that a path reaches in nested maps; a key with dots in its own name comes first.
fn value_at<'a>(map: &'a Map<String, Value>, path: &str) -> Found<'a> {
    fn reach<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
        if let Some(value) = map.get(path) {
            return Some(value);
        }
        let mut cuts = path.match_indices('.').map(|(at, _)| at);
        cuts.find_map(|at| reach(map.get(&path[..at])?.as_object()?, &path[at + 1..]))
    }
    match reach(map, path) {
        None | Some(Value::Null) => Found::Absent,
        Some(value) => Found::Value(value),
    }
}
