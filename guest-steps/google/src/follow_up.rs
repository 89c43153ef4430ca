//! What became of a request (contract, section 3): `GET requestStatus:retrieve`, asked until Google has processed it.
use crate::api;
use crate::classify::classify;
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, Judgement, Later, Refusal, SEND_AGAIN, Settings, fault};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// The least wait before Google is asked again, whatever the setting says.
const LEAST_MS: u64 = 1_000;
/// The longest wait, unless the setting is longer: six hours.
const LONGEST_MS: u64 = 6 * 3_600_000;
/// What Google says of a request that it has no status of.
const UNKNOWN: &str = "INVALID_REQUEST_ID";
/// For so long after a request its status may still come, in milliseconds: a day.
const PATIENCE_MS: u128 = 86_400_000;
/// What Google's reasons begin with.
const PREFIX: &str = "PROCESSING_ERROR_REASON_";

/// Asks about a reference of `members::sync`: `rows/request/made`, the last in milliseconds of UTC.
///
/// Google names no rows, only counts by reason. Where a request failed as a whole, every row of it is named; where the mistake
/// was Google's own, to be sent again.
///
/// # Errors
/// Why Google did not answer.
pub fn ask(settings: &Settings, reference: &str) -> Result<Later, Fault> {
    let mut parts = reference.split('/');
    let (Some(rows), Some(request)) = (parts.next().and_then(|rows| rows.parse::<u32>().ok()), parts.next()) else {
        return Err(fault::bug("reference", "The reference is none of this connector's."));
    };
    let made = parts.next();
    let later = Later::After(wait(settings, made));
    let path = Path::new(["v1", "requestStatus:retrieve"]).query("requestId", request);
    let answer = match classify(&http::send(Request::get(api::HOST, path))?) {
        // Google keeps no status of it: not yet, or it failed before it had one. After a day nothing more will be known.
        Err(Fault::Bug(cause)) if cause.code == UNKNOWN => {
            return Ok(match may_come(made) {
                true => later,
                false => judged(Vec::new(), vec![(format!("no-status ({UNKNOWN})"), rows)]),
            });
        }
        answer => answer?,
    };
    let statuses = api::items(&answer, "requestStatusPerDestination");
    let pending = statuses.is_empty() || statuses.iter().any(|status| !is_done(status));
    if pending {
        return Ok(later);
    }
    let mut counts: Vec<(String, u32)> = Vec::new();
    for error in statuses.iter().flat_map(|status| api::items(&status["errorInfo"], "errorCounts")) {
        let reason = error["reason"].as_str().unwrap_or("UNKNOWN");
        let reason = reason.strip_prefix(PREFIX).unwrap_or(reason).to_owned();
        let count = u32::try_from(api::number(&error["recordCount"]).unwrap_or_default()).unwrap_or(u32::MAX);
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => counts.push((reason, count)),
        }
    }
    let failed = statuses.iter().all(|status| status["requestStatus"] == "FAILED");
    let all = rows > 0 && counts.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() >= u64::from(rows);
    if !failed && !all {
        return Ok(judged(Vec::new(), counts));
    }
    let code = counts.iter().max_by_key(|(_, count)| *count).map_or("FAILED", |(reason, _)| reason.as_str());
    let message = format!("Google processed nobody of this batch: {}.", words(code));
    let refusal = |row| Refusal { row, code: code.to_owned(), message: message.clone() };
    // A mistake within Google is nobody's: the same batch is sent again (contract, section 6).
    let again = (code == "INTERNAL_ERROR").then(|| (SEND_AGAIN.to_owned(), rows));
    Ok(judged((0..rows).map(refusal).collect(), again.into_iter().collect()))
}

/// How long to wait before the next question: the setting's span, and from then on as long again as it has taken.
fn wait(settings: &Settings, made: Option<&str>) -> u64 {
    let seconds = u64::try_from(settings.number("status_seconds")).unwrap_or_default();
    let taken = age_ms(made).and_then(|age| u64::try_from(age).ok()).unwrap_or_default();
    taken.min(LONGEST_MS).max(seconds.saturating_mul(1_000)).max(LEAST_MS)
}

/// How old a request is that was made then (milliseconds of UTC); none where that is not known.
fn age_ms(made: Option<&str>) -> Option<u128> {
    let made: u128 = made?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Some(now.saturating_sub(made))
}

/// Whether a request may still become known.
fn may_come(made: Option<&str>) -> bool {
    age_ms(made).is_some_and(|age| age < PATIENCE_MS)
}

fn is_done(status: &Value) -> bool {
    matches!(status["requestStatus"].as_str(), Some("SUCCESS" | "PARTIAL_SUCCESS" | "FAILED"))
}

fn judged(refused: Vec<Refusal>, counts: Vec<(String, u32)>) -> Later {
    Later::Done(Judgement { refused, counts })
}

fn words(reason: &str) -> &'static str {
    match reason {
        "DENIED_CONSENT" => "they denied consent",
        "NO_CONSENT" | "UNKNOWN_CONSENT" => "their consent is not known, which Google needs for people in the EEA",
        "INTERNAL_ERROR" => "it failed at Google, so send them again",
        "INVALID_FORMAT" | "INVALID_MOBILE_ID_FORMAT" => "their identifiers are not valid",
        _ => "it says no more",
    }
}

