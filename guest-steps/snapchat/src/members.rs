//! Adding and removing people (contract, section 3): `POST` and `DELETE segments/<id>/users` with the same JSON body, one
//! type of identifier per call.
use crate::classify::{About, MAYBE_AUDIENCE, classify};
use crate::{api, audiences};
use caravan_sdk::http::{self, Method, Request};
use caravan_sdk::json::{self, Cells};
use caravan_sdk::{
    Action, AudienceFault, AudienceState, Fault, Part, Report, Rows, Sink, Target, Values, fault, log, report,
};
use serde_json::Value;

/// Sends one part as one call.
pub fn sync(target: &Target, part: &Part) -> Report {
    match send(target, part) {
        Ok(refused) => report::settled_but(part.rows, refused),
        Err(fault) => report::fault(explained(fault, target)),
    }
}

/// How many rows Snapchat did not take.
fn send(target: &Target, part: &Part) -> Result<u32, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(0);
    }
    let [column] = rows.columns() else {
        return Err(fault::bug("columns", "A call to Snapchat takes exactly one type of identifier."));
    };
    let users = Users::of(column);
    let write = |sink: &mut Sink<'_>| users.write(sink);
    let length = json::measure(&write);
    let method = match part.action {
        Action::Add => Method::Post,
        Action::Remove => Method::Delete,
    };
    let path = api::path(&["segments", &target.audience, "users"]);
    let request = Request::new(method, api::HOST, path).json_stream(length, &write);
    let answer = classify(&http::send(request)?, About::Audience)?;
    refused(&answer, part.rows)
}

/// The difference to `number_uploaded_users`, which a removal tells under the same name.
fn refused(answer: &Value, rows: u32) -> Result<u32, Fault> {
    let counts =
        api::items(answer, "users", "user").into_iter().filter_map(|user| user["number_uploaded_users"].as_u64());
    let mut counts = counts.peekable();
    if counts.peek().is_none() {
        let cause = fault::cause("garbled", "Snapchat answered without saying what it received.");
        return Err(fault::unavailable(None, cause));
    }
    let refused = u64::from(rows).saturating_sub(counts.sum());
    if refused > 0 {
        log::warn(format!("Snapchat took {refused} of {rows} rows less than were sent, and does not say which."));
    }
    Ok(u32::try_from(refused).unwrap_or(u32::MAX))
}

/// A refused call may be the segment's fault: the segment itself tells. This is a read, and comes only after the refusal.
fn explained(fault: Fault, target: &Target) -> Fault {
    let cause = match &fault {
        Fault::Bug(cause) if cause.code == MAYBE_AUDIENCE => cause,
        _ => return fault,
    };
    match audiences::one(&target.audience) {
        Ok(segment) if audiences::unusable(&segment).is_some() => {
            fault::audience(AudienceState::NotWritable, cause.clone())
        }
        Err(Fault::Audience(AudienceFault { state: AudienceState::Missing, .. })) => {
            fault::audience(AudienceState::Missing, cause.clone())
        }
        _ => fault,
    }
}

/// The body: `{"users":[{"schema":["EMAIL_SHA256"],"data":[["<hex>"],…]}]}`.
struct Users<'a> {
    head: String,
    cells: Cells<'a>,
}

impl<'a> Users<'a> {
    fn of(column: &Values<'a>) -> Users<'a> {
        let head = format!("{{\"users\":[{{\"schema\":[{}],\"data\":[", json::string(column.key()));
        Users { head, cells: Cells::digests(*column) }
    }

    fn write(&self, sink: &mut Sink<'_>) {
        sink.put(self.head.as_bytes());
        let mut before: &[u8] = b"[\"";
        for value in self.cells.values().iter().filter(|value| !value.is_empty()) {
            sink.put_between(before, value, b"\"]");
            before = b",[\"";
        }
        sink.put(b"]}]}");
    }
}

#[cfg(test)]
mod tests {
    use super::sync;
    use caravan_sdk::http::Response;
    use caravan_sdk::{Action, AudienceState, Fault, Part, Report, testing};

    const A: &str = "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f";
    const B: &str = "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339";

    fn taken(count: u32) -> String {
        format!(
            r#"{{"request_status":"SUCCESS","request_id":"r","users":[{{"sub_request_status":"SUCCESS","user":{{"number_uploaded_users":{count}}}}}]}}"#
        )
    }

