//! Keeps segments in step: who changed is looked at again, a new rule is asked of everyone, and what time alone changes
//! is swept every five minutes (design, 11.16). Joins and leaves go to the inbox, in the order in which they are seen.
use crate::crowds::{Crowds, segments_of};
use crate::error::written;
use crate::in_step::{in_step_with, send_anew};
use crate::shared::Shared;
use caravan_journey::filter::evaluate;
use caravan_journey::segments::Segments;
use caravan_journey::{Person, Scene};
use caravan_model::{Digest, Duration, Group, GroupKind, Millis, ProfileId};
use caravan_store::{DocumentKind, Known, Regroup, Restless, Store};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often people are looked through for segments that time alone changes.
const SWEEP_EVERY: Duration = Duration::MINUTE.times(5);

/// How far everyone was looked through for a segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// Of its rule.
    rule: String,
    /// The last one looked at, while it is under way.
    after: i64,
    /// When the newest one that is through began.
    done: Option<Millis>,
    /// When the one under way began.
    began: Option<Millis>,
    /// Whether it is the segment's first: who is found then was in it before, and does not join.
    first: bool,
}

impl Sweep {
    /// Whether everyone who fulfils the rule is known to be in.
    pub(crate) fn is_filled(&self) -> bool {
        self.done.is_some() && !self.first
    }

    /// Whether someone found now joins the segment, or was in it all the time.
    fn is_silent(&self, who: ProfileId) -> bool {
        self.first && who.0 > self.after
    }
}

/// The sweeps of all segments.
pub(crate) async fn sweeps<S: Store>(store: &S) -> crate::Result<BTreeMap<String, Sweep>> {
    let documents = store.documents(DocumentKind::Sweep).await?.into_iter();
    Ok(documents.map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or_default())).collect())
}

/// Does what is to be done; gives how many people joined or left, and when there is more to do at the latest.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<(u64, Millis)> {
    let all = segments_of(&shared.store).await?;
    if all.is_empty() {
        return Ok((0, Millis::NEVER));
    }
    let digests: BTreeMap<String, String> = all
        .iter()
        .map(|(name, segment)| (name.clone(), Digest::of(format!("{:?}", segment.who).as_bytes()).short()))
        .collect();
    let rules = Arc::new(Segments::new(all.into_iter().map(|(name, segment)| (name, segment.who))));
    let mut sweeps = begin_sweeps(&shared, &rules, &digests).await?;
    let names: BTreeSet<String> = rules.names().map(str::to_owned).collect();
    let limit = shared.options.chunk.max(1);
    let mut changed = 0;
    while !shared.is_stopping() {
        let restless = shared.store.restless(limit).await?;
        let more = restless.len() == limit;
        if !restless.is_empty() {
            let known = shared.store.people(restless.iter().map(|one| one.profile).collect()).await?;
            changed += look(&shared, &rules, &names, known, restless, &sweeps).await?;
        }
        // One page of each sweep between two looks at who changed.
        let mut any = false;
        for (name, sweep) in &mut sweeps {
            if sweep.began.is_some() {
                any = true;
                changed += sweep_on(&shared, &rules, name, sweep).await?;
            }
        }
        if !more && !any {
            break;
        }
    }
    if changed > 0 {
        shared.wake();
    }
    let timed = sweeps.iter().filter(|(name, _)| rules.is_timed(name));
    let next = timed.filter_map(|(_, sweep)| Some(sweep.done?.after(SWEEP_EVERY))).min();
    Ok((changed, next.unwrap_or(Millis::NEVER)))
}

/// Which sweeps are under way, new ones among them.
async fn begin_sweeps<S: Store>(
    shared: &Shared<S>,
    rules: &Segments,
    digests: &BTreeMap<String, String>,
) -> crate::Result<BTreeMap<String, Sweep>> {
    let now = shared.now();
    let mut known = sweeps(&shared.store).await?;
    let mut all = BTreeMap::new();
    for name in rules.names() {
        let rule = digests.get(name).cloned().unwrap_or_default();
        let sweep = match known.remove(name) {
            None => Sweep { rule, after: 0, done: None, began: Some(now), first: true },
            // Who is found by a rule that changed joins with it.
            Some(before) if before.rule != rule => Sweep { rule, after: 0, began: Some(now), ..before },
            Some(before) if before.began.is_none() && rules.is_timed(name) => {
                let due = before.done.is_none_or(|done| done.after(SWEEP_EVERY) <= now);
                Sweep { after: 0, began: due.then_some(now), ..before }
            }
            Some(before) => before,
        };
        all.insert(name.to_owned(), sweep);
    }
    Ok(all)
}

