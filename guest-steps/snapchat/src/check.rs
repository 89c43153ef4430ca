//! The checklist of a connection: token, ad account, segment (contract, sections 1 and 2). Snapchat has no call that tells
//! about terms; a segment that cannot be made says so then.
use crate::{accounts, audiences};
use caravan_sdk::{Fault, Finding, FindingState, Settings, Target, fault, finding};
use serde_json::Value;

/// What can be said of a connection; stops where nothing further can be.
pub fn findings(settings: &Settings, target: &Target) -> Vec<Finding> {
    let mut list = Vec::new();
    let account = match accounts::find(&target.account) {
        Ok(account) => account,
        Err(fault) => {
            list.push(failed("token", &fault));
            return list;
        }
    };
    list.push(finding("token", FindingState::Good, "Snapchat accepts it."));
    if target.account.is_empty() {
        return list;
    }
    let subject = format!("ad account {}", target.account);
    list.push(match account {
        Some(account) => match account.unusable {
            Some(why) => finding(&subject, FindingState::Warning, &why),
            None => finding(&subject, FindingState::Good, &format!("Visible as “{}”.", account.name)),
        },
        None => Finding {
            cure: Some("Give the person who connected a role that manages audiences in it.".to_owned()),
            ..finding(&subject, FindingState::Failed, "Snapchat shows no such ad account to this token.")
        },
    });
    if !target.audience.is_empty() {
        list.extend(audience(settings, target));
    }
    list
}

fn audience(settings: &Settings, target: &Target) -> Vec<Finding> {
    let subject = format!("audience {}", target.audience);
    let segment = match audiences::one(&target.audience) {
        Ok(segment) => segment,
        Err(fault) => return vec![failed(&subject, &fault)],
    };
    if let Some(why) = audiences::unusable(&segment) {
        return vec![finding(&subject, FindingState::Failed, &why)];
    }
    let name = segment["name"].as_str().unwrap_or_default();
    let usable = match segment["targetable_status"].as_str() {
        Some("TOO_FEW_USERS") => {
            let message = format!("Takes people: “{name}”. Too few of them are matched for ads: it needs about 1,000.");
            finding(&subject, FindingState::Good, &message)
        }
        _ => finding(&subject, FindingState::Good, &format!("Takes people: “{name}”.")),
    };
    std::iter::once(usable).chain(forgets_sooner(settings, &segment)).collect()
}

/// Members are sent again in time by the setting: a segment that somebody else made may forget them before.
fn forgets_sooner(settings: &Settings, segment: &Value) -> Option<Finding> {
    let days = segment["retention_in_days"].as_i64().filter(|days| *days > 0)?;
    (days < settings.number("retention_in_days")).then(|| Finding {
        cure: Some(format!(
            "Set the connection's setting `retention_in_days` to {days}: people are sent again in time then."
        )),
        ..finding("retention", FindingState::Warning, &format!("The segment forgets people after {days} days."))
    })
}

fn failed(subject: &str, fault: &Fault) -> Finding {
    let message = fault::cause_of(fault).map_or("Snapchat refuses the call as too large.", |cause| &cause.message);
    finding(subject, FindingState::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::findings;
    use caravan_sdk::{Finding, FindingState, Settings, testing};

    fn found(token: u16, account: &'static str, status: u16, segment: &'static str) -> Vec<Finding> {
        let answer = move |call: &testing::Call| match call.path.starts_with("/v1/me/") {
            true => testing::json(
                token,
                &format!(
                    r#"{{"organizations":[{{"organization":{{"ad_accounts":[{{"id":"{account}","name":"A"}}]}}}}]}}"#
                ),
            ),
            false => testing::json(status, segment),
        };
        let settings = Settings::parse(r#"{"retention_in_days":9999}"#).expect("settings");
        testing::with_partner(answer, || findings(&settings, &testing::target("a", "5", ""))).0
    }

    const SEGMENT: &str = r#"{"segments":[{"segment":{"name":"L","source_type":"FIRST_PARTY","status":"ACTIVE"}}]}"#;

    #[test]
    fn a_sound_connection_is_good_throughout() {
        let list = found(200, "a", 200, SEGMENT);
        assert_eq!(list.len(), 3);
        assert!(list.iter().all(|finding| finding.state == FindingState::Good), "{list:?}");
    }

    #[test]
    fn a_segment_that_forgets_people_sooner_than_the_setting_says_is_warned_of() {
        let of = |days: &'static str| found(200, "a", 200, days).pop().expect("findings");
        let last = of(r#"{"segments":[{"segment":{"name":"L","source_type":"FIRST_PARTY","retention_in_days":30}}]}"#);
        assert_eq!((last.subject.as_str(), last.state), ("retention", FindingState::Warning));
        let last =
            of(r#"{"segments":[{"segment":{"name":"L","source_type":"FIRST_PARTY","retention_in_days":9999}}]}"#);
        assert_eq!(last.state, FindingState::Good);
    }

    #[test]
    fn what_fails_is_said() {
        assert_eq!(found(401, "a", 200, SEGMENT).len(), 1);
        let list = found(200, "other", 404, "{}");
        assert_eq!((list[1].state, list[2].state), (FindingState::Failed, FindingState::Failed));
        assert!(list[1].cure.is_some() && list[2].subject.starts_with("audience"));
    }
}