#[cfg(test)]
mod tests {
    use super::ask;
    use caravan_sdk::{Fault, Later, Settings, testing};
    use std::time::{SystemTime, UNIX_EPOCH};

    fn played(reference: &str, http: u16, body: &'static str) -> (Result<Later, Fault>, Vec<testing::Call>) {
        let settings = Settings::parse(r#"{"status_seconds":1800}"#).expect("settings");
        testing::with_partner(move |_| testing::json(http, body), || ask(&settings, reference))
    }

    #[test]
    fn a_request_that_is_processed_is_asked_about_again() {
        let body = r#"{"requestStatusPerDestination":[{"requestStatus":"PROCESSING"}]}"#;
        let (later, calls) = played("2/t-7", 200, body);
        assert_eq!(later, Ok(Later::After(1_800_000)));
        assert_eq!(
            (calls[0].method.as_str(), calls[0].path.as_str()),
            ("GET", "/v1/requestStatus:retrieve?requestId=t-7")
        );
        for body in ["{}", r#"{"requestStatusPerDestination":[{"requestStatus":"REQUEST_STATUS_UNKNOWN"}]}"#] {
            assert_eq!(played("2/t-7", 200, body).0, Ok(Later::After(1_800_000)));
        }
    }

    #[test]
    fn questions_about_a_request_come_ever_more_seldom() {
        let body = r#"{"requestStatusPerDestination":[{"requestStatus":"PROCESSING"}]}"#;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now").as_millis();
        let after = |age: u128| match played(&format!("2/t/{}", now - age), 200, body).0 {
            Ok(Later::After(wait)) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(60_000), 1_800_000, "the setting's span at least");
        let hours = 3_600_000;
        assert!((2 * hours..2 * hours + 60_000).contains(&u128::from(after(2 * hours))), "as long again");
        assert_eq!(after(40 * hours), 21_600_000, "four times a day at least");
    }

    #[test]
    fn a_success_refuses_nobody_and_a_part_of_one_is_counted_by_reason() {
        let good = r#"{"requestStatusPerDestination":[{"requestStatus":"SUCCESS"}]}"#;
        let Ok(Later::Done(judgement)) = played("9/t", 200, good).0 else { panic!("judged") };
        assert!(judgement.refused.is_empty() && judgement.counts.is_empty());
        let partly = r#"{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS","errorInfo":{"errorCounts":[
            {"recordCount":"3","reason":"PROCESSING_ERROR_REASON_DENIED_CONSENT"},
            {"recordCount":1,"reason":"PROCESSING_ERROR_REASON_NO_CONSENT"}]}}]}"#;
        let Ok(Later::Done(judgement)) = played("9/t", 200, partly).0 else { panic!("judged") };
        assert!(judgement.refused.is_empty(), "Google names nobody");
        assert_eq!(judgement.counts, [("DENIED_CONSENT".to_owned(), 3), ("NO_CONSENT".to_owned(), 1)]);
    }

    #[test]
    fn row_a_failed_request_names_everybody_so_that_they_can_be_sent_again() {
        for (body, code) in [
            (
                r#"{"requestStatusPerDestination":[{"requestStatus":"FAILED","errorInfo":{"errorCounts":[
                {"recordCount":"3","reason":"PROCESSING_ERROR_REASON_INTERNAL_ERROR"}]}}]}"#,
                "INTERNAL_ERROR",
            ),
            (r#"{"requestStatusPerDestination":[{"requestStatus":"FAILED"}]}"#, "FAILED"),
            (
                r#"{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS","errorInfo":{"errorCounts":[
                {"recordCount":"3","reason":"PROCESSING_ERROR_REASON_DENIED_CONSENT"}]}}]}"#,
                "DENIED_CONSENT",
            ),
        ] {
            let Ok(Later::Done(judgement)) = played("3/t", 200, body).0 else { panic!("judged") };
            let named: Vec<_> = judgement.refused.iter().map(|refusal| (refusal.row, refusal.code.as_str())).collect();
            assert_eq!(named, [(0, code), (1, code), (2, code)]);
            // A mistake within Google is nobody's: the batch goes again.
            let again = [("send-again".to_owned(), 3)];
            assert_eq!(judgement.counts, if code == "INTERNAL_ERROR" { &again[..] } else { &[] });
        }
    }

    #[test]
    fn a_request_without_a_status_is_asked_about_for_a_day_and_then_told_with_googles_word() {
        let unknown = r#"{"error":{"status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"request_id","reason":"INVALID_REQUEST_ID"}]}]}}"#;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now").as_millis();
        assert_eq!(played(&format!("4/t/{}", now - 600_000), 400, unknown).0, Ok(Later::After(1_800_000)));
        for long_ago in ["4/t".to_owned(), format!("4/t/{}", now - 90_000_000)] {
            let Ok(Later::Done(judgement)) = played(&long_ago, 400, unknown).0 else { panic!("judged") };
            assert!(judgement.refused.is_empty(), "nobody knows that they were refused");
            assert_eq!(judgement.counts, [("no-status (INVALID_REQUEST_ID)".to_owned(), 4)]);
        }
        assert!(matches!(played("4/t", 503, "{}").0, Err(Fault::Unavailable(_))));
        assert!(matches!(played("t", 200, "{}").0, Err(Fault::Bug(_))));
    }
}
