//! Adding and removing people (contract, section 3a): `PATCH …/customer_lists/<id>` with all records in one text, parted
//! by commas; one kind of record per list.
use crate::api;
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Method, Request};
use caravan_sdk::{
    Action, Fault, Part, Refusal, Report, Rows, Settings, Sink, Target, Values, fault, json, log, report,
};
use serde_json::Value;

/// Kinds whose records are digests: nothing in them can break the text.
const DIGESTS: [&str; 3] = ["EMAIL", "MAID", "IDFA"];

/// Sends one part as one call.
pub fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    match send(settings, target, part) {
        Ok(refused) => report::settled_but(part.rows, refused),
        Err(fault) => report::fault(fault),
    }
}

/// How many records Pinterest took exception to, without naming them.
///
/// Whether the exceptions of an answer are the call's or the list's of all time is not documented (contract, section 3a). Where
/// they are the list's, it is looked at before, so that none is counted with two batches.
fn send(settings: &Settings, target: &Target, part: &Part) -> Result<u32, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(0);
    }
    let [column] = rows.columns() else {
        return Err(fault::bug("columns", "A list at Pinterest takes exactly one kind of record."));
    };
    fit(column)?;
    let path = || api::path(&[&target.account, "customer_lists", &target.audience]);
    let before = match settings.text("exceptions") {
        "call" => 0,
        _ => exceptions(&api::get(path(), About::Audience)?["exceptions"]),
    };
    let operation = match part.action {
        Action::Add => "ADD",
        Action::Remove => "REMOVE",
    };
    let head = format!("{{\"operation_type\":\"{operation}\",\"records\":\"");
    let write = |sink: &mut Sink<'_>| records(&head, column, sink);
    let request = Request::new(Method::Patch, api::HOST, path()).json_stream(json::measure(&write), &write);
    let answer = classify(&http::send(request)?, About::Audience)?;
    let refused = exceptions(&answer["exceptions"]).saturating_sub(before);
    if refused > 0 {
        log::warn(format!("Pinterest shows {refused} exceptions more for the list than before this call."));
    }
    Ok(u32::try_from(refused).unwrap_or(u32::MAX))
}

/// Opaque ids that would break the text of records, or part it, are named before anything is sent.
///
/// # Errors
/// The rows.
pub(crate) fn fit(column: &Values<'_>) -> Result<(), Fault> {
    if DIGESTS.contains(&column.key()) {
        return Ok(());
    }
    let breaks = |value: &[u8]| value.iter().any(|byte| *byte < 0x20 || b",\"\\".contains(byte));
    let refusal = |(row, value): (u32, &[u8])| {
        let message = "Records at Pinterest are parted by commas: this id has a comma, quote or backslash.";
        breaks(value).then(|| Refusal { row, code: "not-a-record".to_owned(), message: message.to_owned() })
    };
    let refused: Vec<Refusal> = (0..).zip(column.iter()).filter_map(refusal).collect();
    if refused.is_empty() { Ok(()) } else { Err(Fault::Rows(refused)) }
}

/// The shape of `exceptions` is not documented: the numbers in it are counts, else every entry is one.
fn exceptions(value: &Value) -> u64 {
    fn numbers(value: &Value) -> u64 {
        match value {
            Value::Number(number) => number.as_u64().unwrap_or_default(),
            Value::Array(list) => list.iter().map(numbers).sum(),
            Value::Object(map) => map.values().map(numbers).sum(),
            _ => 0,
        }
    }
    let entries = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => usize::from(!text.is_empty()),
        _ => 0,
    };
    if entries == 0 { 0 } else { numbers(value).max(u64::from(numbers(value) == 0) * entries as u64) }
}

/// `head`, all records with commas between them, and the end of text and object. Digests need no escaping.
pub(crate) fn records(head: &str, column: &Values<'_>, sink: &mut Sink<'_>) {
    sink.put(head.as_bytes());
    let mut before: &[u8] = b"";
    for value in column.iter().filter(|value| !value.is_empty()) {
        sink.put_between(before, value, b"");
        before = b",";
    }
    sink.put(b"\"}");
}

#[cfg(test)]
mod tests {
    use super::{exceptions, sync};
    use caravan_sdk::http::Response;
    use caravan_sdk::{Action, Fault, Part, Report, Settings, testing};
    use serde_json::json;

    const A: &str = "b375b7bbddb3de3298fbc7641063d9f03a38e118aa4480c8ab9f58740982e8bd";
    const B: &str = "c90a36d09726ec838a2421602724c99d9880bfd2ef9291876cd7a7c193863838";

