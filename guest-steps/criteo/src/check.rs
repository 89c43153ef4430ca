//! The checklist of a connection: token, advertiser, segment (contract, sections 1 and 2). Criteo has no scopes on the
//! wire: an advertiser that has not consented does not appear.
use crate::classify::About;
use crate::{accounts, api, audiences};
use caravan_sdk::{Fault, Finding, FindingState, Settings, Target, fault, finding};
use serde_json::Value;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(settings: &Settings, target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    match api::get(api::path(settings, &["marketing-solutions", "me"]), About::Login) {
        Ok(_) => list.push(finding("token", FindingState::Good, "Criteo accepts it.")),
        Err(fault) => {
            list.push(failed("token", &fault));
            return list;
        }
    }
    if target.account.is_empty() {
        return list;
    }
    let subject = format!("advertiser {}", target.account);
    list.push(match accounts::list(settings) {
        Err(fault) => failed(&subject, &fault),
        Ok(page) => match page.accounts.iter().find(|account| account.id == target.account) {
            Some(account) => finding(&subject, FindingState::Good, &format!("Visible as “{}”.", account.name)),
            None => Finding {
                cure: Some("An admin of the advertiser must open the app's consent link and grant it.".to_owned()),
                ..finding(&subject, FindingState::Failed, "Criteo does not show this advertiser to the app.")
            },
        },
    });
    if !target.audience.is_empty() {
        list.push(audience(settings, target));
    }
    list
}

fn audience(settings: &Settings, target: &Target) -> Finding {
    let subject = format!("audience {}", target.audience);
    let item = match audiences::one(settings, &target.account, &target.audience) {
        Err(fault) => return failed(&subject, &fault),
        Ok(None) => return finding(&subject, FindingState::Failed, "The advertiser has no such segment."),
        Ok(Some(item)) => item,
    };
    if let Some(why) = audiences::unusable(&item) {
        return finding(&subject, FindingState::Failed, &why);
    }
    let name = item["attributes"]["name"].as_str().unwrap_or_default();
    let path = api::segments(settings, &[&target.audience, "contact-list", "statistics"]);
    // Statistics are an extra: without them the list still takes people.
    let size = api::get(path, About::Audience).ok().and_then(|answer| matched(&answer));
    finding(&subject, FindingState::Good, &format!("Takes people: “{name}”{}.", size.unwrap_or_default()))
}

fn matched(answer: &Value) -> Option<String> {
    let told = &answer["data"]["attributes"];
    let (sent, matched) = (told["numberOfIdentifiers"].as_u64()?, told["numberOfMatches"].as_u64()?);
    Some(format!(", with {sent} identifiers, {matched} of them matched"))
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let message = fault::cause_of(fault).map_or("Criteo refuses the call as too large.", |cause| &cause.message);
    finding(subject, FindingState::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::findings;
    use caravan_sdk::{Finding, FindingState, Settings, testing};

    fn found(token: u16, advertiser: &'static str, segment: &'static str) -> Vec<Finding> {
        let settings = Settings::parse(r#"{"api_version":"2026-07"}"#).expect("settings");
        let answer = move |call: &testing::Call| match call.path.as_str() {
            "/2026-07/marketing-solutions/me" => testing::json(token, "{}"),
            "/2026-07/advertisers/me" => testing::json(200, &format!(r#"{{"data":[{{"id":"{advertiser}"}}]}}"#)),
            path if path.ends_with("/statistics") => {
                testing::json(200, r#"{"data":{"attributes":{"numberOfIdentifiers":9,"numberOfMatches":7}}}"#)
            }
            _ => testing::json(200, &format!(r#"{{"data":[{segment}]}}"#)),
        };
        testing::with_partner(answer, || findings(&settings, &testing::target("1", "5678", ""))).0
    }

    const LIST: &str =
        r#"{"id":"5678","attributes":{"name":"L","type":"ContactList","contactList":{"isReadOnly":false}}}"#;

    #[test]
    fn a_sound_connection_is_good_throughout_and_tells_the_matches() {
        let list = found(200, "1", LIST);
        assert_eq!(list.len(), 3);
        assert!(list.iter().all(|finding| finding.state == FindingState::Good), "{list:?}");
        assert!(list[2].message.contains("7 of them matched"));
    }

    #[test]
    fn what_fails_is_said() {
        assert_eq!(found(401, "1", LIST).len(), 1);
        let list = found(200, "2", "");
        assert_eq!((list[1].state, list[2].state), (FindingState::Failed, FindingState::Failed));
        assert!(list[1].cure.is_some() && list[2].subject.starts_with("audience"));
    }
}
