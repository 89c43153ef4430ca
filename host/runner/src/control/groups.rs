//! Segments and lists as people keep them.
use super::Acting;
use super::order::Order;
use super::state::states;
use crate::crowds::{Crowds, rules_of, segments_of};
use crate::error::written;
use crate::imports::imports_of;
use crate::runner::Runner;
use caravan_journey::filter::{evaluate, groups_of, needs_events};
use caravan_journey::segments::Segments;
use caravan_journey::{Person, Scene, TimeZone};
use caravan_model::{Code, Filter, Group, GroupKind, Millis, Problem, Profile, ProfileId, Segment, is_group_name};
use caravan_store::{DocumentKind, ImportStep, Regroup, Store};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A document as it is written.
type Document = (DocumentKind, String, Option<String>);

/// How many people a look through everyone reads at a time.
const PAGE: usize = 10_000;

impl<S: Store> Runner<S> {
    /// Keeps a segment, new or changed. Everyone is asked its rule by the next [`Runner::serve`]: who fulfils a new one was in
    /// it before, who fulfils a changed one joins.
    ///
    /// The caller has checked it with [`caravan_journey::segments::problems`].
    ///
    /// # Errors
    /// What the store says.
    pub async fn set_segment(&self, segment: &Segment) -> crate::Result<()> {
        let lease = self.lease().await?;
        Ok(self.store.put_documents(lease, vec![segment_document(segment)?]).await?)
    }

    /// Makes a list; false where it was there.
    ///
    /// # Errors
    /// It is no name, or what the store says.
    pub async fn create_list(&self, name: &str) -> crate::Result<bool> {
        let Some(document) = self.new_list(name).await? else { return Ok(false) };
        self.store.put_documents(self.lease().await?, vec![document]).await?;
        Ok(true)
    }

    /// The document that makes a list; none where it was there.
    pub(crate) async fn new_list(&self, name: &str) -> crate::Result<Option<Document>> {
        if !is_group_name(name) {
            let words = format!("`{name}` is no name of a list");
            let cure = "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit";
            return Err(Problem::new(Code::BadValue, words).cure(cure).into());
        }
        let is_new = !lists_of(&self.store).await?.contains(name);
        Ok(is_new.then(|| (DocumentKind::List, name.to_owned(), Some("{}".to_owned()))))
    }

    /// Merges people in and puts them on a list, or takes them off. Gives how many that changed.
    ///
    /// # Errors
    /// There is no such list, or what the store says; chunks before it are kept.
    pub async fn list_people(
        &self,
        list: &str,
        people: impl IntoIterator<Item = Profile>,
        joined: bool,
    ) -> crate::Result<u64> {
        self.list_people_under(&mut self.unordered().await?, list, people, joined).await
    }

    /// The same by somebody's order.
    ///
    /// # Errors
    /// As [`Runner::list_people`].
    pub async fn list_people_under(
        &self,
        order: &mut Order,
        list: &str,
        people: impl IntoIterator<Item = Profile>,
        joined: bool,
    ) -> crate::Result<u64> {
        let lease = order.lease();
        let lists = lists_of(&self.store).await?;
        if !lists.contains(list) {
            return Err(missing(&Group::list(list)).into());
        }
        let (mut people, mut changed) = (people.into_iter(), 0);
        loop {
            let chunk: Vec<Profile> = people.by_ref().take(self.options.chunk.max(1)).collect();
            if chunk.is_empty() {
                return Ok(changed);
            }
            let known = self.store.upsert(order.warrant(), chunk, self.clock.now()).await?;
            let changes =
                known.iter().map(|known| Regroup { group: Group::list(list), profile: known.id, joined }).collect();
            changed += self.store.regroup(lease, changes, true, Vec::new(), self.clock.now()).await?;
        }
    }

    /// Forgets a segment or a list. Refused while a live canvas or a segment mentions it.
    ///
    /// # Errors
    /// It is not there, or in use; or what the store says.
    pub async fn forget_group(&self, group: &Group) -> crate::Result<()> {
        self.forget_group_under(&mut self.unordered().await?, group).await
    }

    async fn forget_group_under(&self, order: &mut Order, group: &Group) -> crate::Result<()> {
        let lease = order.lease();
        let kind = match group.kind {
            GroupKind::Segment => DocumentKind::Segment,
            GroupKind::List => DocumentKind::List,
        };
        if !self.store.documents(kind).await?.iter().any(|(name, _)| *name == group.name) {
            return Err(missing(group).into());
        }
        let users = users_of(&self.store, group).await?;
        if !users.is_empty() {
            let words = format!("{} `{}` is in use by {}", group.kind.word(), group.name, users.join(", "));
            return Err(Problem::new(Code::Usage, words).cure("stop or change these first").into());
        }
        if group.kind == GroupKind::List {
            for (import, _) in imports_of(&self.store).await?.into_iter().filter(|(_, what)| what.list == group.name) {
                self.store.import(order.warrant(), ImportStep::Forget { import }, self.clock.now()).await?;
            }
        }
        self.store.disband(order.warrant(), group.clone()).await?;
        let mut gone = vec![(kind, group.name.clone(), None)];
        if group.kind == GroupKind::Segment {
            gone.push((DocumentKind::Sweep, group.name.clone(), None));
        }
        Ok(self.store.put_documents(lease, gone).await?)
    }
}

