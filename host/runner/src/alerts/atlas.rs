//! Under which names people know queues and steps, and which steps ask which queue.
use super::Place;
use crate::route::{lane_key, registered_name};
use caravan_model::{CanvasId, Duration, Millis, StepId, StepIx, VersionId};
use caravan_store::{LaneKey, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How long names may be old: canvases are published and audiences bound while everything runs.
const FRESH: Duration = Duration::SECOND.times(30);

/// A step that asks an audience for something.
#[derive(Clone, Debug)]
pub(super) struct SyncStep {
    pub(super) canvas: CanvasId,
    pub(super) step: StepId,
    pub(super) connection: String,
}

/// Names and places as the store had them a moment ago.
#[derive(Debug, Default)]
pub(super) struct Atlas {
    names: HashMap<LaneKey, String>,
    places: HashMap<LaneKey, BTreeSet<Place>>,
    by_connection: BTreeMap<String, BTreeSet<Place>>,
    by_endpoint: BTreeMap<String, BTreeSet<Place>>,
    steps: HashMap<VersionId, HashMap<StepIx, SyncStep>>,
    lanes: usize,
    read: Option<Millis>,
}

impl Atlas {
    /// Reads everything anew where it may have changed. `lanes` is their number: a new one has a name to be read.
    pub(super) async fn refresh<S: Store>(&mut self, store: &S, lanes: usize, now: Millis) -> crate::Result<()> {
        if self.lanes == lanes && self.read.is_some_and(|read| read <= now && now.since(read) < FRESH) {
            return Ok(());
        }
        *self = Atlas { lanes, read: Some(now), ..Atlas::default() };
        let audiences = store.audiences().await?;
        for audience in &audiences {
            if let Some(key) = lane_key(audience) {
                self.names.insert(key, audience.name.clone());
            }
        }
        let bound: HashMap<&str, _> = audiences.iter().map(|audience| (audience.name.as_str(), audience)).collect();
        for version in store.versions().await? {
            let canvas = &version.canvas;
            for (at, (id, step)) in (0..).zip(&canvas.steps.0) {
                if let Some(webhook) = &step.webhook {
                    let place = Place { canvas: canvas.canvas.clone(), step: Some(id.clone()) };
                    self.by_endpoint.entry(webhook.endpoint.clone()).or_default().insert(place);
                }
                let Some(sync) = &step.audience_sync else { continue };
                let audience = bound.get(registered_name(&canvas.canvas, &sync.audience).as_str());
                let named = canvas.audiences.get(&sync.audience).map(|spec| &spec.connection);
                let Some(connection) = audience.map(|audience| &audience.connection).or(named) else { continue };
                let place = Place { canvas: canvas.canvas.clone(), step: Some(id.clone()) };
                if let Some(key) = audience.and_then(|audience| lane_key(audience)) {
                    self.places.entry(key).or_default().insert(place.clone());
                }
                self.by_connection.entry(connection.clone()).or_default().insert(place);
                let step = SyncStep { canvas: canvas.canvas.clone(), step: id.clone(), connection: connection.clone() };
                self.steps.entry(version.id).or_default().insert(StepIx(at), step);
            }
        }
        Ok(())
    }

    /// The name of a queue: its audience's, else the partner's id.
    pub(super) fn name(&self, key: &LaneKey) -> String {
        self.names.get(key).unwrap_or(&key.audience).clone()
    }

    /// The steps that ask a queue for something.
    pub(super) fn places(&self, key: &LaneKey) -> Vec<Place> {
        self.places.get(key).into_iter().flatten().cloned().collect()
    }

    /// The steps that use a connection.
    pub(super) fn places_of(&self, connection: &str) -> Vec<Place> {
        self.by_connection.get(connection).into_iter().flatten().cloned().collect()
    }

    /// The steps that call an endpoint.
    pub(super) fn places_of_endpoint(&self, endpoint: &str) -> Vec<Place> {
        self.by_endpoint.get(endpoint).into_iter().flatten().cloned().collect()
    }

    /// All versions that have steps of audiences.
    pub(super) fn versions(&self) -> Vec<VersionId> {
        self.steps.keys().copied().collect()
    }

    /// The connection of a step, in whatever version.
    pub(super) fn connection_of(&self, canvas: &CanvasId, step: &StepId) -> Option<String> {
        let mut all = self.steps.values().flat_map(HashMap::values);
        all.find(|known| known.canvas == *canvas && known.step == *step).map(|known| known.connection.clone())
    }

    /// A step of an audience.
    pub(super) fn step(&self, version: VersionId, step: StepIx) -> Option<&SyncStep> {
        self.steps.get(&version)?.get(&step)
    }
}
