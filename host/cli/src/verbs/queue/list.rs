//! `caravan queue list`.
use super::state;
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_runner::control::Labs;
use caravan_store::Store;
use serde_json::{Value, json};

/// All queues, and what people hold beyond them. Exit 1 where one is held.
pub async fn list(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    let lanes = store.lanes().await?;
    let audiences = store.audiences().await?;
    let holds = store.holds().await?;
    let labs = Labs::of(store).await?;
    let held = lanes.iter().any(state::is_held) || !holds.is_empty();
    if global.json {
        let values: Vec<Value> = lanes
            .iter()
            .map(|lane| {
                json!({"queue": names::of_queue(&lane.key, &audiences), "connection": lane.connection,
                    "lab": labs.has(&lane.connection),
                    "connector": lane.key.connector, "account": lane.key.account, "audience": lane.key.audience,
                    "stripe": lane.stripe, "state": lane.state, "held_by": lane.held_by, "waiting": lane.waiting,
                    "sealed": lane.sealed, "owed": lane.owed, "oldest": lane.oldest})
            })
            .collect();
        out::print_json(&values)?;
    } else if lanes.is_empty() {
        out::print("no queues yet: nobody has been sent to an audience")?;
    } else {
        let rows: Vec<Vec<String>> = lanes
            .iter()
            .map(|lane| {
                let (word, why) = state::of(lane);
                vec![
                    names::of_queue(&lane.key, &audiences),
                    labs.badged(&lane.connection),
                    lane.key.audience.clone(),
                    out::count(lane.waiting),
                    out::count(lane.owed),
                    word.to_owned(),
                    why,
                ]
            })
            .collect();
        out::print(&out::table(&["QUEUE", "CONNECTION", "AUDIENCE", "WAITING", "OWED", "STATE", "WHY"], &rows))?;
        let other = holds.iter().filter(|hold| lanes.iter().all(|lane| !lane.held_by.contains(hold)));
        for hold in other {
            let scope = state::scope_in_words(&hold.scope);
            out::print(&format!("also held: {scope}, {}", state::held_in_words(hold)))?;
        }
        if held && !global.quiet {
            eprintln!("`{} queue show QUEUE` says what to do about one that is held.", out::called());
        }
    }
    Ok(if held { End::NeedsYou } else { End::Done })
}