    fn played(part: &Part, answer: impl Fn(&testing::Call) -> Response + 'static) -> (Report, Vec<testing::Call>) {
        testing::with_partner(answer, || sync(&testing::target("a", "5677923948298240", ""), part))
    }

    fn two() -> Part {
        testing::part("email", &[("EMAIL_SHA256", &[A, B])])
    }

    #[test]
    fn people_are_added_and_removed_with_the_same_body() {
        let (report, calls) = played(&two(), |_| testing::json(200, &taken(2)));
        assert_eq!((report.settled.as_slice(), report.unnamed_refused, &report.fault), (&[(0, 2)][..], 0, &None));
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v1/segments/5677923948298240/users"));
        assert_eq!(call.host, "adsapi.snapchat.com");
        assert_eq!(call.body, format!(r#"{{"users":[{{"schema":["EMAIL_SHA256"],"data":[["{A}"],["{B}"]]}}]}}"#));
        assert_eq!(call.headers[1], ("content-length".to_owned(), call.body.len().to_string()));
        let (_, removed) = played(&Part { action: Action::Remove, ..two() }, |_| testing::json(200, &taken(2)));
        assert_eq!((removed[0].method.as_str(), &removed[0].body), ("DELETE", &call.body));
        assert_eq!(played(&two(), |_| testing::json(503, "")).1, calls, "the same part gives the same bytes");
    }

    #[test]
    fn a_call_takes_one_schema() {
        let part = testing::part("x", &[("EMAIL_SHA256", &[A]), ("PHONE_SHA256", &[B])]);
        let (report, calls) = played(&part, |_| testing::json(200, &taken(1)));
        assert!(matches!(report.fault, Some(Fault::Bug(_))) && calls.is_empty());
    }

    #[test]
    fn a_full_batch_has_exactly_the_announced_length() {
        let values = vec![A; 100_000];
        let (report, calls) =
            played(&testing::part("email", &[("EMAIL_SHA256", &values)]), |_| testing::json(200, &taken(100_000)));
        assert_eq!(report.settled, [(0, 100_000)]);
        assert_eq!(calls[0].headers[1].1, calls[0].body.len().to_string());
    }

    #[test]
    fn row_fewer_users_than_were_sent_are_unnamed_refusals() {
        let (report, _) = played(&two(), |_| testing::json(200, &taken(1)));
        assert_eq!((report.settled.as_slice(), report.unnamed_refused), (&[(0, 2)][..], 1));
        let (report, _) = played(&two(), |_| testing::json(200, r#"{"request_status":"SUCCESS"}"#));
        assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
    }

    /// Traps, row 28.
    #[test]
    fn trap_28_a_failed_part_of_a_good_answer_settles_nobody() {
        let body =
            r#"{"request_status":"SUCCESS","users":[{"sub_request_status":"ERROR","sub_request_error_reason":"x"}]}"#;
        let (report, _) = played(&two(), move |_| testing::json(200, body));
        assert!(report.settled.is_empty() && matches!(report.fault, Some(Fault::Unavailable(_))));
    }

    #[test]
    fn a_400_is_explained_by_the_segment() {
        let refusal = r#"{"request_status":"ERROR","error_code":"E1001","debug_message":"no"}"#;
        for (status, segment, expected) in [
            (200, r#"{"segments":[{"segment":{"source_type":"PIXEL"}}]}"#, Some(AudienceState::NotWritable)),
            (
                200,
                r#"{"segments":[{"segment":{"source_type":"FIRST_PARTY","status":"PAUSED"}}]}"#,
                Some(AudienceState::NotWritable),
            ),
            (404, "{}", Some(AudienceState::Missing)),
            (200, r#"{"segments":[{"segment":{"source_type":"FIRST_PARTY","status":"ACTIVE"}}]}"#, None),
        ] {
            let (report, _) = played(&two(), move |call| match call.method.as_str() {
                "POST" => testing::json(400, refusal),
                _ => testing::json(status, segment),
            });
            let state = match report.fault {
                Some(Fault::Audience(fault)) => Some(fault.state),
                Some(Fault::Bug(_)) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(state, expected, "{segment}");
        }
    }
}
