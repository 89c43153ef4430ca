//! Exit rules: an event ends the open entries of a person at once (design, 11.12, 11.13).
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::{Person, Scene, entry::event_exits};
use caravan_model::canvas::ExitRule;
use caravan_model::status::reason;
use caravan_model::{Event, Millis, Profile, ProfileId, Reason, VersionId};
use caravan_store::{Lease, Store, Trace};
use std::collections::BTreeSet;

impl<S: Store> Runner<S> {
    /// Keeps events of people: (external id, message id, event). People who are not known yet are made. Whoever is in a
    /// canvas that such an event ends, leaves it; an event dated before the entry does not end it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn record(&self, events: Vec<(String, Option<String>, Event)>) -> crate::Result<Vec<ProfileId>> {
        let lease = self.lease().await?;
        let happened: Vec<Event> = events.iter().map(|(_, _, event)| event.clone()).collect();
        let profiles = self.store.record(lease, events, self.clock.now()).await?;
        for version in self.store.versions().await? {
            if version.canvas.exit.is_empty() {
                continue;
            }
            let plan = CompiledCanvas::new(&version.canvas)?;
            let endings = profiles.iter().zip(&happened).filter(|(_, event)| ends(&plan, &event.name));
            let endings = endings.map(|(profile, event)| Ending { profile: *profile, event, came_before: None });
            let scene = Scene::at(self.clock.now()).in_zone(&self.options.workspace_zone);
            let_out(&self.store, lease, (version.id, &plan), endings.collect(), &scene).await?;
        }
        Ok(profiles)
    }
}

/// Something that may end a person's entry.
pub(crate) struct Ending<'a> {
    /// Whose.
    pub profile: ProfileId,
    /// What they did.
    pub event: &'a Event,
    /// The person, where they came in by something before it that was worked off with it: then it is heard, whatever the
    /// two are dated.
    pub came_before: Option<&'a Profile>,
}

/// Whether events of this name end entries.
pub(crate) fn ends(plan: &CompiledCanvas, name: &str) -> bool {
    plan.exits.iter().any(|rule| matches!(rule, ExitRule::Event(wanted) if wanted.event == name))
}

/// Ends entries into a version by the events that end them.
pub(crate) async fn let_out<S: Store>(
    store: &S,
    lease: Lease,
    (version, plan): (VersionId, &CompiledCanvas),
    endings: Vec<Ending<'_>>,
    scene: &Scene<'_>,
) -> crate::Result<()> {
    let mut leaving = BTreeSet::new();
    for Ending { profile, event, came_before } in endings {
        if leaving.contains(&profile) {
            continue;
        }
        let trace;
        let (known, entered) = match came_before {
            Some(known) => (known, Millis(i64::MIN)),
            None => {
                let Some(found) = store.trace(profile).await? else { continue };
                let Some(entered) = entered_at(&found, version) else { continue };
                trace = found;
                (&trace.profile, entered)
            }
        };
        let person = Person { profile: known, events: std::slice::from_ref(event) };
        if event_exits(&plan.exits, event, entered, &person, scene) {
            leaving.insert(profile);
        }
    }
    if !leaving.is_empty() {
        let why = Reason::new(reason::EXITED, "an exit rule of the canvas");
        store.signal_exit(lease, version, leaving.into_iter().collect(), why, scene.now).await?;
    }
    Ok(())
}

/// When a person's newest entry into a version began, as far as its visits tell: its first one's instant.
fn entered_at(trace: &Trace, version: VersionId) -> Option<Millis> {
    let own = || trace.visits.iter().filter(|visit| visit.version == version);
    let entry = own().map(|visit| visit.visit.entry).max()?;
    own().filter(|visit| visit.visit.entry == entry).map(|visit| visit.at).min()
}
