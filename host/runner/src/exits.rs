//! What people do ends entries at once, by the canvas's exit rules, and wakes those who wait for it (design, 11.12,
//! 11.13).
use crate::papers::Papers;
use crate::route::Route;
use crate::runner::Runner;
use crate::wakes::{Happened, News, What, wake};
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::{
    Person, Scene,
    entry::{event_exits, segment_exits},
};
use caravan_model::canvas::{ExitRule, Trigger};
use caravan_model::status::reason;
use caravan_model::{Event, GroupKind, Millis, ProfileId, Reason, VersionId};
use caravan_store::{Lease, NewestEntry, Store, Under};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

impl<S: Store> Runner<S> {
    /// Keeps events of people: (external id, message id, event). People who are not known yet are made. Whoever is in a
    /// canvas that such an event ends, leaves it, and whoever waits for it goes on; an event dated before the entry does
    /// neither.
    ///
    /// # Errors
    /// What the store says.
    pub async fn record(&self, events: Vec<(String, Option<String>, Event)>) -> crate::Result<Vec<ProfileId>> {
        let lease = self.lease().await?;
        let happened: Vec<Event> = events.iter().map(|(_, _, event)| event.clone()).collect();
        let profiles = self.store.record(lease, events, self.clock.now()).await?;
        let scene = Scene::at(self.clock.now()).in_zone(&self.options.workspace_zone);
        let all = || {
            profiles
                .iter()
                .zip(&happened)
                .map(|(profile, event)| Happened { profile: *profile, what: What::Event(event) })
        };
        let mut routes = Vec::new();
        for version in self.store.versions().await? {
            let plan = CompiledCanvas::new(&version.canvas)?;
            let endings = all().filter(|one| ends(&plan, one.what)).collect();
            let_out(&self.store, lease, (version.id, &plan), endings, &scene).await?;
            if happened.iter().any(|event| plan.awaits_event(&event.name)) {
                routes.push(Arc::new(Route::of(&self.store, lease, &version).await?));
            }
        }
        let news = News { happened: all().collect(), kept: true };
        wake((&self.store, &Papers::default()), lease, &routes, &news, &scene).await?;
        Ok(profiles)
    }
}

/// Lets people out of a canvas because a call says so, whatever its rules say; what of theirs is unsent is withdrawn, also
/// where their entry has ended. Gives how many were inside.
pub(crate) async fn call_out<S: Store>(
    store: &S,
    by: impl Under,
    version: VersionId,
    people: Vec<ProfileId>,
    now: Millis,
) -> crate::Result<u64> {
    Ok(store.signal_exit(by, version, people, Reason::new(reason::EXITED, "let out by a call"), now).await?)
}

/// Whether something of this name ends entries.
pub(crate) fn ends(plan: &CompiledCanvas, what: What<'_>) -> bool {
    plan.exits.iter().any(|rule| match (rule, what) {
        (ExitRule::Event(wanted), What::Event(event)) => wanted.event == event.name,
        (ExitRule::Segment(wanted), What::Joined(group)) => {
            group.kind == GroupKind::Segment && wanted.segment == group.name
        }
        _ => false,
    })
}

/// Whether an event is the one by which the entry began: it neither ends nor wakes that one.
pub(crate) fn began_it(plan: &CompiledCanvas, entry: &NewestEntry, event: &Event, scene: &Scene<'_>) -> bool {
    matches!(&plan.entry.trigger, Trigger::Event(trigger) if trigger.event == event.name)
        && event.at.min(scene.now) == entry.began
}

/// Ends entries into a version by what may end them.
pub(crate) async fn let_out<S: Store>(
    store: &S,
    lease: Lease,
    (version, plan): (VersionId, &CompiledCanvas),
    endings: Vec<Happened<'_>>,
    scene: &Scene<'_>,
) -> crate::Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<ProfileId> = endings.iter().map(|ending| ending.profile).collect();
    let newest = store.newest_entries(version, ids.into_iter().collect()).await?;
    let newest: HashMap<ProfileId, NewestEntry> =
        newest.into_iter().filter(|entry| entry.version == version).map(|entry| (entry.profile, entry)).collect();
    let mut leaving = BTreeSet::new();
    for Happened { profile, what } in endings {
        let Some(entry) = newest.get(&profile) else { continue };
        let Some(person) = &entry.person else { continue };
        let leaves = match what {
            What::Event(event) => {
                let person = Person { profile: person, events: std::slice::from_ref(event) };
                !began_it(plan, entry, event, scene) && event_exits(&plan.exits, event, entry.began, &person, scene)
            }
            What::Joined(group) => segment_exits(&plan.exits, &group.name),
            What::Called(_) => false,
        };
        if leaves {
            leaving.insert(profile);
        }
    }
    if !leaving.is_empty() {
        let why = Reason::new(reason::EXITED, "an exit rule of the canvas");
        store.signal_exit(lease, version, leaving.into_iter().collect(), why, scene.now).await?;
    }
    Ok(())
}
