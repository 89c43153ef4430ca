//! Who enters a canvas, who may enter again, and what ends an entry early.
use crate::filter::{evaluate, properties_match};
use crate::person::{Person, Scene};
use caravan_model::canvas::{EntryRule, EventTrigger, ExitRule, ReEntry, Trigger};
use caravan_model::{Event, Millis};

/// What gives someone the chance to enter.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// A row of the users file: it counts as the trigger, whatever that is. A row that brings an event must bring the
    /// trigger's.
    Row {
        /// The event that came with the row.
        event: Option<&'a Event>,
    },
    /// An event.
    Event(&'a Event),
    /// A call of our API.
    Api,
    /// Joined a segment.
    Segment(&'a str),
    /// Joined a list.
    List(&'a str),
}

/// Whether the rule admits the person on this occasion: the trigger fits, and `who` holds. Whether they may enter
/// *again* is [`may_enter_again`].
pub fn admits(rule: &EntryRule, person: &Person<'_>, occasion: Occasion<'_>, scene: &Scene<'_>) -> bool {
    triggers(&rule.trigger, person, occasion, scene) && admits_whoever(rule, person, scene)
}

/// Whether `who` holds of the person, whatever the occasion.
pub fn admits_whoever(rule: &EntryRule, person: &Person<'_>, scene: &Scene<'_>) -> bool {
    rule.who.as_ref().is_none_or(|who| evaluate(who, person, scene))
}

/// Whether the occasion is the trigger's.
pub fn triggers(trigger: &Trigger, person: &Person<'_>, occasion: Occasion<'_>, scene: &Scene<'_>) -> bool {
    match (occasion, trigger) {
        (Occasion::Row { event: None }, _) => true,
        (Occasion::Row { event: Some(event) } | Occasion::Event(event), Trigger::Event(wanted)) => {
            is_the_event(wanted, event, person, scene)
        }
        (Occasion::Row { event: Some(_) }, _) => true,
        (Occasion::Api, Trigger::Api(api)) => api.api,
        (Occasion::Segment(name), Trigger::Segment(wanted)) => wanted.segment == name,
        (Occasion::List(name), Trigger::List(wanted)) => wanted.list == name,
        _ => false,
    }
}

/// Whether an event is the one that is wanted, with these properties.
pub fn is_the_event(wanted: &EventTrigger, event: &Event, person: &Person<'_>, scene: &Scene<'_>) -> bool {
    wanted.event == event.name && properties_match(&wanted.properties, event, person, scene)
}

/// Someone's latest entry into the canvas, over all its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEntry {
    /// When it began.
    pub began: Millis,
    /// Whether it is still open.
    pub open: bool,
}

/// Whether someone with this latest entry may enter now: never twice at the same time (design, 11.11), and then as the
/// rule says.
pub fn may_enter_again(rule: ReEntry, last: Option<LastEntry>, now: Millis) -> bool {
    let Some(last) = last else { return true };
    !last.open
        && match rule {
            ReEntry::Never => false,
            ReEntry::Always => true,
            ReEntry::After(span) => now >= last.began.after(span),
        }
}

/// Whether an event ends an entry that began at `entered`. One dated before the entry does not (design, 11.13).
pub fn event_exits(rules: &[ExitRule], event: &Event, entered: Millis, person: &Person<'_>, scene: &Scene<'_>) -> bool {
    event.at >= entered
        && rules.iter().any(|rule| match rule {
            ExitRule::Event(wanted) => is_the_event(wanted, event, person, scene),
            ExitRule::Segment(_) => false,
        })
}

/// Whether joining a segment ends an entry.
pub fn segment_exits(rules: &[ExitRule], segment: &str) -> bool {
    rules.iter().any(|rule| matches!(rule, ExitRule::Segment(wanted) if wanted.segment == segment))
}
