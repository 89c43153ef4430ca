//! Exit rules: an event ends the open entries of a person at once (design, 11.12, 11.13).
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::{Person, Scene, entry::event_exits};
use caravan_model::canvas::ExitRule;
use caravan_model::status::reason;
use caravan_model::{Event, Millis, ProfileId, Reason, VersionId};
use caravan_store::{Lease, Store, Trace};

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
            self.end_entries(lease, version.id, &plan, &profiles, &happened).await?;
        }
        Ok(profiles)
    }

    async fn end_entries(
        &self,
        lease: Lease,
        version: VersionId,
        plan: &CompiledCanvas,
        profiles: &[ProfileId],
        events: &[Event],
    ) -> crate::Result<()> {
        let named = |event: &Event| {
            plan.exits.iter().any(|rule| matches!(rule, ExitRule::Event(wanted) if wanted.event == event.name))
        };
        let now = self.clock.now();
        let mut leaving = Vec::new();
        for (profile, event) in profiles.iter().zip(events).filter(|(_, event)| named(event)) {
            if leaving.contains(profile) {
                continue;
            }
            let Some(trace) = self.store.trace(*profile).await? else { continue };
            let Some(entered) = entered_at(&trace, version) else { continue };
            let person = Person { profile: &trace.profile, events: std::slice::from_ref(event) };
            let scene = Scene::at(now).in_zone(&self.options.workspace_zone);
            if event_exits(&plan.exits, event, entered, &person, &scene) {
                leaving.push(*profile);
            }
        }
        if !leaving.is_empty() {
            let why = Reason::new(reason::EXITED, "an exit rule of the canvas");
            self.store.signal_exit(lease, version, leaving, why, now).await?;
        }
        Ok(())
    }
}

/// When a person's newest entry into a version began, as far as its visits tell: its first one's instant.
pub(crate) fn entered_at(trace: &Trace, version: VersionId) -> Option<Millis> {
    let own = || trace.visits.iter().filter(|visit| visit.version == version);
    let entry = own().map(|visit| visit.visit.entry).max()?;
    own().filter(|visit| visit.visit.entry == entry).map(|visit| visit.at).min()
}
