//! The person that rules look at, and what the rules see beside them.
use caravan_model::{Event, Millis, Profile};
use jiff::tz::TimeZone;

/// A person as the rules see them.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// What we know.
    pub profile: &'a Profile,
    /// What they did: at least the events that the rule names (see [`crate::filter::needs_events`]), in any order.
    pub events: &'a [Event],
}

impl Person<'_> {
    /// The person's own time zone, where it is known and exists, else the workspace's.
    pub fn zone(&self, workspace: &TimeZone) -> TimeZone {
        self.profile.time_zone.as_deref().and_then(zone).unwrap_or_else(|| workspace.clone())
    }
}

/// What rules see beside the person: the time, the workspace's zone, memberships of segments and lists.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Now.
    pub now: Millis,
    /// The workspace's time zone, for people whose own is unknown.
    pub zone: &'a TimeZone,
    /// The person's segments and lists.
    pub groups: &'a dyn Groups,
}

impl Scene<'static> {
    /// A scene at an instant, with UTC as the workspace's zone and nobody in any segment or list.
    pub fn at(now: Millis) -> Scene<'static> {
        static UTC: TimeZone = TimeZone::UTC;
        Scene { now, zone: &UTC, groups: &NoGroups }
    }
}

impl<'a> Scene<'a> {
    /// The same scene with another zone of the workspace.
    #[must_use]
    pub fn in_zone<'b>(self, zone: &'b TimeZone) -> Scene<'b>
    where
        'a: 'b,
    {
        Scene { now: self.now, zone, groups: self.groups }
    }

    /// The same scene with these memberships.
    #[must_use]
    pub fn with_groups<'b>(self, groups: &'b dyn Groups) -> Scene<'b>
    where
        'a: 'b,
    {
        Scene { now: self.now, zone: self.zone, groups }
    }
}

/// Looks up one person's membership of segments and lists. Asked once per mention in a filter.
pub trait Groups: Sync {
    /// Whether the person is in the segment now.
    fn in_segment(&self, name: &str) -> bool;
    /// Whether the person is in the list now.
    fn in_list(&self, name: &str) -> bool;
}

/// Nobody is in any segment or list.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGroups;

impl Groups for NoGroups {
    fn in_segment(&self, _: &str) -> bool {
        false
    }

    fn in_list(&self, _: &str) -> bool {
        false
    }
}

/// An IANA time zone by name (`Europe/Paris`); `None` where there is none of that name.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name.trim()).ok()
}