impl<S: Store> Acting<'_, S> {
    /// As [`Runner::set_segment`].
    ///
    /// # Errors
    /// As there.
    pub async fn set_segment(&self, segment: &Segment) -> crate::Result<()> {
        let object = format!("segment {}", segment.segment);
        self.put(vec![segment_document(segment)?], "segment.set", &object, json!({})).await
    }

    /// As [`Runner::create_list`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_list(&self, name: &str) -> crate::Result<bool> {
        let Some(document) = self.runner().new_list(name).await? else { return Ok(false) };
        self.put(vec![document], "list.create", &format!("list {name}"), json!({})).await?;
        Ok(true)
    }

    /// As [`Runner::forget_group`].
    ///
    /// # Errors
    /// As there.
    pub async fn forget_group(&self, group: &Group) -> crate::Result<()> {
        let kind = group.kind.word();
        let object = format!("{kind} {}", group.name);
        let mut order = self.order(&format!("{kind}.remove"), &object, json!({})).await?;
        self.runner().forget_group_under(&mut order, group).await
    }
}

fn segment_document(segment: &Segment) -> crate::Result<Document> {
    Ok((DocumentKind::Segment, segment.segment.clone(), Some(written(segment)?)))
}

fn missing(group: &Group) -> Problem {
    let verb = group.kind.word();
    Problem::new(Code::UnknownGroup, format!("there is no {verb} `{}`", group.name))
        .cure(format!("`caravan {verb} list` shows what there is"))
}

/// The names of the workspace's lists.
///
/// # Errors
/// What the store says.
pub async fn lists_of<S: Store>(store: &S) -> crate::Result<BTreeSet<String>> {
    Ok(store.documents(DocumentKind::List).await?.into_iter().map(|(name, _)| name).collect())
}

/// The live canvases and the segments that mention a group, in words.
async fn users_of<S: Store>(store: &S, group: &Group) -> crate::Result<Vec<String>> {
    let mut users = BTreeSet::new();
    let states = states(store).await?;
    for version in store.versions().await? {
        let canvas = &version.canvas;
        let stopped = states.of(canvas.canvas.as_str()) == super::CanvasState::Stopped;
        let mentions = || caravan_journey::segments::mentions(canvas).iter().any(|(_, one)| one == group);
        if !stopped && mentions() {
            users.insert(format!("canvas {}", canvas.canvas));
        }
    }
    for (name, segment) in segments_of(store).await? {
        if groups_of(&segment.who).contains(group) {
            users.insert(format!("segment {name}"));
        }
    }
    Ok(users.into_iter().collect())
}

/// How many people fulfil a rule now, and how many there are. Reads everyone; changes nothing.
///
/// # Errors
/// What the store says.
pub async fn count_whoever<S: Store>(
    store: &S,
    who: &Filter,
    now: Millis,
    zone: &TimeZone,
) -> crate::Result<(u64, u64)> {
    let rules: Arc<Segments> = rules_of(store).await?;
    let below = groups_of(who).into_iter().filter(|group| group.kind == GroupKind::Segment);
    let mut names: BTreeSet<String> = needs_events(who).into_iter().map(str::to_owned).collect();
    for group in below {
        names.extend(rules.events(&group.name).map(str::to_owned));
    }
    let scene = Scene::at(now).in_zone(zone);
    let (mut fulfil, mut all, mut after) = (0, 0, ProfileId(0));
    loop {
        let page = store.everyone(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok((fulfil, all)) };
        after = last.id;
        let ids: Vec<ProfileId> = page.iter().map(|known| known.id).collect();
        let crowds = Crowds::of(store, rules.clone(), &ids).await?;
        let events = match names.is_empty() {
            true => Vec::new(),
            false => store.events(ids, names.iter().cloned().collect()).await?,
        };
        for (at, known) in page.iter().enumerate() {
            let person = Person { profile: &known.profile, events: events.get(at).map_or(&[][..], Vec::as_slice) };
            let crowd = crowds.crowd(known.id, person, scene);
            all += 1;
            fulfil += u64::from(evaluate(who, &person, &scene.with_groups(&crowd)));
        }
    }
}

/// Whether everyone was asked a segment's newest rule.
///
/// # Errors
/// What the store says.
pub async fn is_filled<S: Store>(store: &S, segment: &str) -> crate::Result<bool> {
    Ok(crate::groups::sweeps(store).await?.get(segment).is_some_and(|sweep| sweep.is_filled()))
}
