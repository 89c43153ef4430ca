//! Google's lists as the control address shows them.

use serde_json::{Value, json};

use super::state::UserList;
use crate::control::Standing;
use crate::world::World;

fn head(list: &UserList) -> Value {
    json!({
        "partner": "google", "audience": list.id, "name": list.name, "account": list.account,
        "type": list.kind_word(), "size": list.members.len(), "refused": list.refused, "description": list.description,
    })
}

/// All lists.
pub(crate) fn listed(world: &World) -> Vec<Value> {
    world.google().lists().map(head).collect()
}

/// What stands in a list.
pub(crate) fn standing(world: &World, id: &str, with_rows: bool) -> Option<Standing> {
    let state = world.google();
    let list = state.existing(id)?;
    let rows = with_rows.then(|| {
        let row = |row: Vec<(&'static str, String)>| {
            Value::Object(row.into_iter().map(|(key, value)| (key.to_string(), value.into())).collect()).to_string()
        };
        let mut rows: Vec<String> = list.members.rows().map(row).collect();
        rows.sort_unstable();
        rows
    });
    Some(Standing { head: head(list), keys: list.members.keys(), rows })
}
