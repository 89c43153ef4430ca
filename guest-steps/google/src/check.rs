//! The checklist of a connection: token and account, terms, list (contract, sections 1 and 2).
use crate::{api, audiences};
use caravan_sdk::http::Method;
use caravan_sdk::{Fault, Finding, FindingState, Settings, Target, fault, finding};
use serde_json::Value;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(settings: &Settings, target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    if target.account.is_empty() {
        list.push(match crate::accounts::list(settings, None) {
            Ok(page) => finding(
                "token",
                FindingState::Good,
                &format!("Google accepts it and shows {} accounts.", page.accounts.len()),
            ),
            // Listing needs a scope of its own, which writing does not.
            Err(Fault::Forbidden(cause)) => Finding {
                cure: Some("Type the accounts' ids by hand, or grant the scope of the Google Ads API.".to_owned()),
                ..finding("token", FindingState::Warning, &cause.message)
            },
            Err(fault) => failed("token", &fault),
        });
        return list;
    }
    let subject = format!("ad account {}", target.account);
    let lists = api::lists(&target.account, None)
        .and_then(|path| api::about_lists(settings, Method::Get, path.query("pageSize", "1"), None));
    match lists {
        Ok(_) => {
            list.push(finding("token", FindingState::Good, "Google accepts it."));
            list.push(finding(&subject, FindingState::Good, "Its lists are visible."));
        }
        Err(fault @ Fault::Unauthorized(_)) => {
            list.push(failed("token", &fault));
            return list;
        }
        Err(fault) => {
            list.push(failed(&subject, &fault));
            return list;
        }
    }
    list.push(terms(settings, target));
    list.push(consent(settings));
    if !target.audience.is_empty() {
        list.extend(audience(settings, target));
    }
    list
}

/// Google has no call that tells about terms; a list that is only checked and not made shows it.
fn terms(settings: &Settings, target: &Target) -> Finding {
    let made = audiences::body(settings, "Caravan checks the terms", "Not made.", "contact").and_then(|body| {
        let path = api::lists(&target.account, None)?.query("validateOnly", "true");
        api::about_lists(settings, Method::Post, path, Some(&body))
    });
    match made {
        Ok(_) => finding("terms", FindingState::Good, "Google would make lists of customer data here."),
        Err(fault) if fault::is_temporary(&fault) => failed("terms", &fault),
        Err(fault) => Finding {
            cure: Some("Open the account's audience manager and accept the customer-data terms there.".to_owned()),
            ..failed("terms", &fault)
        },
    }
}

fn consent(settings: &Settings) -> Finding {
    let defaults = [settings.text("default_ad_user_data"), settings.text("default_ad_personalization")];
    match defaults.iter().all(|default| *default == "granted") {
        true => finding("consent", FindingState::Good, "People who said nothing are sent as having agreed."),
        false => finding(
            "consent",
            FindingState::Warning,
            "Google drops people in the EEA unless both consents are granted: `ad-user-data` and `ad-personalization`.",
        ),
    }
}

fn audience(settings: &Settings, target: &Target) -> Vec<Finding> {
    let subject = format!("audience {}", target.audience);
    let answer = api::lists(&target.account, Some(&target.audience))
        .and_then(|path| api::about_lists(settings, Method::Get, path, None));
    let answer = match answer {
        Err(fault) => return vec![failed(&subject, &fault)],
        Ok(answer) => answer,
    };
    let usable = match audiences::unusable(&answer) {
        Some(why) => finding(&subject, FindingState::Failed, &why),
        None => finding(&subject, FindingState::Good, &format!("Takes people: {}.", name(&answer))),
    };
    std::iter::once(usable).chain(forgets_sooner(settings, &answer)).collect()
}

/// Members are sent again in time by the setting: a list that somebody else made may forget them before.
fn forgets_sooner(settings: &Settings, list: &Value) -> Option<Finding> {
    let days = audiences::days(list)?;
    (days < settings.number("membership_days")).then(|| Finding {
        cure: Some(format!(
            "Set the connection's setting `membership_days` to {days}: people are sent again in time then."
        )),
        ..finding("membership", FindingState::Warning, &format!("The list forgets people after {days} days."))
    })
}

fn name(list: &Value) -> String {
    match list["displayName"].as_str() {
        Some(name) => format!("“{name}” of {}", audiences::kind(list)),
        None => "a list without a name".to_owned(),
    }
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let cause = fault::cause_of(fault);
    let message = cause.map_or("Google refuses the call as too large.", |cause| &cause.message);
    Finding { link: cause.and_then(|cause| cause.link.clone()), ..finding(subject, FindingState::Failed, message) }
}

#[cfg(test)]
mod tests;
