//! Marketo's lists as the control address shows them. Members show under the names that a connector's keys have: the address
//! as `EMAIL`, and under `EXTERNAL_ID` the lead's id or what its custom field holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::state::List;
use crate::control::Standing;
use crate::world::World;

fn head(list: &List) -> Value {
    json!({
        "partner": "marketo", "audience": list.id, "name": list.name, "account": list.account, "type": "static",
        "size": list.members.len(), "refused": list.refused, "description": list.description,
    })
}

/// All lists.
pub(crate) fn listed(world: &World) -> Vec<Value> {
    world.marketo().lists().map(head).collect()
}

/// What stands in a list.
pub(crate) fn standing(world: &World, id: &str, with_rows: bool) -> Option<Standing> {
    let state = world.marketo();
    let list = state.existing(id)?;
    let mut keys: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in state.rows(list) {
        let custom = row.iter().any(|(name, _)| name != "id" && name != "email");
        for (name, value) in &row {
            let key = match name.as_str() {
                "email" => "EMAIL",
                "id" if custom => continue,
                _ => "EXTERNAL_ID",
            };
            keys.entry(key).or_default().insert(value.clone());
        }
        if with_rows {
            let row = row.into_iter().map(|(name, value)| (name, value.into())).collect();
            rows.push(Value::Object(row).to_string());
        }
    }
    rows.sort_unstable();
    let keys = keys.into_iter().map(|(key, values)| (key, values.into_iter().collect())).collect();
    Some(Standing { head: head(list), keys, rows: with_rows.then_some(rows) })
}
