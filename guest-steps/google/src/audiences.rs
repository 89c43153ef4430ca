//! User lists of an ad account: find, describe, make (contract, section 2).
use crate::api;
use caravan_sdk::http::Method;
use caravan_sdk::{Audience, AudiencePage, Created, Fault, Settings, fault};
use serde_json::{Value, json};

/// How many pages of 1,000 lists are searched for the marker.
const PAGES: usize = 25;

/// One page of lists whose name contains `query`.
///
/// # Errors
/// Why Google did not answer.
pub fn list(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let answer = page(settings, account, cursor)?;
    let query = query.to_lowercase();
    let audiences = api::items(&answer, "userLists").iter().map(audience);
    let audiences = audiences.filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next: next(&answer) })
}

/// Makes a list whose description carries `marker`, or adopts the one whose description already does. The group says
/// which kind of list it is, for ever.
///
/// # Errors
/// Why Google did not answer, or what it refused.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str, group: &str) -> Result<Created, Fault> {
    let body = body(settings, name, &format!("Kept by Caravan. {marker}"), group)?;
    if let Some(audience) = find_marked(settings, account, marker)? {
        return Ok(Created { audience, audience_parts: Vec::new(), adopted: true });
    }
    let answer = api::about_lists(settings, Method::Post, api::lists(account, None)?, Some(&body))?;
    match api::text(&answer["id"]) {
        id if id.is_empty() => {
            Err(fault::unavailable(None, fault::cause("no-id", "Google made no list that it names.")))
        }
        audience => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
    }
}

/// The body that makes a list.
///
/// # Errors
/// `misconfigured` where a setting that the list needs is missing or out of range.
pub fn body(settings: &Settings, name: &str, description: &str, group: &str) -> Result<Value, Fault> {
    let days = settings.number("membership_days");
    if !(1..=540).contains(&days) {
        let message = "The setting `membership_days` lies between 1 and 540: Google keeps nobody longer.";
        return Err(fault::misconfigured("membership-days", message));
    }
    Ok(json!({
        "displayName": name,
        "description": description,
        "membershipStatus": "OPEN",
        "membershipDuration": format!("{}s", days * 86_400),
        "ingestedUserListInfo": info(settings, group)?,
    }))
}

fn info(settings: &Settings, group: &str) -> Result<Value, Fault> {
    const OWN: &str = "DATA_SOURCE_TYPE_FIRST_PARTY";
    let mobile = |space: &str, setting: &str| match settings.text(setting) {
        "" => {
            let message = format!("A list of advertising ids belongs to an app: fill in the setting `{setting}`.");
            Err(fault::misconfigured("app-id", message))
        }
        app => Ok(json!({
            "uploadKeyTypes": ["MOBILE_ID"],
            "mobileIdInfo": {"dataSourceType": OWN, "keySpace": space, "appId": app},
        })),
    };
    match group {
        "ios" => mobile("IOS", "ios_app_id"),
        "android" => mobile("ANDROID", "android_app_id"),
        "user" => Ok(json!({"uploadKeyTypes": ["USER_ID"], "userIdInfo": {"dataSourceType": OWN}})),
        _ => Ok(json!({"uploadKeyTypes": ["CONTACT_ID"], "contactIdInfo": {"dataSourceType": OWN}})),
    }
}

fn find_marked(settings: &Settings, account: &str, marker: &str) -> Result<Option<String>, Fault> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = page(settings, account, cursor.as_deref())?;
        let ours = |item: &&Value| item["description"].as_str().is_some_and(|text| carries(text, marker));
        if let Some(found) = api::items(&answer, "userLists").iter().find(ours) {
            return Ok(Some(api::text(&found["id"])));
        }
        match next(&answer) {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The ad account has more than {PAGES} pages of lists.")))
}

/// Whether a description holds the marker as a word of its own, so that `m-1` is not found in `m-12`.
fn carries(description: &str, marker: &str) -> bool {
    !marker.is_empty() && description.split_whitespace().any(|word| word == marker)
}

fn page(settings: &Settings, account: &str, cursor: Option<&str>) -> Result<Value, Fault> {
    let path = api::lists(account, None)?.query("pageSize", "1000").query_if("pageToken", cursor);
    api::about_lists(settings, Method::Get, path, None)
}

fn next(answer: &Value) -> Option<String> {
    answer["nextPageToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

fn audience(item: &Value) -> Audience {
    // Google shows 0 until a list is large enough to tell.
    let size = item["sizeInfo"].as_object().and_then(|sizes| sizes.values().filter_map(api::number).max());
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["displayName"]),
        kind: kind(item),
        unusable: unusable(item),
        size: size.filter(|size| *size > 0),
    }
}

/// How many days a list keeps people; none where it does not tell.
pub fn days(item: &Value) -> Option<i64> {
    let seconds: i64 = item["membershipDuration"].as_str()?.strip_suffix('s')?.parse().ok()?;
    Some(seconds / 86_400).filter(|days| *days > 0)
}

/// The kind as the manifest names it: the upload key type, and the platform of mobile lists.
pub fn kind(item: &Value) -> String {
    let info = &item["ingestedUserListInfo"];
    let key = info["uploadKeyTypes"][0].as_str().unwrap_or_default();
    match info["mobileIdInfo"]["keySpace"].as_str().filter(|_| key == "MOBILE_ID") {
        Some(space) => format!("{key}/{space}"),
        None => key.to_owned(),
    }
}

/// Why a list takes no members from us.
pub fn unusable(item: &Value) -> Option<String> {
    let kind = kind(item);
    if kind.is_empty() {
        return Some("Google fills this list itself; only lists of uploaded data take people.".to_owned());
    }
    if !matches!(kind.as_str(), "CONTACT_ID" | "MOBILE_ID/IOS" | "MOBILE_ID/ANDROID" | "USER_ID") {
        return Some(format!("This list is made of {kind}, which only data partners upload."));
    }
    if item["readOnly"] == true {
        return Some("The list can be read only: it belongs to another account.".to_owned());
    }
    if let Some(reason) = item["accessReason"].as_str().filter(|reason| !matches!(*reason, "OWNED" | "")) {
        return Some(format!("The list is {} and belongs to another account.", reason.to_lowercase()));
    }
    if item["accountAccessStatus"] == "DISABLED" {
        return Some("The account's access to this list is disabled.".to_owned());
    }
    (item["membershipStatus"] == "CLOSED").then(|| "The list is closed: Google adds nobody to it.".to_owned())
}

#[cfg(test)]
mod tests;
