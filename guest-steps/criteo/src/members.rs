//! Adding and removing people (contract, section 3): `PATCH …/audience-segments/<id>/contact-list`, one type of
//! identifier per call.
use crate::classify::{About, MAYBE_AUDIENCE, classify};
use crate::{api, audiences};
use caravan_sdk::http::{self, Method, Request};
use caravan_sdk::json::{self, Cells};
use caravan_sdk::{
    Action, AudienceState, Fault, Part, Report, Rows, Settings, Sink, Target, Values, fault, log, report,
};
use serde_json::Value;

/// Keys that stand for Criteo's `email`.
const EMAILS: [&str; 2] = ["email", "email_md5"];
/// Criteo's cookie ids, which belong to a caller.
const GUM: &str = "gum";

/// Sends one part as one call.
pub fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    match send(settings, target, part) {
        Ok(refused) => report::settled_but(part.rows, refused),
        Err(fault) => report::fault(explained(fault, settings, target)),
    }
}

/// How many identifiers Criteo refused. A sample of them comes along; it holds what was sent and is not looked at.
fn send(settings: &Settings, target: &Target, part: &Part) -> Result<u32, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(0);
    }
    let [column] = rows.columns() else {
        return Err(fault::bug("columns", "A call to Criteo takes exactly one type of identifier."));
    };
    let amendment = Amendment::of(part.action, column, settings)?;
    let write = |sink: &mut Sink<'_>| amendment.write(sink);
    let length = json::measure(&write);
    let path = api::segments(settings, &[&target.audience, "contact-list"]);
    let request =
        Request::new(Method::Patch, api::HOST, path).header("accept", "application/json").json_stream(length, &write);
    let answer = classify(&http::send(request)?, About::Audience)?;
    refused(&answer, part.rows)
}

/// Traps, row 29: 200 with `nbInvalidIdentifiers` is a partial answer.
fn refused(answer: &Value, rows: u32) -> Result<u32, Fault> {
    let told = &answer["data"]["attributes"];
    let number = |name: &str| told[name].as_u64().or_else(|| told[name].as_str()?.parse().ok());
    let (valid, invalid) = (number("nbValidIdentifiers"), number("nbInvalidIdentifiers"));
    if valid.is_none() && invalid.is_none() {
        let cause = fault::cause("garbled", "Criteo answered without saying what it received.");
        return Err(fault::unavailable(None, cause));
    }
    let invalid = invalid.unwrap_or_default();
    if invalid > 0 {
        log::warn(format!("Criteo refused {invalid} of {rows} identifiers as malformed."));
    }
    Ok(u32::try_from(invalid).unwrap_or(u32::MAX))
}

/// A refusal whose code is in no table may be the segment's fault: the segment itself tells. This is a read, and comes
/// only after the refusal.
fn explained(fault: Fault, settings: &Settings, target: &Target) -> Fault {
    let cause = match &fault {
        Fault::Bug(cause) if cause.code == MAYBE_AUDIENCE => cause,
        _ => return fault,
    };
    match audiences::one(settings, &target.account, &target.audience) {
        Ok(Some(item)) if audiences::unusable(&item).is_some() => {
            fault::audience(AudienceState::NotWritable, cause.clone())
        }
        Ok(None) => fault::audience(AudienceState::Missing, cause.clone()),
        _ => fault,
    }
}

/// The body: `{"data":{"type":"ContactlistAmendment","attributes":{"operation":"add","identifierType":"email","identifiers":["…"]}}}`.
struct Amendment<'a> {
    head: String,
    cells: Cells<'a>,
}

impl<'a> Amendment<'a> {
    /// # Errors
    /// Criteo's cookie ids without the caller that they belong to.
    fn of(action: Action, column: &Values<'a>, settings: &Settings) -> Result<Amendment<'a>, Fault> {
        let operation = match action {
            Action::Add => "add",
            Action::Remove => "remove",
        };
        let key = column.key();
        let kind = if EMAILS.contains(&key) { EMAILS[0] } else { key };
        let caller = match (key, settings.number("gum_caller_id")) {
            (GUM, ..=0) => {
                let message =
                    "Fill in the setting `gum_caller_id`: Criteo takes its cookie ids only with the caller's.";
                return Err(fault::misconfigured("gum-caller-id", message));
            }
            (GUM, caller) => format!("\"gumCallerId\":{caller},"),
            _ => String::new(),
        };
        let head = format!(
            "{{\"data\":{{\"type\":\"ContactlistAmendment\",\"attributes\":{{\"operation\":\"{operation}\",\"identifierType\":{},{caller}\"identifiers\":[",
            json::string(kind)
        );
        Ok(Amendment { head, cells: Cells::texts(*column) })
    }

    fn write(&self, sink: &mut Sink<'_>) {
        sink.put(self.head.as_bytes());
        let mut before: &[u8] = b"\"";
        for row in 0..self.cells.values().iter().count() {
            if self.cells.values().get(row).is_empty() {
                continue;
            }
            sink.put(before);
            self.cells.put(row, b"\"", sink);
            before = b",\"";
        }
        sink.put(b"]}}}");
    }
}

#[cfg(test)]
mod tests {
    use super::sync;
    use caravan_sdk::http::Response;
    use caravan_sdk::{Action, AudienceState, Fault, Part, Report, Settings, testing};

    const A: &str = "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f";
    const B: &str = "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339";
    const MADID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn told(valid: u32, invalid: u32) -> String {
        format!(
            r#"{{"data":{{"type":"ContactlistAmendment","attributes":{{"contactListId":"12","nbValidIdentifiers":{valid},"nbInvalidIdentifiers":{invalid},"sampleInvalidIdentifiers":["{A}"]}}}},"errors":[],"warnings":[]}}"#
        )
    }

