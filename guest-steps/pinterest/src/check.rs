//! The checklist of a connection: token, ad account and role, list, and the audience over it (contract, sections 1, 2).
use crate::classify::About;
use crate::{accounts, api, audiences};
use caravan_sdk::{Fault, Finding, FindingState, Target, fault, finding};

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    let account = match accounts::find(&target.account) {
        Ok(account) => account,
        Err(fault) => {
            list.push(failed("token", &fault));
            return list;
        }
    };
    list.push(finding("token", FindingState::Good, "Pinterest accepts it."));
    if target.account.is_empty() {
        return list;
    }
    let subject = format!("ad account {}", target.account);
    let Some(account) = account else {
        list.push(finding(&subject, FindingState::Failed, "Pinterest shows no such ad account to this token."));
        return list;
    };
    let name = account["name"].as_str().unwrap_or(&target.account);
    list.push(finding(&subject, FindingState::Good, &format!("Visible as “{name}”.")));
    list.push(match accounts::may_change(&account) {
        Some(true) => finding("role", FindingState::Good, "It lets audiences be changed."),
        Some(false) => Finding {
            cure: Some(format!("Give the user one of the roles {} in the ad account.", accounts::ROLES.join(", "))),
            ..finding("role", FindingState::Warning, "The user's role may not let audiences be changed.")
        },
        None => finding("role", FindingState::Warning, "Pinterest does not say which role the user has."),
    });
    if !target.audience.is_empty() {
        list.extend(audience(target));
    }
    list
}

fn audience(target: &Target) -> Vec<Finding> {
    let subject = format!("audience {}", target.audience);
    let path = api::path(&[&target.account, "customer_lists", &target.audience]);
    let list = match api::get(path, About::Audience) {
        Ok(list) => list,
        Err(fault) => return vec![failed(&subject, &fault)],
    };
    let name = list["name"].as_str().unwrap_or_default();
    let message = match list["status"].as_str() {
        Some("TOO_SMALL") => format!("Takes people: “{name}”. Too small for ads: 100 of them must be on Pinterest."),
        _ => format!("Takes people: “{name}”."),
    };
    let mut found = vec![finding(&subject, FindingState::Good, &message)];
    let usable = "targeting";
    found.push(match audiences::over(&target.account, &target.audience) {
        Ok(Some(_)) => finding(usable, FindingState::Good, "An audience stands over the list."),
        Ok(None) => Finding {
            cure: Some("Make an audience over the customer list in Ads Manager.".to_owned()),
            ..finding(usable, FindingState::Warning, "No audience stands over the list, so that ads cannot use it.")
        },
        Err(fault) => failed(usable, &fault),
    });
    found
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let message = fault::cause_of(fault).map_or("Pinterest refuses the call as too large.", |cause| &cause.message);
    finding(subject, FindingState::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::findings;
    use caravan_sdk::{Finding, FindingState, testing};

    fn found(token: u16, role: &'static str, list: u16, over: &'static str) -> Vec<Finding> {
        let answer = move |call: &testing::Call| match call.path.split('?').next().unwrap_or_default() {
            "/v5/ad_accounts" => testing::json(
                token,
                &format!(r#"{{"items":[{{"id":"1","name":"A","permissions":["{role}"]}}],"bookmark":null}}"#),
            ),
            "/v5/ad_accounts/1/customer_lists/643" => {
                testing::json(list, r#"{"id":"643","name":"L","status":"TOO_SMALL"}"#)
            }
            _ => testing::json(200, &format!(r#"{{"items":[{{"id":"9","rule":{{"customer_list_id":"{over}"}}}}]}}"#)),
        };
        testing::with_partner(answer, || findings(&testing::target("1", "643", ""))).0
    }

    #[test]
    fn a_sound_connection_is_good_throughout_also_while_the_list_is_small() {
        let list = found(200, "ADMIN", 200, "643");
        assert_eq!(list.len(), 5);
        assert!(list.iter().all(|finding| finding.state == FindingState::Good), "{list:?}");
        assert!(list[3].subject.starts_with("audience") && list[3].message.contains("Too small"));
    }

    #[test]
    fn what_fails_or_may_fail_is_said() {
        assert_eq!(found(401, "ADMIN", 200, "643").len(), 1);
        let states: Vec<_> = found(200, "ANALYST", 200, "7").iter().map(|finding| finding.state).collect();
        assert_eq!(states[2..], [FindingState::Warning, FindingState::Good, FindingState::Warning]);
        let list = found(200, "ADMIN", 404, "643");
        assert_eq!(list[3].state, FindingState::Failed);
    }
}
