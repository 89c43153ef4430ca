//! The checklist of a connection: organisation and credentials, data set, audience.
use crate::{api, audiences, members};
use caravan_sdk::http::Path;
use caravan_sdk::{Fault, Finding, FindingState, Settings, SourceTarget, fault, finding};

/// What was looked at and found.
pub fn findings(settings: &Settings, target: &SourceTarget) -> Vec<Finding> {
    let mut findings = vec![match audiences::all_folders(settings) {
        Ok(folders) if target.folder.is_empty() || folders.iter().any(|folder| folder.id == target.folder) => {
            finding("credentials and organisation", FindingState::Good, "Adobe lets us in.")
        }
        Ok(_) => finding("folder", FindingState::Failed, "The credentials see no sandbox of this name."),
        Err(why) => failed("credentials and organisation", &why),
    }];
    findings.push(match settings.text("dataset").is_empty() {
        false => finding("data set", FindingState::Good, "Exports have a data set to be written to."),
        true => Finding {
            cure: Some(
                "Make a profile-enabled data set of the union schema, and fill in the setting `dataset`.".to_owned(),
            ),
            ..finding("data set", FindingState::Failed, "Exports need a data set, and none is named.")
        },
    });
    if let Some(words) = members::same_name(settings) {
        findings.push(finding("attributes", FindingState::Failed, &words));
    }
    if !target.audience.is_empty() && findings[0].state == FindingState::Good {
        let path = Path::new(["data", "core", "ups", "audiences", target.audience.as_str()]);
        findings.push(match api::get(settings, &target.folder, path) {
            Ok(item) => match audiences::unreadable(&item) {
                None => finding("audience", FindingState::Good, "It is there and published."),
                Some(why) => finding("audience", FindingState::Failed, &why),
            },
            Err(why) => failed("audience", &why),
        });
    }
    findings
}

fn failed(subject: &str, why: &Fault) -> Finding {
    let words = fault::cause_of(why).map_or("Adobe did not answer.", |cause| cause.message.as_str());
    let state = if fault::is_temporary(why) { FindingState::Warning } else { FindingState::Failed };
    finding(subject, state, words)
}
