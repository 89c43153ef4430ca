//! The checklist of a connection: permissions, token, ad account, terms, audience (contract, sections 1 and 2).
use crate::classify::{About, manager_link, terms_link};
use crate::{accounts, api, audiences};
use caravan_sdk::{Fault, Finding, FindingState, Settings, Target, fault, finding};
use serde_json::Value;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(settings: &Settings, target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    let permissions = api::get(api::path(settings, &["me", "permissions"]), About::Login);
    let token = token(&permissions);
    let dead = token.state == FindingState::Failed;
    list.push(token);
    if dead {
        return list;
    }
    list.push(permission(&permissions));
    if target.account.is_empty() {
        return list;
    }
    let about = About::Account(&target.account);
    let path = api::path(settings, &[&api::account_node(&target.account)])
        .query("fields", "id,name,account_status,tos_accepted");
    let subject = format!("ad account {}", api::account_node(&target.account));
    match api::get(path, about) {
        Err(fault) => list.push(failed(&subject, &fault)),
        Ok(account) => {
            list.push(match accounts::unusable(&account["account_status"]) {
                Some(why) => finding(&subject, FindingState::Failed, &why),
                None => finding(&subject, FindingState::Good, &format!("Visible as {}.", name(&account))),
            });
            list.push(terms(&account["tos_accepted"], about));
        }
    }
    if !target.audience.is_empty() {
        list.push(audience(settings, target));
    }
    list
}

fn token(permissions: &Result<Value, Fault>) -> Finding {
    match permissions {
        Err(Fault::Unauthorized(_)) => permissions.as_ref().err().map(|fault| failed("token", fault)),
        Err(fault) if fault::is_temporary(fault) => Some(failed("token", fault)),
        _ => None,
    }
    .unwrap_or_else(|| finding("token", FindingState::Good, "Meta accepts it."))
}

/// Writing needs `ads_management` (contract, section 1).
fn permission(permissions: &Result<Value, Fault>) -> Finding {
    let subject = "permission ads_management";
    let Ok(answer) = permissions else {
        return finding(subject, FindingState::Warning, "Meta does not say which permissions the token has.");
    };
    let (items, _) = api::page(answer);
    let granted = items.iter().any(|item| item["permission"] == "ads_management" && item["status"] == "granted");
    match granted {
        true => finding(subject, FindingState::Good, "Granted."),
        false => Finding {
            cure: Some("Connect again and grant it, or give it to the system user.".to_owned()),
            ..finding(subject, FindingState::Failed, "Not granted: audiences can be seen but not changed.")
        },
    }
}

/// `tos_accepted` maps kinds of terms to 1; the names of the kinds are not certain, so those that speak of custom
/// audiences count, except the ones for website audiences.
fn terms(accepted: &Value, about: About<'_>) -> Finding {
    let subject = "terms";
    let Some(kinds) = accepted.as_object() else {
        return Finding {
            link: Some(terms_link(about)),
            ..finding(subject, FindingState::Warning, "Meta does not say whether its terms are accepted.")
        };
    };
    let ours = |kind: &str| kind.contains("custom_audience") && !kind.starts_with("web");
    let signed =
        kinds.iter().any(|(kind, value)| ours(kind) && (value.as_i64() == Some(1) || value == &Value::Bool(true)));
    match signed {
        true => finding(subject, FindingState::Good, "Meta's terms for custom audiences are accepted."),
        false => Finding {
            cure: Some("Accept them as a person of this business.".to_owned()),
            link: Some(terms_link(about)),
            ..finding(subject, FindingState::Failed, "Meta's terms for custom audiences are not accepted.")
        },
    }
}

fn audience(settings: &Settings, target: &Target) -> Finding {
    let subject = format!("audience {}", target.audience);
    let about = About::Audience { account: &target.account, audience: &target.audience };
    let path = api::path(settings, &[&target.audience]).query("fields", audiences::FIELDS);
    match api::get(path, about) {
        Err(fault) => failed(&subject, &fault),
        Ok(answer) => match audiences::unusable(&answer) {
            Some(why) => Finding { link: Some(manager_link(about)), ..finding(&subject, FindingState::Failed, &why) },
            None => finding(&subject, FindingState::Good, &format!("Takes people: {}.", name(&answer))),
        },
    }
}

fn name(object: &Value) -> String {
    match object["name"].as_str() {
        Some(name) => format!("“{name}”"),
        None => "an object without a name".to_owned(),
    }
}

/// What Meta refused; that it is out of order for now is a warning of its own kind, but also no proof that all is well.
fn failed(subject: &str, fault: &Fault) -> Finding {
    let cause = fault::cause_of(fault);
    let message = cause.map_or("Meta refuses the call as too large.", |cause| &cause.message);
    Finding { link: cause.and_then(|cause| cause.link.clone()), ..finding(subject, FindingState::Failed, message) }
}

#[cfg(test)]
mod tests;