    fn played(part: &Part, answer: impl Fn(&testing::Call) -> Response + 'static) -> (Report, Vec<testing::Call>) {
        let settings = Settings::parse(r#"{"api_version":"2026-07"}"#).expect("settings");
        testing::with_partner(answer, || sync(&settings, &testing::target("1", "5678", ""), part))
    }

    fn ok(_: &testing::Call) -> Response {
        testing::json(200, &told(2, 0))
    }

    #[test]
    fn trap_20_people_go_to_the_newer_path() {
        let part = testing::part("email", &[("email", &[A, B])]);
        let (report, calls) = played(&part, ok);
        assert_eq!((report.settled.as_slice(), report.unnamed_refused, &report.fault), (&[(0, 2)][..], 0, &None));
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((call.method.as_str(), call.host.as_str()), ("PATCH", "api.criteo.com"));
        assert_eq!(call.path, "/2026-07/marketing-solutions/audience-segments/5678/contact-list");
        assert_eq!(
            call.body,
            format!(
                r#"{{"data":{{"type":"ContactlistAmendment","attributes":{{"operation":"add","identifierType":"email","identifiers":["{A}","{B}"]}}}}}}"#
            )
        );
        let length = call.headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.clone());
        assert_eq!(length, Some(call.body.len().to_string()));
        let (_, removed) = played(&Part { action: Action::Remove, ..part }, ok);
        assert_eq!(removed[0].body, call.body.replace(r#""operation":"add""#, r#""operation":"remove""#));
    }

    #[test]
    fn one_call_has_one_type_and_md5_goes_as_email() {
        let kind = |key: &str, value: &str| {
            let (_, calls) = played(&testing::part(key, &[(key, &[value])]), ok);
            let body: serde_json::Value = serde_json::from_str(&calls[0].body).expect("JSON");
            body["data"]["attributes"]["identifierType"].as_str().unwrap_or_default().to_owned()
        };
        assert_eq!(kind("email_md5", "78c8a3f73229a443be28f56546500b97"), "email");
        assert_eq!((kind("phoneNumber", A), kind("madid", MADID)), ("phoneNumber".into(), "madid".into()));
        let two = testing::part("x", &[("email", &[A]), ("phoneNumber", &[B])]);
        let (report, calls) = played(&two, ok);
        assert!(matches!(report.fault, Some(Fault::Bug(_))) && calls.is_empty());
    }

    #[test]
    fn cookie_ids_go_with_their_caller_and_liverampss_as_they_are() {
        let gum = testing::part("gum", &[("gum", &["k-\"1\"", "k-2"])]);
        let (report, calls) = played(&gum, ok);
        assert!(matches!(report.fault, Some(Fault::Misconfigured(_))) && calls.is_empty(), "{report:?}");
        let settings = Settings::parse(r#"{"api_version":"2026-07","gum_caller_id":123}"#).expect("settings");
        let sent = |part: &Part| {
            testing::with_partner(ok, || sync(&settings, &testing::target("1", "5678", ""), part)).1[0].body.clone()
        };
        let body = sent(&gum);
        assert!(body.contains(r#""identifierType":"gum","gumCallerId":123,"identifiers":["k-\"1\"","k-2"]"#), "{body}");
        let body = sent(&testing::part("identityLink", &[("identityLink", &["Xi1"])]));
        assert!(body.contains(r#""identifierType":"identityLink","identifiers":["Xi1"]"#), "{body}");
    }

    #[test]
    fn the_same_part_gives_the_same_bytes() {
        let part = testing::part("email", &[("email", &[A, "", B])]);
        assert_eq!(played(&part, ok).1, played(&part, |_| testing::json(503, "{}")).1);
        assert!(!played(&part, ok).1[0].body.contains("\"\""), "nobody is sent without an identifier");
    }

    /// Traps, row 29.
    #[test]
    fn trap_29_row_invalid_identifiers_under_200_are_unnamed_refusals() {
        let (report, _) = played(&testing::part("email", &[("email", &[A, B])]), |_| testing::json(200, &told(1, 1)));
        assert_eq!((report.settled.as_slice(), report.unnamed_refused), (&[(0, 2)][..], 1));
        assert!(testing::lines().iter().all(|line| !line.contains(A)), "the sample is not logged");
        let (report, _) = played(&testing::part("email", &[("email", &[A])]), |_| testing::json(200, "{}"));
        assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
    }

    #[test]
    fn a_refusal_of_no_known_code_is_explained_by_the_segment() {
        let refusal = r#"{"errors":[{"type":"validation","code":"surprise","title":"No"}]}"#;
        for (segment, expected) in [
            (r#"{"id":"5678","attributes":{"type":"Retargeting"}}"#, Some(AudienceState::NotWritable)),
            (
                r#"{"id":"5678","attributes":{"type":"ContactList","contactList":{"isReadOnly":true}}}"#,
                Some(AudienceState::NotWritable),
            ),
            ("", Some(AudienceState::Missing)),
            (r#"{"id":"5678","attributes":{"type":"ContactList","contactList":{"isReadOnly":false}}}"#, None),
        ] {
            let (report, calls) =
                played(&testing::part("email", &[("email", &[A])]), move |call| match call.method.as_str() {
                    "PATCH" => testing::json(400, refusal),
                    _ => testing::json(200, &format!(r#"{{"data":[{segment}]}}"#)),
                });
            assert_eq!(calls.len(), 2);
            let state = match report.fault {
                Some(Fault::Audience(fault)) => Some(fault.state),
                Some(Fault::Bug(_)) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(state, expected, "{segment}");
        }
    }
}
