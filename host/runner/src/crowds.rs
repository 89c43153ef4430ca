//! The segments and lists of people who are about to walk.
use crate::route::Route;
use caravan_journey::segments::{Crowd, Segments};
use caravan_journey::{Person, Scene};
use caravan_model::{Code, Event, Group, GroupKind, Problem, ProfileId, Segment};
use caravan_store::{DocumentKind, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The workspace's segments.
///
/// # Errors
/// What the store says; a document that cannot be read.
pub async fn segments_of<S: Store>(store: &S) -> crate::Result<BTreeMap<String, Segment>> {
    let mut all = BTreeMap::new();
    for (name, document) in store.documents(DocumentKind::Segment).await? {
        let segment = serde_json::from_str(&document)
            .map_err(|_| Problem::new(Code::StoreDamaged, format!("the segment {name} cannot be read")))?;
        all.insert(name, segment);
    }
    Ok(all)
}

/// Their rules, ready to ask.
pub(crate) async fn rules_of<S: Store>(store: &S) -> crate::Result<Arc<Segments>> {
    let all = segments_of(store).await?;
    Ok(Arc::new(Segments::new(all.into_iter().map(|(name, segment)| (name, segment.who)))))
}

/// What a chunk of people is asked by a version's conditions on segments and lists.
#[derive(Debug, Default)]
pub(crate) struct Crowds {
    segments: Arc<Segments>,
    lists: HashMap<ProfileId, BTreeSet<String>>,
    nothing: BTreeSet<String>,
}

impl Crowds {
    /// Reads what the version needs; nothing where it asks for no group.
    async fn read<S: Store>(store: &S, route: &Route, people: &[ProfileId]) -> crate::Result<Crowds> {
        if !route.plan.needs_groups() {
            return Ok(Crowds::default());
        }
        Crowds::of(store, rules_of(store).await?, people).await
    }

    /// The same with the events that the version and its segments look at, in the order of `people`; none where they look
    /// at none.
    pub(crate) async fn with_events<S: Store>(
        store: &S,
        route: &Route,
        people: Vec<ProfileId>,
    ) -> crate::Result<(Crowds, Vec<Vec<Event>>)> {
        let crowds = Crowds::read(store, route, &people).await?;
        let names = crowds.events(route);
        let events = if names.is_empty() { Vec::new() } else { store.events(people, names).await? };
        Ok((crowds, events))
    }

    /// With these rules.
    pub(crate) async fn of<S: Store>(
        store: &S,
        segments: Arc<Segments>,
        people: &[ProfileId],
    ) -> crate::Result<Crowds> {
        let groups = store.groups_of(people.to_vec()).await?;
        let lists = people.iter().copied().zip(groups.into_iter().map(lists_in)).collect();
        Ok(Crowds { segments, lists, nothing: BTreeSet::new() })
    }

    /// The events that must be loaded for the version and its segments.
    pub(crate) fn events(&self, route: &Route) -> Vec<String> {
        let mut names: BTreeSet<&str> = route.events.iter().map(String::as_str).collect();
        let mentioned = route.plan.groups.iter().filter(|group| group.kind == GroupKind::Segment);
        names.extend(mentioned.flat_map(|group| self.segments.events(&group.name)));
        names.into_iter().map(str::to_owned).collect()
    }

    /// One of them.
    pub(crate) fn crowd<'a>(&'a self, id: ProfileId, person: Person<'a>, scene: Scene<'a>) -> Crowd<'a> {
        Crowd { segments: &self.segments, lists: self.lists.get(&id).unwrap_or(&self.nothing), person, scene }
    }
}

fn lists_in(groups: Vec<Group>) -> BTreeSet<String> {
    groups.into_iter().filter(|group| group.kind == GroupKind::List).map(|group| group.name).collect()
}
