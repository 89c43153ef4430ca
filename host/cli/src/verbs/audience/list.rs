//! `caravan audience list`.
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_runner::control::{Labs, is_former};
use caravan_store::{Audience, Lane, Store};
use serde_json::{Value, json};

/// All audiences: those that steps lead to, then former ones that may still owe removals.
pub async fn list(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    let mut audiences = store.audiences().await?;
    audiences.sort_by_key(|audience| (is_former(&audience.name), audience.name.clone()));
    let lanes = store.lanes().await?;
    let labs = Labs::of(store).await?;
    if global.json {
        let values: Vec<Value> = audiences
            .iter()
            .map(|audience| {
                let (waiting, owed) = waiting(audience, &lanes);
                json!({"audience": audience.name, "connection": audience.connection,
                    "lab": labs.has(&audience.connection), "connector": audience.connector,
                    "account": audience.account, "id": audience.partner_id, "made_by_us": audience.made_by_us,
                    "former": is_former(&audience.name), "waiting": waiting, "owed": owed})
            })
            .collect();
        out::print_json(&values)?;
    } else if audiences.is_empty() {
        out::print("no audiences yet: a canvas's first run registers them")?;
    } else {
        let rows: Vec<Vec<String>> = audiences
            .iter()
            .map(|audience| {
                let (waiting, owed) = waiting(audience, &lanes);
                vec![
                    audience.name.clone(),
                    labs.badged(&audience.connection),
                    audience.account.clone(),
                    audience.partner_id.clone().unwrap_or_else(|| "being made".to_owned()),
                    if audience.made_by_us { "us" } else { "others" }.to_owned(),
                    out::count(waiting),
                    out::count(owed),
                ]
            })
            .collect();
        out::print(&out::table(&["AUDIENCE", "CONNECTION", "ACCOUNT", "ID", "MADE BY", "WAITING", "OWED"], &rows))?;
    }
    Ok(End::Done)
}

/// Operations that wait for an audience, and removals owed among them.
fn waiting(audience: &Audience, lanes: &[Lane]) -> (u64, u64) {
    lanes
        .iter()
        .filter(|lane| names::leads_to(audience, &lane.key))
        .fold((0, 0), |(waiting, owed), lane| (waiting + lane.waiting, owed + lane.owed))
}
