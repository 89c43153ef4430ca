//! A canvas version with the lanes that its audiences lead to.
use caravan_journey::{
    delay::DelayRule,
    plan::{CompiledCanvas, StepKind},
};
use caravan_model::{CanvasId, LaneId, VersionId};
use caravan_store::{Audience, Lane, LaneKey, LaneSpec, Lease, Store, Version};

/// A version, ready to walk.
#[derive(Debug)]
pub(crate) struct Route {
    /// The version.
    pub version: VersionId,
    /// Its canvas.
    pub canvas: CanvasId,
    /// Compiled.
    pub plan: CompiledCanvas,
    /// The lane of each audience, in the order of `plan.audiences`; `None` where its name is not bound.
    pub lanes: Vec<Option<RouteLane>>,
    /// The events that its filters look at.
    pub events: Vec<String>,
    /// Whether moving on needs the person: a condition, a local time, a lot to draw.
    pub needs_people: bool,
}

/// An audience of a version.
#[derive(Clone, Debug)]
pub(crate) struct RouteLane {
    /// The lane: the first of its stripes.
    pub lane: LaneId,
    /// The store's number of the connection.
    pub connection: u32,
    /// The connection.
    pub connection_name: String,
}

impl RouteLane {
    /// Whether a lane is one of its stripes. Keys are not asked: an audience that is made meanwhile gets another.
    pub fn is_of(&self, lane: &Lane) -> bool {
        self.lane.0 == lane.id.0 - i64::from(lane.stripe)
    }
}

/// The name under which a canvas's audience is registered.
pub fn registered_name(canvas: &CanvasId, name: &str) -> String {
    format!("{canvas}/{name}")
}

/// The lane's key of a bound audience; `None` while it is being made.
pub(crate) fn lane_key(audience: &Audience) -> Option<LaneKey> {
    let id = audience.partner_id.clone()?;
    Some(LaneKey { connector: audience.connector.clone(), account: audience.account.clone(), audience: id })
}

/// The lane of a bound audience. `stripes`: how many calls at a time the partner allows on it; the number of its first
/// day stays.
pub(crate) fn lane_spec(bound: &Audience, key: LaneKey, stripes: u32) -> LaneSpec {
    LaneSpec {
        key,
        connection: bound.connection.clone(),
        made_by_us: bound.made_by_us,
        parts: bound.parts.clone(),
        stripes: stripes.max(1),
    }
}

impl Route {
    /// The route of a version.
    pub(crate) async fn of<S: Store>(store: &S, lease: Lease, version: &Version) -> crate::Result<Route> {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let mut lanes = Vec::with_capacity(plan.audiences.len());
        for name in &plan.audiences {
            let bound = store.audience(&registered_name(&version.canvas.canvas, name)).await?;
            let Some((key, bound)) = bound.and_then(|bound| Some((lane_key(&bound)?, bound))) else {
                lanes.push(None);
                continue;
            };
            // Publishing opened it with its stripes.
            let (lane, connection) = store.lane(lease, lane_spec(&bound, key, 1)).await?;
            lanes.push(Some(RouteLane { lane, connection, connection_name: bound.connection }));
        }
        let looks_at_people = plan.steps.iter().any(|step| match &step.kind {
            StepKind::Branch { .. } | StepKind::Experiment(_) => true,
            StepKind::Delay(rule) => !matches!(rule, DelayRule::For(_) | DelayRule::Until(_)),
            StepKind::WaitFor { .. }
            | StepKind::Update(_)
            | StepKind::Webhook(_)
            | StepKind::Sync(_)
            | StepKind::Exit => false,
        });
        let needs_people = looks_at_people || plan.needs_groups();
        let events = plan.needs_events().into_iter().map(str::to_owned).collect();
        Ok(Route { version: version.id, canvas: version.canvas.canvas.clone(), plan, lanes, events, needs_people })
    }

    /// Whether all its audiences are bound: only then may anyone walk.
    pub(crate) fn is_complete(&self) -> bool {
        self.lanes.iter().all(Option::is_some)
    }
}