/// Looks at the next page of people for one segment.
async fn sweep_on<S: Store>(
    shared: &Shared<S>,
    rules: &Arc<Segments>,
    name: &str,
    sweep: &mut Sweep,
) -> crate::Result<u64> {
    let page = shared.store.everyone(ProfileId(sweep.after), shared.options.chunk.max(1)).await?;
    let last = page.last().map(|known| known.id.0);
    let only = BTreeSet::from([name.to_owned()]);
    let of = BTreeMap::from([(name.to_owned(), sweep.clone())]);
    let changed = match last {
        Some(_) => look(shared, rules, &only, page, Vec::new(), &of).await?,
        None => 0,
    };
    match last {
        Some(last) => sweep.after = last,
        None => *sweep = Sweep { after: 0, done: sweep.began.take(), first: false, ..sweep.clone() },
    }
    let text = written(sweep)?;
    shared.store.put_documents(shared.lease, vec![(DocumentKind::Sweep, name.to_owned(), Some(text))]).await?;
    Ok(changed)
}

/// Compares what these people fulfil with what they are in.
async fn look<S: Store>(
    shared: &Shared<S>,
    rules: &Arc<Segments>,
    names: &BTreeSet<String>,
    people: Vec<Known>,
    looked: Vec<Restless>,
    sweeps: &BTreeMap<String, Sweep>,
) -> crate::Result<u64> {
    let ids: Vec<ProfileId> = people.iter().map(|known| known.id).collect();
    let needed: BTreeSet<String> = names.iter().flat_map(|name| rules.events(name)).map(str::to_owned).collect();
    let events = match needed.is_empty() {
        true => Vec::new(),
        false => shared.store.events(ids.clone(), needed.into_iter().collect()).await?,
    };
    let groups = shared.store.groups_of(ids.clone()).await?;
    let crowds = Crowds::of(&shared.store, rules.clone(), &ids).await?;
    let now = shared.now();
    let scene = Scene::at(now).in_zone(&shared.options.workspace_zone);
    let (mut told, mut silent) = (Vec::new(), Vec::new());
    for (at, known) in people.iter().enumerate() {
        let person = Person { profile: &known.profile, events: events.get(at).map_or(&[][..], Vec::as_slice) };
        let crowd = crowds.crowd(known.id, person, scene);
        let scene = scene.with_groups(&crowd);
        let is_in = |name: &str| {
            groups.get(at).is_some_and(|own| own.iter().any(|one| one.kind == GroupKind::Segment && one.name == name))
        };
        for name in names {
            let Some(rule) = rules.rule(name) else { continue };
            let joined = evaluate(rule, &person, &scene);
            if joined == is_in(name) {
                continue;
            }
            let change = Regroup { group: Group::segment(name), profile: known.id, joined };
            let is_silent = joined && sweeps.get(name).is_some_and(|sweep| sweep.is_silent(known.id));
            if is_silent { silent.push(change) } else { told.push(change) }
        }
    }
    let n = (told.len() + silent.len()) as u64;
    if !silent.is_empty() {
        shared.store.regroup(shared.lease, silent, false, Vec::new(), now).await?;
    }
    if !looked.is_empty() {
        // Before it is noted that they were looked at: whoever is interrupted looks again.
        let left: BTreeSet<(ProfileId, &str)> = told
            .iter()
            .filter(|change| !change.joined)
            .map(|change| (change.profile, change.group.name.as_str()))
            .collect();
        for route in shared.newest_versions() {
            let stay = people.iter().zip(&groups).filter(|(known, own)| {
                own.iter().any(|group| in_step_with(&route, group) && !left.contains(&(known.id, group.name.as_str())))
            });
            let stay: Vec<ProfileId> = stay.map(|(known, _)| known.id).collect();
            send_anew(&shared.store, shared.lease, &route, &stay, now).await?;
        }
    }
    if !told.is_empty() || !looked.is_empty() {
        shared.store.regroup(shared.lease, told, true, looked, now).await?;
    }
    Ok(n)
}
