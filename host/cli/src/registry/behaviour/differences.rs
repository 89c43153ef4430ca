//! Where the requests of two versions differ, in lines.
use caravan_model::port::RequestRecord;
use serde_json::Value;

/// Differences of one call that are told.
const TOLD: usize = 20;
/// The longest value that is shown.
const SHOWN: usize = 160;

/// Where requests differ.
pub fn differences(was: &[RequestRecord], is: &[RequestRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    let head = |one: &RequestRecord| format!("{} {}", one.method, one.url);
    for at in 0..was.len().max(is.len()) {
        let place = format!("request {}", at + 1);
        match (was.get(at), is.get(at)) {
            (Some(was), Some(is)) => {
                differ(&place, &Value::from(head(was)), &Value::from(head(is)), &mut lines);
                differ(&format!("{place}, header "), &headers(was), &headers(is), &mut lines);
                differ(&format!("{place}, body "), &body(was), &body(is), &mut lines);
                let outcome = |one: &RequestRecord| {
                    Value::from(one.outcome.clone().map_or_else(|no| no, |status| status.to_string()))
                };
                differ(&format!("{place}, answer"), &outcome(was), &outcome(is), &mut lines);
            }
            (Some(was), None) => lines.push(format!("{place}: {} is made no more", head(was))),
            (None, Some(is)) => lines.push(format!("{place}: {} is new", head(is))),
            (None, None) => {}
        }
    }
    if let Some(more) = lines.len().checked_sub(TOLD).filter(|more| *more > 0) {
        lines.truncate(TOLD);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn headers(request: &RequestRecord) -> Value {
    let pairs = request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(pairs.collect())
}

fn body(request: &RequestRecord) -> Value {
    let bytes = request.body.as_deref().unwrap_or_default();
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
}

fn differ(place: &str, was: &Value, is: &Value, lines: &mut Vec<String>) {
    match (was, is) {
        _ if was == is => {}
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differ(&format!("{place}/{name}"), a, b, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{place}/{at}"), a, b, lines);
            }
        }
        _ => lines.push(format!("{place}: {} → {}", shown(was), shown(is))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => value.to_string().chars().take(SHOWN).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, body: &str) -> RequestRecord {
        RequestRecord { body: Some(body.as_bytes().to_vec()), outcome: Ok(200), ..RequestRecord::unsent(method, url) }
    }

    #[test]
    fn requests_that_differ_are_told_where_and_equal_ones_are_not() {
        let was = [request("POST", "https://a/x", r#"{"schema":["EMAIL"],"data":[1,2]}"#)];
        assert!(differences(&was, &was).is_empty());
        let is = [
            request("POST", "https://a/y", r#"{"schema":["PHONE"],"data":[1,2],"new":true}"#),
            request("GET", "https://a/z", ""),
        ];
        assert_eq!(
            differences(&was, &is),
            [
                r#"request 1: "POST https://a/x" → "POST https://a/y""#,
                "request 1, body /new: nothing → true",
                r#"request 1, body /schema/0: "EMAIL" → "PHONE""#,
                "request 2: GET https://a/z is new",
            ]
        );
        assert_eq!(differences(&was, &[]), ["request 1: POST https://a/x is made no more"]);
    }
}
