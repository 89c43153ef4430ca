//! A connector for an imaginary partner, to copy: 1. write `manifest.json` (what may be asked of which host, which match
//! keys, how many rows); 2. write the functions below; 3. `cargo build --release`; the component is
//! `target/wasm32-wasip2/release/template.wasm`.
//!
//! The partner takes `POST /v1/audiences/<id>/members` with
//! `{"account":"…","action":"add","note":"…","people":[{"email":"<hex>","phone":"<hex>"},…]}` and answers
//! `{"refused":[{"row":7,"why":"…"}]}`, or an HTTP status.
use caravan_sdk::http::{self, Path, Request, Response};
use caravan_sdk::json::Cells;
use caravan_sdk::{
    Action, Audience, AudiencePage, AudienceState, Destination, Fault, Part, Refusal, Report, Rows, Settings, Sink,
    Target, fault, json, report,
};
use serde_json::Value;

/// The host, as in the manifest.
const HOST: &str = "api.ads.example";

/// The connector. It has no state: every call runs in a fresh instance.
pub struct Template;

impl Destination for Template {
    // What a person picks an audience from. `accounts`, `create_audience`, `check` and `follow_up` have defaults; write
    // those that the partner has calls for.
    fn audiences(
        _settings: &Settings,
        account: &str,
        query: &str,
        cursor: Option<&str>,
    ) -> Result<AudiencePage, Fault> {
        let path = Path::new(["v1", "accounts", account, "audiences"]).query_if("after", cursor);
        let answer = classify(http::send(Request::get(HOST, path))?)?;
        let items = answer["audiences"].as_array().map(Vec::as_slice).unwrap_or_default();
        let audiences = items.iter().map(|item| Audience {
            id: item["id"].as_str().unwrap_or_default().to_owned(),
            name: item["name"].as_str().unwrap_or_default().to_owned(),
            kind: String::new(),
            unusable: None,
            size: item["size"].as_u64(),
        });
        let audiences = audiences.filter(|audience| audience.name.contains(query)).collect();
        Ok(AudiencePage { audiences, next: answer["next"].as_str().map(str::to_owned) })
    }

    fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
        match send(settings, target, part) {
            // Without a fault every row is settled or refused.
            Ok(refused) => all_but(part.rows, refused),
            // With a fault the host makes a new part of every row that is not settled.
            Err(why) => report::fault(why),
        }
    }
}

// The one line that makes the crate a component and embeds the manifest.
caravan_sdk::destination!(Template, manifest = "manifest.json");

fn send(settings: &Settings, target: &Target, part: &Part) -> Result<Vec<Refusal>, Fault> {
    let rows = Rows::of(part)?;
    // The host has normalised and hashed; digests need no escaping. For a key with `"hash": "none"`: `Cells::texts`.
    let columns: Vec<Cells<'_>> = rows.columns().iter().map(|values| Cells::digests(*values)).collect();
    let action = match part.action {
        Action::Add => "add",
        Action::Remove => "remove",
    };
    let head = format!(
        "{{\"account\":{},\"action\":\"{action}\",\"note\":{},\"people\":[",
        json::string(&target.account),
        json::string(settings.text("note")),
    );
    let write = |sink: &mut Sink<'_>| write_body(&head, &columns, rows.count(), sink);
    // The length must be known before the body is written. Large bodies compute it from the columns, as the connector
    // for Meta does; writing twice is simpler and enough for most.
    let length = json::measure(&write);
    let path = Path::new(["v1", "audiences", &target.audience, "members"]);
    let answer = classify(http::send(Request::post(HOST, path).json_stream(length, &write))?)?;
    let refused = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(refused.iter().filter_map(|item| refusal(item, part.rows)).collect())
}

