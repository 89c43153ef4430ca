//! `caravan queue hold | resume`.
use super::state;
use crate::args::{Global, ScopeArgs};
use crate::fail::{End, usage};
use crate::host::hands::Hands;
use crate::{names, out};
use caravan_store::{Audience, Hold, HoldScope, Lane, LaneKey, LaneState, Store};
use serde_json::json;

/// What a command line names.
struct Named {
    scope: HoldScope,
    /// As people read it.
    words: String,
}

impl Named {
    /// `what` to hold or let go on, from the arguments.
    fn of(args: &ScopeArgs, lanes: &[Lane], audiences: &[Audience]) -> anyhow::Result<Named> {
        let one = |key: LaneKey| Named {
            words: format!("queue {}", names::of_queue(&key, audiences)),
            scope: HoldScope::Audience { key },
        };
        if let Some(queue) = &args.queue {
            return Ok(one(names::find_queue(lanes, audiences, queue)?));
        }
        if let Some(name) = &args.audience {
            let audience = names::find_audience(audiences, name)?;
            let Some(id) = audience.partner_id.clone() else {
                return Err(usage(format!("{name} is still being made"), "hold its connection instead").into());
            };
            let (connector, account) = (audience.connector.clone(), audience.account.clone());
            return Ok(one(LaneKey { connector, account, audience: id }));
        }
        let scope = match (&args.connection, &args.connector) {
            (Some(name), _) => HoldScope::Connection { name: name.clone() },
            (None, Some(name)) => HoldScope::Connector { name: name.clone() },
            (None, None) => HoldScope::Everything,
        };
        Ok(Named { words: state::scope_in_words(&scope), scope })
    }

    /// The queues that it reaches.
    fn reaches(&self, lane: &Lane) -> bool {
        match &self.scope {
            HoldScope::Everything => true,
            HoldScope::Connector { name } => *name == lane.key.connector,
            HoldScope::Connection { name } => *name == lane.connection,
            HoldScope::Audience { key } => *key == lane.key,
        }
    }
}

/// Holds.
pub async fn hold(global: &Global, args: &ScopeArgs, because: &str) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let lanes = hands.store().lanes().await?;
        let named = Named::of(args, &lanes, &hands.store().audiences().await?)?;
        hands.acting().hold(named.scope.clone(), because).await?;
        let reached = lanes.iter().filter(|lane| named.reaches(lane));
        let (queues, waiting) = reached.fold((0u64, 0u64), |(n, waiting), lane| (n + 1, waiting + lane.waiting));
        if global.json {
            out::print_json(&json!({"held": named.scope, "queues": queues, "waiting": waiting}))?;
        } else {
            let words = &named.words;
            out::print(&format!("{words} is held: {} wait until it is resumed", operations(waiting)))?;
            if queues == 0 && !global.quiet {
                eprintln!("note: no queue is reached by that yet; it holds those that come");
            }
        }
        Ok(End::Done)
    })
    .await
}

/// Lets go on.
pub async fn resume(global: &Global, args: &ScopeArgs) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let lanes = hands.store().lanes().await?;
        let named = Named::of(args, &lanes, &hands.store().audiences().await?)?;
        let HoldScope::Audience { key } = &named.scope else {
            let lifted = hands.acting().lift(named.scope.clone()).await?;
            if global.json {
                out::print_json(&json!({"resumed": named.scope, "lifted": lifted}))?;
            } else if lifted {
                out::print(&format!(
                    "{} is no longer held; `{} queue deliver` sends what waits",
                    named.words,
                    out::called()
                ))?;
            } else {
                out::print(&format!("nobody holds {}", named.words))?;
            }
            return Ok(End::Done);
        };
        let queue = named.words.trim_start_matches("queue ").to_owned();
        let resumed = hands.acting().resume(key).await?;
        let still: &[Hold] = &resumed.still_held_by;
        let was_open = !resumed.lifted && resumed.was.iter().all(|state| *state == LaneState::Open);
        if global.json {
            out::print_json(&json!({"queue": queue, "was": resumed.was.first(), "lifted": resumed.lifted,
                "still_held_by": still, "waiting": resumed.waiting}))?;
        } else if let Some(hold) = still.first() {
            out::print(&format!("{queue} is still held {}", state::held_in_words(hold)))?;
        } else if was_open {
            out::print(&format!("{queue} is open already"))?;
        } else {
            let called = out::called();
            out::print(&format!(
                "{queue} is open; `{called} queue deliver` or the next run sends {}",
                operations(resumed.waiting)
            ))?;
        }
        Ok(if still.is_empty() { End::Done } else { End::NeedsYou })
    })
    .await
}

fn operations(n: u64) -> String {
    out::plural(n, "operation", "operations")
}
