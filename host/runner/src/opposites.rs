//! Canvases that want opposite things of one audience: people learn of it at publish, for the later one wins (design,
//! 11.3).
use crate::control::states;
use crate::route::{lane_key, registered_name};
use crate::runner::Runner;
use caravan_model::{Action, CanvasId, StepId};
use caravan_store::{Audience, LaneKey, Store, Version};
use std::collections::HashMap;

/// Two steps that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opposite {
    /// The step of the canvas that was asked about.
    pub step: StepId,
    /// What it does.
    pub action: Action,
    /// The other canvas.
    pub canvas: CanvasId,
    /// Its step.
    pub other: StepId,
    /// The audience, by the name under which it is registered.
    pub audience: String,
}

impl std::fmt::Display for Opposite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (does, undoes) = match self.action {
            Action::Add => ("adds people to", "removes people from"),
            Action::Remove => ("removes people from", "adds people to"),
        };
        write!(
            f,
            "step `{}` {does} the audience {}, and step `{}` of the canvas `{}` {undoes} it: for whoever reaches both, \
             the later one wins",
            self.step, self.audience, self.other, self.canvas
        )
    }
}

impl<S: Store> Runner<S> {
    /// The steps of other canvases, in the newest version of each that still lets people move on, which undo what a
    /// step of this version does to the same audience.
    ///
    /// # Errors
    /// What the store says.
    pub async fn opposites(&self, version: &Version) -> crate::Result<Vec<Opposite>> {
        let audiences = self.store.audiences().await?;
        let bound: HashMap<&str, &Audience> = audiences.iter().map(|one| (one.name.as_str(), one)).collect();
        let own = syncs(version, &bound);
        let states = states(&self.store).await?;
        let mut newest: HashMap<CanvasId, Version> = HashMap::new();
        for other in self.store.versions().await? {
            if other.canvas.canvas != version.canvas.canvas && states.of(other.canvas.canvas.as_str()).advances() {
                newest.insert(other.canvas.canvas.clone(), other);
            }
        }
        let mut found = Vec::new();
        for other in newest.values() {
            for (lane, other_action, other_step, _) in syncs(other, &bound) {
                let against = own.iter().filter(|(key, action, ..)| *key == lane && *action != other_action);
                found.extend(against.map(|(_, action, step, audience)| Opposite {
                    step: step.clone(),
                    action: *action,
                    canvas: other.canvas.canvas.clone(),
                    other: other_step.clone(),
                    audience: audience.clone(),
                }));
            }
        }
        found.sort_by(|a, b| (&a.step, &a.canvas, &a.other).cmp(&(&b.step, &b.canvas, &b.other)));
        Ok(found)
    }
}

/// The syncs of a version whose audiences are bound.
fn syncs(version: &Version, bound: &HashMap<&str, &Audience>) -> Vec<(LaneKey, Action, StepId, String)> {
    let steps = version.canvas.steps.0.iter();
    steps
        .filter_map(|(id, step)| {
            let sync = step.audience_sync.as_ref()?;
            let name = registered_name(&version.canvas.canvas, &sync.audience);
            let key = lane_key(bound.get(name.as_str())?)?;
            Some((key, sync.action, id.clone(), name))
        })
        .collect()
}