/// The same part must give the same bytes: no clock, no random numbers, no maps without an order.
fn write_body(head: &str, columns: &[Cells<'_>], rows: usize, sink: &mut Sink<'_>) {
    sink.put(head.as_bytes());
    for row in 0..rows {
        sink.put(if row == 0 { b"{" } else { b",{" });
        let mut first = true;
        // An empty value means that the person has none.
        for cells in columns.iter().filter(|cells| !cells.values().get(row).is_empty()) {
            sink.put(if first { b"\"" } else { b",\"" });
            first = false;
            sink.put(cells.values().key().as_bytes());
            sink.put(b"\":\"");
            cells.put(row, b"\"", sink);
        }
        sink.put(b"}");
    }
    sink.put(b"]}");
}

/// Reads the partner's answer: the one place that knows how it says no.
fn classify(answer: Response) -> Result<Value, Fault> {
    let words = |text: &str| fault::cause(answer.status.to_string(), text);
    match answer.status {
        200..=299 => answer.json().ok_or_else(|| fault::unavailable(None, words("The partner answered garbage."))),
        401 => Err(Fault::Unauthorized(words("The partner no longer accepts the token: connect again."))),
        403 => Err(Fault::Forbidden(words("The token may not do this."))),
        404 => Err(fault::audience(AudienceState::Missing, words("The audience was deleted at the partner."))),
        413 => Err(Fault::TooLarge),
        429 => {
            let seconds = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
            let after_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
            Err(fault::throttled(after_ms, words("The partner wants fewer calls.")))
        }
        500..=599 => Err(fault::unavailable(None, words("The partner is out of order."))),
        _ => Err(Fault::Bug(words("The partner does not understand this call."))),
    }
}

fn refusal(item: &Value, rows: u32) -> Option<Refusal> {
    let row = u32::try_from(item["row"].as_u64()?).ok().filter(|&row| row < rows)?;
    let message = item["why"].as_str().unwrap_or("The partner gives no reason.").to_owned();
    Some(Refusal { row, code: "refused".to_owned(), message })
}

/// Settles the ranges between the refused rows.
fn all_but(rows: u32, mut refused: Vec<Refusal>) -> Report {
    refused.sort_by_key(|refusal| refusal.row);
    refused.dedup_by_key(|refusal| refusal.row);
    let mut settled = Vec::new();
    let mut start = 0;
    for end in refused.iter().map(|refusal| refusal.row).chain([rows]) {
        if start < end {
            settled.push((start, end));
        }
        start = end + 1;
    }
    Report { refused, settled, ..report::settled(0) }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use caravan_sdk::{Destination, Fault, Settings, testing};

    // Tests run on your machine, with a closure in the partner's place: `cargo test --target <your machine's>`.
    fn played(status: u16, body: &'static str) -> (caravan_sdk::Report, Vec<testing::Call>) {
        let part = testing::part("people", &[("email", &["aa", "", "cc"]), ("phone", &["", "bb", "dd"])]);
        let target = testing::target("a1", "23", "");
        let play = || Template::sync(&Settings::default(), &target, &part);
        testing::with_partner(move |_| testing::json(status, body), play)
    }

    #[test]
    fn people_are_sent_as_objects() {
        let (report, calls) = played(200, "{}");
        assert_eq!((report.settled, report.fault), (vec![(0, 3)], None));
        assert_eq!(calls[0].path, "/v1/audiences/23/members");
        let people = r#"[{"email":"aa"},{"phone":"bb"},{"email":"cc","phone":"dd"}]"#;
        assert_eq!(calls[0].body, format!(r#"{{"account":"a1","action":"add","note":"","people":{people}}}"#));
    }

    #[test]
    fn named_rows_are_refused_and_the_others_settled() {
        let (report, _) = played(200, r#"{"refused":[{"row":1,"why":"malformed"},{"row":99}]}"#);
        assert_eq!(report.settled, [(0, 1), (2, 3)]);
        assert_eq!((report.refused.len(), report.refused[0].row), (1, 1));
    }

    #[test]
    fn the_status_says_what_the_host_shall_do() {
        assert!(matches!(played(429, "").0.fault, Some(Fault::Throttled(_))));
        assert!(matches!(played(401, "").0.fault, Some(Fault::Unauthorized(_))));
        assert!(matches!(played(200, "<html>").0.fault, Some(Fault::Unavailable(_))));
    }
}
