//! Audiences at Meta: list, get, create, change, delete, share (contract, section 2).

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fields::{page, requested, select};
use super::state::{Audience, NewAudience, unix_now};
use super::{Answer, MetaError, Origin, ok};
use crate::call::{Partner, bare_account};
use crate::faults::Kind;
use crate::form::Params;
use crate::values::is_digits;
use crate::world::World;

const FIELDS: [&str; 33] = [
    "id",
    "name",
    "description",
    "subtype",
    "account_id",
    "approximate_count_lower_bound",
    "approximate_count_upper_bound",
    "customer_file_source",
    "data_source",
    "delivery_status",
    "operation_status",
    "is_value_based",
    "retention_days",
    "sharing_status",
    "permission_for_actions",
    "time_created",
    "time_updated",
    "time_content_updated",
    "fields_violating_integrity_policy",
    "adaccounts",
    "ads",
    "data_source_types",
    "excluded_custom_audiences",
    "external_event_source",
    "household_audience",
    "included_custom_audiences",
    "lookalike_audience_ids",
    "lookalike_spec",
    "opt_out_link",
    "page_deletion_marked_delete_time",
    "pixel_id",
    "rule",
    "is_eligible_for_sac_campaigns",
];
const SOURCES: [&str; 3] = ["USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"];
const SUBTYPES: [&str; 16] = [
    "CUSTOM",
    "PRIMARY",
    "WEBSITE",
    "APP",
    "OFFLINE_CONVERSION",
    "CLAIM",
    "MANAGED",
    "PARTNER",
    "VIDEO",
    "LOOKALIKE",
    "ENGAGEMENT",
    "BAG_OF_ACCOUNTS",
    "STUDY_RULE_AUDIENCE",
    "FOX",
    "MEASUREMENT",
    "REGULATED_CATEGORIES_AUDIENCE",
];
/// Customer-list audiences that one ad account may have.
const PER_ACCOUNT: usize = 500;

/// One condition of the `filtering` parameter.
#[derive(Debug, Deserialize)]
struct Filter {
    field: String,
    operator: String,
    value: Value,
}

impl Filter {
    fn admits(&self, audience: &Audience) -> Result<bool, MetaError> {
        let field = match self.field.as_str() {
            "name" => &audience.name,
            "id" => &audience.id,
            "subtype" => &audience.subtype,
            "description" => &audience.description,
            other => return Err(MetaError::new(100, format!("(#100) Filtering field '{other}' is invalid"))),
        };
        let equals = |value: &Value| value.as_str() == Some(field);
        match self.operator.as_str() {
            "EQUAL" => Ok(equals(&self.value)),
            "NOT_EQUAL" => Ok(!equals(&self.value)),
            "CONTAIN" => {
                Ok(self.value.as_str().is_some_and(|part| field.to_lowercase().contains(&part.to_lowercase())))
            }
            "IN" => Ok(self.value.as_array().is_some_and(|values| values.iter().any(equals))),
            other => Err(MetaError::new(100, format!("(#100) Filtering operator '{other}' is invalid"))),
        }
    }
}

/// `GET /act_<id>/customaudiences`.
pub(super) fn list(world: &World, account: &str, params: &Params<'_>, origin: &Origin<'_>) -> Answer {
    let names = requested(params).unwrap_or_default();
    let filters: Vec<Filter> = match params.filled("filtering") {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| MetaError::new(100, format!("(#100) Param filtering is invalid: {error}")))?,
        None => Vec::new(),
    };
    let settings = world.settings().clone();
    let mut state = world.meta();
    if state.account(account, &settings).is_none() {
        return Err(MetaError::invisible(&format!("act_{account}"), "get"));
    }
    let mut objects = Vec::new();
    for audience in state.audiences_of(account) {
        let mut admitted = true;
        for filter in &filters {
            admitted &= filter.admits(audience)?;
        }
        if admitted {
            objects.push(select(object(world, audience), &names, "CustomAudience", &FIELDS)?);
        }
    }
    Ok(ok(&page(objects, params, origin)?))
}

/// `GET /<audience_id>`.
pub(super) fn get(world: &World, id: &str, params: &Params<'_>) -> Answer {
    let mut state = world.meta();
    let audience = state.audience(id).ok_or_else(|| MetaError::invisible(id, "get"))?;
    let names = requested(params).unwrap_or_default();
    Ok(ok(&select(object(world, audience), &names, "CustomAudience", &FIELDS)?))
}

/// `POST /act_<id>/customaudiences`.
pub(super) fn create(world: &World, account: &str, params: &Params<'_>) -> Answer {
    let settings = world.settings().clone();
    let mut state = world.meta();
    let Some(owner) = state.account(account, &settings) else {
        return Err(MetaError::invisible(&format!("act_{account}"), "post"));
    };
    if !owner.terms {
        return Err(MetaError::known(2655, None));
    }
    let name = params.filled("name").ok_or_else(|| MetaError::missing("name"))?;
    let subtype = params.filled("subtype").ok_or_else(|| MetaError::missing("subtype"))?;
    if !SUBTYPES.contains(&subtype) {
        return Err(MetaError::known(2654, None));
    }
    let source = match params.filled("customer_file_source") {
        Some(source) if SOURCES.contains(&source) => source,
        Some(_) => {
            let message = format!("(#100) Param customer_file_source must be one of {{{}}}", SOURCES.join(", "));
            return Err(MetaError::new(100, message));
        }
        None if subtype == "CUSTOM" => return Err(MetaError::missing("customer_file_source")),
        None => "",
    };
    let retention_days = match params.filled("retention_days") {
        Some(text) => {
            Some(text.parse().map_err(|_| MetaError::new(100, "(#100) Param retention_days must be an integer"))?)
        }
        None => None,
    };
    if params.get("enable_fetch_or_create").is_some_and(is_true)
        && let Some(known) = state.audiences_of(account).find(|audience| audience.name == name)
    {
        return Ok(ok(&json!({"id": known.id})));
    }
    if state.audiences_of(account).filter(|audience| audience.subtype == "CUSTOM").count() >= PER_ACCOUNT {
        // The contract names the limit but no code for it.
        return Err(MetaError::new(
            100,
            "(#100) This ad account has 500 customer list audiences, which is the maximum.",
        ));
    }
    let id = state.create(
        account,
        NewAudience {
            id: None,
            name: name.to_string(),
            description: params.get("description").unwrap_or("").to_string(),
            subtype: subtype.to_string(),
            source: source.to_string(),
            value_based: params.get("is_value_based").is_some_and(is_true),
            retention_days,
        },
    );
    Ok(ok(&json!({"id": id})))
}

