//! The checklist of a connection: token, account, folder, list (contract, sections 1 and 2). Which rights the role has shows
//! only when they are used.
use crate::classify::About;
use crate::{api, audiences};
use caravan_sdk::http::Path;
use caravan_sdk::{Fault, Finding, FindingState, Settings, Target, fault, finding};
use serde_json::json;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(settings: &Settings, target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    match api::get(settings, audiences::page(None, None), About::Login) {
        Ok(_) => list.push(finding("token", FindingState::Good, "Marketo accepts it, and the role may read lists.")),
        Err(fault) => {
            list.push(failed("token", &fault));
            return list;
        }
    }
    if target.account.is_empty() {
        return list;
    }
    let subject = format!("account {}", target.account);
    match api::workspace(settings, &target.account) {
        Ok(None) => list.push(finding(&subject, FindingState::Good, "All lists that the API user sees.")),
        Ok(Some(workspace)) => list.push(self::workspace(settings, &subject, workspace)),
        Err(fault) => {
            list.push(failed(&subject, &fault));
            return list;
        }
    }
    list.push(folder(settings));
    if !target.audience.is_empty() {
        list.push(audience(settings, target));
    }
    list
}

fn workspace(settings: &Settings, subject: &str, workspace: &str) -> Finding {
    match api::get(settings, audiences::page(Some(workspace), None), About::Login) {
        Ok(answer) if api::items(&answer).is_empty() => {
            finding(subject, FindingState::Warning, "The workspace shows no list: it may not exist.")
        }
        Ok(_) => finding(subject, FindingState::Good, "Its lists are visible."),
        Err(fault) => failed(subject, &fault),
    }
}

/// Where new lists are made.
fn folder(settings: &Settings) -> Finding {
    let number = settings.number("folder");
    if number <= 0 {
        let message = "No folder is named: lists cannot be made, only used.";
        return Finding {
            cure: Some("Fill in the setting `folder`.".to_owned()),
            ..finding("folder", FindingState::Warning, message)
        };
    }
    let folder = json!({"id": number, "type": settings.text("folder_type")}).to_string();
    let path = Path::new(["rest", "asset", "v1", "staticLists.json"])
        .query("folder", &folder)
        .query("offset", "0")
        .query("maxReturn", "1");
    match api::get(settings, path, About::Folder) {
        Ok(_) => finding("folder", FindingState::Good, &format!("Lists are made in {number}.")),
        Err(fault) => failed("folder", &fault),
    }
}

fn audience(settings: &Settings, target: &Target) -> Finding {
    let subject = format!("audience {}", target.audience);
    let path = Path::new(["rest", "v1", "lists", &format!("{}.json", target.audience)]);
    match api::get(settings, path, About::List) {
        Err(fault) => failed(&subject, &fault),
        Ok(answer) => match api::items(&answer).first().and_then(|list| list["name"].as_str()) {
            Some(name) => finding(&subject, FindingState::Good, &format!("Takes people: “{name}”.")),
            None => finding(&subject, FindingState::Failed, "Marketo has no such list."),
        },
    }
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let message = fault::cause_of(fault).map_or("Marketo refuses the call as too large.", |cause| &cause.message);
    finding(subject, FindingState::Failed, message)
}

#[cfg(test)]
mod tests;
