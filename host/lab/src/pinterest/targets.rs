//! Audiences at Pinterest: what makes a customer list targetable (contract, section 2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, PinterestError, account_of, body, good, paged};
use crate::form::Params;
use crate::shelf::Shelf;
use crate::world::World;

const KINDS: [&str; 5] = ["CUSTOMER_LIST", "VISITOR", "ENGAGEMENT", "ACTALIKE", "PERSONA"];
/// Ids of audiences count up from here, apart from those of lists.
const FIRST_ID: u64 = 2_542_600_000_000;
/// Below so many people an audience is too small.
const MINIMUM: usize = 100;

/// One audience.
#[derive(Debug)]
struct Target {
    account: String,
    kind: String,
    name: String,
    description: String,
    rule: Value,
    created: u64,
    removed: bool,
}

/// All audiences, by their number.
#[derive(Debug, Default)]
pub(crate) struct Targets(BTreeMap<u64, Target>);

impl Targets {
    fn standing(&mut self, account: &str, id: &str) -> Option<&mut Target> {
        let target = self.0.get_mut(&id.parse().ok()?)?;
        (target.account == account && !target.removed).then_some(target)
    }
}

#[derive(Deserialize)]
struct New {
    name: Option<String>,
    audience_type: Option<String>,
    rule: Option<Value>,
    #[serde(default)]
    description: String,
    ad_account_id: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    operation_type: Option<String>,
    name: Option<String>,
    description: Option<String>,
}

fn entity(lists: &Shelf, id: u64, target: &Target) -> Value {
    let list = target.rule["customer_list_id"].as_str();
    let size = list.and_then(|list| lists.existing(list)).map(|list| list.members.len());
    json!({
        "id": id.to_string(),
        "ad_account_id": target.account,
        "audience_type": target.kind,
        "name": target.name,
        "description": target.description,
        "rule": target.rule,
        "size": size,
        "status": if size.is_some_and(|size| size < MINIMUM) { "TOO_SMALL" } else { "READY" },
        "type": "audience",
        "created_timestamp": target.created,
        "updated_timestamp": target.created,
        "created_by_company_name": "Lab",
    })
}

/// `GET /ad_accounts/{account}/audiences`.
pub(super) fn list(world: &World, account: &str, params: &Params<'_>) -> Answer {
    account_of(world, account)?;
    match params.filled("ownership_type") {
        None | Some("OWNED") => {}
        Some("RECEIVED") => return paged(Vec::new(), params),
        Some(other) => return Err(PinterestError::parameter(format!("'{other}' is not one of OWNED, RECEIVED."))),
    }
    let lists = world.pinterest();
    let targets = world.targets();
    let theirs = targets.0.iter().filter(|(_, target)| target.account == account && !target.removed);
    let mut all: Vec<Value> = theirs.map(|(id, target)| entity(&lists, *id, target)).collect();
    if params.get("order") != Some("ASCENDING") {
        all.reverse();
    }
    paged(all, params)
}

/// `POST /ad_accounts/{account}/audiences`.
pub(super) fn create(world: &World, account: &str, bytes: &[u8]) -> Answer {
    let new: New = body(bytes)?;
    account_of(world, account)?;
    let missing = |name: &str| PinterestError::parameter(format!("Missing required parameter '{name}'."));
    let kind = new.audience_type.ok_or_else(|| missing("audience_type"))?;
    if !KINDS.contains(&kind.as_str()) {
        return Err(PinterestError::parameter(format!("'{kind}' is not one of {}.", KINDS.join(", "))));
    }
    if new.ad_account_id.is_some_and(|id| id != account) {
        return Err(PinterestError::no_account());
    }
    let name = new.name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
    let rule = new.rule.filter(Value::is_object).ok_or_else(|| missing("rule"))?;
    let lists = world.pinterest();
    if kind == KINDS[0] {
        let list = rule["customer_list_id"].as_str().ok_or_else(|| missing("rule.customer_list_id"))?;
        if lists.existing(list).is_none_or(|list| list.account != account) {
            return Err(PinterestError::of(404));
        }
    }
    let mut targets = world.targets();
    let id = targets.0.keys().next_back().map_or(FIRST_ID, |last| last + 1);
    let created = crate::meta::unix_now();
    let target = Target {
        account: account.to_string(),
        kind,
        name,
        description: new.description,
        rule,
        created,
        removed: false,
    };
    let shown = entity(&lists, id, &target);
    targets.0.insert(id, target);
    Ok(good(&shown))
}

/// `PATCH /ad_accounts/{account}/audiences/{id}`: change or remove.
pub(super) fn change(world: &World, account: &str, id: &str, bytes: &[u8]) -> Answer {
    let change: Change = body(bytes)?;
    account_of(world, account)?;
    let lists = world.pinterest();
    let mut targets = world.targets();
    let target = targets.standing(account, id).ok_or_else(|| PinterestError::of(404))?;
    match change.operation_type.as_deref() {
        None | Some("UPDATE") => {
            target.name = change.name.unwrap_or_else(|| target.name.clone());
            target.description = change.description.unwrap_or_else(|| target.description.clone());
        }
        Some("REMOVE") => target.removed = true,
        Some(other) => return Err(PinterestError::parameter(format!("'{other}' is not one of UPDATE, REMOVE."))),
    }
    Ok(good(&entity(&lists, id.parse().unwrap_or_default(), target)))
}