/// `POST /<audience_id>`: a change of name, description or source.
pub(super) fn update(world: &World, id: &str, params: &Params<'_>) -> Answer {
    let mut state = world.meta();
    let audience = state.audience(id).ok_or_else(|| MetaError::invisible(id, "post"))?;
    if world.faults().stands(Kind::Integrity, Partner::Meta, Some(&audience.account), Some(id)) {
        return Err(MetaError::known(100, Some(1_713_228)));
    }
    if let Some(source) = params.filled("customer_file_source") {
        if !SOURCES.contains(&source) {
            let message = format!("(#100) Param customer_file_source must be one of {{{}}}", SOURCES.join(", "));
            return Err(MetaError::new(100, message));
        }
        audience.source = source.to_string();
    }
    if let Some(name) = params.filled("name") {
        audience.name = name.to_string();
    }
    if let Some(description) = params.get("description") {
        audience.description = description.to_string();
    }
    audience.updated = unix_now();
    Ok(ok(&json!({"success": true})))
}

/// `DELETE /<audience_id>`.
pub(super) fn delete(world: &World, id: &str) -> Answer {
    match world.meta().delete(id) {
        true => Ok(ok(&json!({"success": true}))),
        false => Err(MetaError::invisible(id, "delete")),
    }
}

/// `GET`, `POST` and `DELETE /<audience_id>/adaccounts`: who else may use it.
pub(super) fn share(world: &World, id: &str, method: &Method, params: &Params<'_>) -> Answer {
    let mut state = world.meta();
    let audience = state.audience(id).ok_or_else(|| MetaError::invisible(id, "get"))?;
    if *method == Method::GET {
        let data: Vec<Value> =
            audience.shared_with.iter().map(|id| json!({"id": format!("act_{id}"), "account_id": id})).collect();
        return Ok(ok(&json!({"data": data})));
    }
    let text = params.filled("adaccounts").ok_or_else(|| MetaError::missing("adaccounts"))?;
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|_| MetaError::new(100, "(#100) Param adaccounts must be an array."))?;
    let mut accounts = Vec::new();
    for value in list {
        let account = value.as_str().map_or_else(|| value.to_string(), |text| bare_account(text).to_string());
        if !is_digits(&account) {
            return Err(MetaError::new(100, "(#100) Param adaccounts must hold ad account ids"));
        }
        accounts.push(account);
    }
    audience.shared_with.retain(|known| !accounts.contains(known));
    if *method == Method::POST {
        audience.shared_with.extend(accounts);
    }
    Ok(ok(&json!({"success": true})))
}

/// Meta's ways to say yes in a parameter.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1" | "True")
}

fn object(world: &World, audience: &Audience) -> Map<String, Value> {
    let flagged = world.faults().stands(Kind::Integrity, Partner::Meta, Some(&audience.account), Some(&audience.id));
    let (lower, upper) = bounds(audience.members.len());
    let delivery = match audience.members.len() {
        0..100 => json!({"code": 300, "description": "The audience is too small to be delivered to."}),
        _ => json!({"code": 200, "description": "This audience is ready for use."}),
    };
    let operation = match flagged {
        true => json!({"code": 471, "description": "This audience was flagged and cannot be used."}),
        false => json!({"code": 200, "description": "Normal"}),
    };
    let fields = [
        ("id", json!(audience.id)),
        ("name", json!(audience.name)),
        ("description", json!(audience.description)),
        ("subtype", json!(audience.subtype)),
        ("account_id", json!(audience.account)),
        ("approximate_count_lower_bound", json!(lower)),
        ("approximate_count_upper_bound", json!(upper)),
        ("customer_file_source", if audience.source.is_empty() { Value::Null } else { json!(audience.source) }),
        ("data_source", json!({"type": "FILE_IMPORTED", "sub_type": "ANYTHING"})),
        ("delivery_status", delivery),
        ("operation_status", operation),
        ("is_value_based", json!(audience.value_based)),
        ("retention_days", json!(audience.retention_days.unwrap_or(0))),
        ("permission_for_actions", json!({"can_edit": !flagged, "can_see_insight": "True", "can_share": "True"})),
        ("time_created", json!(audience.created)),
        ("time_updated", json!(audience.updated)),
        ("time_content_updated", json!(audience.content_updated)),
        ("fields_violating_integrity_policy", if flagged { json!(["name"]) } else { Value::Null }),
    ];
    fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Sizes are only ever shown as bounds: none for a small audience, else rounded (contract, section 3).
fn bounds(size: usize) -> (i64, i64) {
    match size {
        0..100 => (-1, -1),
        _ => (size as i64 / 100 * 100, (size as i64 / 100 + 1) * 100),
    }
}
