//! The checklist of a connection: token, ad account, audience (contract, sections 1 and 2). TikTok has no call that
//! tells about terms or about the scopes of a token.
use crate::{api, audiences};
use caravan_sdk::{Fault, Finding, FindingState, Target, fault, finding};
use serde_json::Value;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    match api::get(api::path(&["user", "info"])) {
        Ok(_) => list.push(finding("token", FindingState::Good, "TikTok accepts it.")),
        Err(fault) => {
            list.push(failed("token", &fault));
            return list;
        }
    }
    if target.account.is_empty() {
        return list;
    }
    let subject = format!("ad account {}", target.account);
    let path = api::path(&["advertiser", "info"]).query("advertiser_ids", &api::only(&target.account));
    list.push(match api::get(path) {
        Ok(data) => account(&subject, target, &data),
        Err(fault) => failed(&subject, &fault),
    });
    if !target.audience.is_empty() {
        list.push(audience(target));
    }
    list
}

fn account(subject: &str, target: &Target, data: &Value) -> Finding {
    let found = api::list(data).iter().find(|item| api::text(&item["advertiser_id"]) == target.account);
    let Some(found) = found else {
        return finding(subject, FindingState::Failed, "TikTok shows no such ad account to this token.");
    };
    match found["status"].as_str().filter(|status| *status != "STATUS_ENABLE") {
        Some(status) => finding(subject, FindingState::Warning, &format!("TikTok says that it is in {status}.")),
        None => finding(subject, FindingState::Good, &format!("Visible as {}.", name(found))),
    }
}

fn audience(target: &Target) -> Finding {
    let subject = format!("audience {}", target.audience);
    let details = match audiences::details(&target.account, &target.audience) {
        Ok(Some(details)) => details,
        Ok(None) => return finding(&subject, FindingState::Failed, "TikTok has no such audience in this ad account."),
        Err(fault) => return failed(&subject, &fault),
    };
    if let Some(why) = audiences::unusable(&details) {
        return finding(&subject, FindingState::Failed, &why);
    }
    let expiring = details["is_expiring"] == true;
    let error = details["error_msg"].as_str().filter(|error| !error.is_empty());
    match (error, expiring) {
        (Some(error), _) => finding(&subject, FindingState::Warning, &format!("TikTok says: {error}")),
        (None, true) => Finding {
            cure: Some("Use it in a campaign or send people to it.".to_owned()),
            ..finding(&subject, FindingState::Warning, "TikTok will delete it soon, because it is not used.")
        },
        (None, false) => finding(&subject, FindingState::Good, &format!("Takes people: {}.", name(&details))),
    }
}

fn name(object: &Value) -> String {
    match object["name"].as_str() {
        Some(name) => format!("“{name}”"),
        None => "an object without a name".to_owned(),
    }
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let message = fault::cause_of(fault).map_or("TikTok refuses the call as too large.", |cause| &cause.message);
    finding(subject, FindingState::Failed, message)
}

#[cfg(test)]
mod tests;
