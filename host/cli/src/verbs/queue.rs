//! `caravan queue list | resume`.
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Code, Problem};
use caravan_store::{Audience, Lane, LaneState, Slots, Store};
use serde_json::json;

/// The name under which people know a queue: its audience's, else the partner's id.
pub fn name(lane: &Lane, audiences: &[Audience]) -> String {
    let bound = audiences.iter().find(|audience| {
        audience.connector == lane.key.connector
            && audience.account == lane.key.account
            && audience.partner_id.as_deref() == Some(lane.key.audience.as_str())
    });
    bound.map_or_else(|| lane.key.audience.clone(), |audience| audience.name.clone())
}

/// A lane's state in words, and until when.
pub fn state(state: &LaneState) -> (&'static str, String) {
    match state {
        LaneState::Open => ("open", String::new()),
        LaneState::Waiting { why, until, reason } => {
            let words = if reason.words.is_empty() { &reason.code } else { &reason.words };
            ("waiting", format!("{why} until {}: {words}", out::instant(*until)))
        }
        LaneState::Held { reason, since, .. } => {
            let words = if reason.words.is_empty() { &reason.code } else { &reason.words };
            ("held", format!("since {}: {words}", out::instant(*since)))
        }
    }
}

/// All queues. Exit 1 where one is held.
pub async fn list(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    let lanes = store.lanes().await?;
    let audiences = store.audiences().await?;
    let held = lanes.iter().any(|lane| matches!(lane.state, LaneState::Held { .. }));
    if global.json {
        let values: Vec<_> = lanes
            .iter()
            .map(|lane| {
                json!({"queue": name(lane, &audiences), "connection": lane.connection, "connector": lane.key.connector,
                    "account": lane.key.account, "audience": lane.key.audience, "state": lane.state,
                    "waiting": lane.waiting, "sealed": lane.sealed, "oldest": lane.oldest})
            })
            .collect();
        out::print_json(&values)?;
    } else if lanes.is_empty() {
        out::print("no queues yet: nobody has been sent to an audience")?;
    } else {
        let rows: Vec<Vec<String>> = lanes
            .iter()
            .map(|lane| {
                let (word, why) = state(&lane.state);
                vec![
                    name(lane, &audiences),
                    lane.connection.clone(),
                    lane.key.audience.clone(),
                    out::count(lane.waiting),
                    word.to_owned(),
                    why,
                ]
            })
            .collect();
        out::print(&out::table(&["QUEUE", "CONNECTION", "AUDIENCE", "WAITING", "STATE", "WHY"], &rows))?;
        if held && !global.quiet {
            eprintln!(
                "A held queue goes on by itself once the cause is mended, or at once after `caravan queue resume QUEUE`."
            );
        }
    }
    Ok(if held { End::NeedsYou } else { End::Done })
}

/// Opens a held or waiting queue; the next run sends what is in it.
pub async fn resume(global: &Global, store: &impl Store, queue: &str) -> anyhow::Result<End> {
    let lanes = store.lanes().await?;
    let audiences = store.audiences().await?;
    let Some(lane) = lanes.iter().find(|lane| name(lane, &audiences) == queue || lane.key.audience == queue) else {
        let names: Vec<String> = lanes.iter().map(|lane| name(lane, &audiences)).collect();
        return Err(Problem::new(Code::NotFound, format!("there is no queue `{queue}`"))
            .cure(format!("the queues are: {}", names.join(", ")))
            .into());
    };
    let was_open = lane.state == LaneState::Open;
    if !was_open {
        let lease = store.lease("caravan queue resume", Slots::ALL, SystemClock.now()).await?;
        let set = store.set_lane(lease, lane.id, LaneState::Open).await;
        store.release(lease).await?;
        set?;
    }
    if global.json {
        out::print_json(&json!({"queue": queue, "was": lane.state, "waiting": lane.waiting}))?;
    } else if was_open {
        out::print(&format!("{queue} is open already"))?;
    } else {
        out::print(&format!("{queue} is open; {} go on with the next `caravan run`", out::people(lane.waiting)))?;
    }
    Ok(End::Done)
}
