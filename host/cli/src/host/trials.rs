//! What a serving host's API shows before anything happens: one person's way, and the requests of a step.
use super::bench::{BODY, Workbench};
use crate::check::{Checked, Secrets};
use crate::verbs::canvas::preview::{as_json, one_person};
use crate::verbs::dry_run::{self, Place};
use caravan_api::bench::{DryRun, Preview, WhatHappens};
use caravan_journey::document::read_canvas;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Millis, Policy};
use caravan_runner::{Assumed, Happens, policy_of, preview};
use serde_json::{Value, json};

impl Workbench {
    async fn to_look_at(&self, canvas: &str) -> anyhow::Result<(Checked, Policy)> {
        let checked = self.checked(read_canvas(BODY, canvas), Secrets::Overlook).await??;
        Ok((checked, policy_of(self.runner().store()).await?))
    }

    /// One person's way. Of requests, only where they go is told: who may see identities asks for a dry run.
    pub(super) async fn way_of(&self, wanted: Preview) -> anyhow::Result<Value> {
        let (checked, policy) = self.to_look_at(&wanted.canvas).await?;
        let store = self.runner().store();
        let who = one_person(store, &wanted.profile).await?;
        let from = wanted.at.map_or_else(|| SystemClock.now(), Millis);
        let assumed = Assumed { happens: happens(wanted.happens), synced: !wanted.refused };
        let way = preview(store, &checked.canvas.value, who, from, self.runner().zone(), assumed).await?;
        let mut dry = Vec::with_capacity(way.visits.len());
        for visit in &way.visits {
            dry.push(match visit.kind {
                "audience_sync" if !way.control => {
                    let place = Place { step: &visit.step, policy: &policy, audience: None, at: visit.at };
                    Some(dry_run::of_people(&checked, store, &place, vec![visit.person.clone()]).await?)
                }
                _ => None,
            });
        }
        let mut told = as_json(&way, &dry);
        for visit in told["visits"].as_array_mut().into_iter().flatten() {
            for request in visit["sync"]["requests"].as_array_mut().into_iter().flatten() {
                *request = json!({"method": request["method"], "url": request["url"]});
            }
        }
        Ok(told)
    }

    /// The requests of a step.
    pub(super) async fn trial_of(&self, wanted: DryRun) -> anyhow::Result<Value> {
        let (checked, policy) = self.to_look_at(&wanted.canvas).await?;
        let place =
            Place { step: &wanted.step, policy: &policy, audience: wanted.audience.as_deref(), at: SystemClock.now() };
        let result = dry_run::of_people(&checked, self.runner().store(), &place, wanted.people).await?;
        let mut told = dry_run::as_json(&result);
        told["faults"] = json!(result.faults.iter().map(ToString::to_string).collect::<Vec<_>>());
        Ok(told)
    }
}

fn happens(wanted: WhatHappens) -> Happens {
    match wanted {
        WhatHappens::Anything(true) => Happens::Anything,
        WhatHappens::Anything(false) => Happens::Nothing,
        WhatHappens::These(names) => Happens::of(names),
    }
}