    fn played_with(
        form: &str,
        part: &Part,
        answer: impl FnMut(&testing::Call) -> Response + 'static,
    ) -> (Report, Vec<testing::Call>) {
        let settings = Settings::parse(&format!(r#"{{"exceptions":"{form}"}}"#)).expect("settings");
        testing::with_partner(answer, || sync(&settings, &testing::target("549", "643", ""), part))
    }

    fn played(part: &Part, answer: impl Fn(&testing::Call) -> Response + 'static) -> (Report, Vec<testing::Call>) {
        played_with("call", part, answer)
    }

    fn ok(_: &testing::Call) -> Response {
        testing::json(200, r#"{"id":"643","status":"PROCESSING","exceptions":{}}"#)
    }

    fn two() -> Part {
        testing::part("EMAIL", &[("EMAIL", &[A, B])])
    }

    /// The contract's worked body for two members.
    #[test]
    fn records_are_one_text_parted_by_commas() {
        let (report, calls) = played(&two(), ok);
        assert_eq!((report.settled.as_slice(), report.unnamed_refused, &report.fault), (&[(0, 2)][..], 0, &None));
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((call.method.as_str(), call.host.as_str()), ("PATCH", "api.pinterest.com"));
        assert_eq!(call.path, "/v5/ad_accounts/549/customer_lists/643");
        assert_eq!(call.body, format!(r#"{{"operation_type":"ADD","records":"{A},{B}"}}"#));
        assert_eq!(call.headers[1], ("content-length".to_owned(), call.body.len().to_string()));
        let (_, removed) = played(&Part { action: Action::Remove, ..two() }, ok);
        assert_eq!(removed[0].body, call.body.replace("ADD", "REMOVE"));
        assert_eq!(played(&two(), |_| testing::json(503, "")).1, calls, "the same part gives the same bytes");
    }

    #[test]
    fn a_list_takes_one_kind() {
        let part = testing::part("x", &[("EMAIL", &[A]), ("MAID", &[B])]);
        let (report, calls) = played(&part, ok);
        assert!(matches!(report.fault, Some(Fault::Bug(_))) && calls.is_empty());
    }

    #[test]
    fn row_exceptions_under_200_are_unnamed_refusals() {
        let answer = |_: &testing::Call| testing::json(200, r#"{"id":"643","exceptions":{"invalid_records":1}}"#);
        let (report, _) = played(&two(), answer);
        assert_eq!((report.settled.as_slice(), report.unnamed_refused), (&[(0, 2)][..], 1));
    }

    #[test]
    fn exceptions_of_the_list_are_counted_with_the_batch_that_brought_them_alone() {
        let mut shown = [3, 4, 4, 4].into_iter();
        let list = move |_: &testing::Call| {
            let seen = shown.next().expect("two calls for each of two batches");
            testing::json(200, &format!(r#"{{"id":"643","exceptions":{{"invalid_records":{seen}}}}}"#))
        };
        let settings = Settings::parse(r#"{"exceptions":"list"}"#).expect("settings");
        let both = || {
            let target = testing::target("549", "643", "");
            [sync(&settings, &target, &two()), sync(&settings, &target, &two())]
        };
        let (reports, calls) = testing::with_partner(list, both);
        assert_eq!(
            reports.map(|report| (report.settled, report.unnamed_refused)),
            [(vec![(0, 2)], 1), (vec![(0, 2)], 0)]
        );
        let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
        assert_eq!(methods, ["GET", "PATCH", "GET", "PATCH"], "reads come first");
        assert_eq!(calls[0].path, calls[1].path);
        let gone = |_: &testing::Call| testing::json(404, r#"{"code":4,"message":"gone"}"#);
        let (report, calls) = played_with("list", &two(), gone);
        assert!(matches!(report.fault, Some(Fault::Audience(_))) && calls.len() == 1, "nothing is written: {report:?}");
    }

    #[test]
    fn opaque_ids_go_as_they_are_and_one_that_would_break_the_text_is_named() {
        for kind in ["LR_ID", "DLX_ID", "HASHED_PINNER_ID"] {
            let (_, calls) = played(&testing::part(kind, &[(kind, &["Xi-1", "aB2="])]), ok);
            assert_eq!(calls[0].body, r#"{"operation_type":"ADD","records":"Xi-1,aB2="}"#);
            let (report, calls) = played(&testing::part(kind, &[(kind, &["a,b", "c", "d\"", "e\\"])]), ok);
            let Some(Fault::Rows(refused)) = report.fault else { panic!("{report:?}") };
            assert_eq!(refused.iter().map(|refusal| refusal.row).collect::<Vec<_>>(), [0, 2, 3]);
            assert!(calls.is_empty());
        }
    }

    #[test]
    fn exceptions_are_counted_in_whatever_shape() {
        for (value, expected) in [
            (json!(null), 0),
            (json!({}), 0),
            (json!([]), 0),
            (json!(["a", "b"]), 2),
            (json!({"invalid": 7, "late": 2}), 9),
            (json!([{"error": "x", "count": 3}]), 3),
            (json!({"message": "bad"}), 1),
            (json!("bad"), 1),
        ] {
            assert_eq!(exceptions(&value), expected, "{value}");
        }
    }
}
