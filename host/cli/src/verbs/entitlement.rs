//! `caravan entitlement list | add | remove | purchases`.
use crate::args::{EntitlementVerb, Global};
use crate::fail::End;
use crate::host::hands::actor;
use crate::installation::Installation;
use crate::out::text_of;
use crate::{out, stores};
use caravan_api::bench::SlotsView;
use caravan_model::policy::SlotChange;
use serde_json::{Value, json};

/// Does a verb of entitlements on the stores of this machine.
pub async fn entitlement(global: &Global, verb: EntitlementVerb) -> anyhow::Result<End> {
    let Some(change) = change_of(verb) else {
        return tell(global, &json!(Installation::open(global, false)?.view().await?));
    };
    let installation = Installation::open(global, true)?;
    // Without a workspace named, the one that keeps the slots is meant.
    let at = match global.workspace.as_str() {
        stores::FIRST => installation.keeper().to_owned(),
        named => named.to_owned(),
    };
    let changed = installation.change(&at, &actor(), &change, global.yes).await;
    let closed = installation.close().await;
    let view: SlotsView = changed?;
    closed?;
    tell(global, &json!(view))
}

/// The change that a verb asks for; none where it only looks.
pub fn change_of(verb: EntitlementVerb) -> Option<SlotChange> {
    match verb {
        EntitlementVerb::List => None,
        EntitlementVerb::Add { partner } => Some(SlotChange::Add(partner)),
        EntitlementVerb::Remove { partner } => Some(SlotChange::Remove(partner)),
        EntitlementVerb::Purchases { purchases } => Some(SlotChange::Purchases(purchases)),
    }
}

/// Prints how slots stand, as a store or a host says it.
pub fn tell(global: &Global, view: &Value) -> anyhow::Result<End> {
    let refused = view["refuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let end = if refused.is_empty() { End::Done } else { End::NeedsYou };
    if global.json {
        out::print_json(view)?;
        return Ok(end);
    }
    let mut words = String::new();
    for one in refused {
        words.push_str(&format!(
            "{} of {} is live, and uses a partner without a slot\n",
            text_of(&one["canvas"]),
            text_of(&one["workspace"])
        ));
    }
    words.push_str(match (view["kept"].as_bool(), refused.is_empty()) {
        (None, _) => "",
        (Some(true), true) => "This is kept, and holds at once.\n",
        (Some(true), false) => "This is kept. Their queues wait with `not_entitled`, and nobody is lost.\n",
        (Some(false), _) => "Nothing was changed. Stop these canvases, or go on all the same with --yes.\n",
    });
    if view["limited"] == true {
        words.push_str(&format!(
            "{} slots were bought, {} are left; the workspace `{}` keeps them\n",
            view["bought"],
            view["left"],
            view["workspace"].as_str().unwrap_or_default()
        ));
    } else {
        words.push_str(
            "Every partner may be used. `caravan entitlement purchases N` limits them to free ones and slots.\n",
        );
    }
    let partners = view["partners"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Vec<String>> = partners
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let count = |name: &str| out::count(row[name].as_u64().unwrap_or_default());
            vec![text("partner"), text("state"), count("queues"), count("waiting")]
        })
        .collect();
    if !rows.is_empty() {
        words.push_str(&out::table(&["PARTNER", "STATE", "QUEUES", "WAITING"], &rows));
    }
    out::print(&words)?;
    Ok(end)
}
