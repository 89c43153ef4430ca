//! What a batch's attempts said to the partner and heard from it: heads, the partner's trace id, and a command to copy.
use crate::out;
use caravan_model::Exchange;
use caravan_model::exchange::Outcome;
use serde_json::{Value, json};

/// The file that the commands read the body from.
pub fn body_file(batch: &str) -> String {
    format!("batch-{batch}.json")
}

/// The exchanges of one attempt, for people. `lab` = they went to the emulator, though the URL names the partner.
pub fn in_words(exchanges: &[Exchange], batch: &str, lab: bool) -> String {
    let mut text = String::new();
    for (place, exchange) in exchanges.iter().enumerate() {
        text.push_str(&format!("{}. {} {}\n", place + 1, exchange.method, exchange.url));
        text.push_str(&format!("   {}\n", outcome(exchange)));
        if let Some(id) = &exchange.trace_id {
            text.push_str(&format!("   partner's trace id: {id}\n"));
        }
        head(&mut text, '>', &exchange.headers, exchange.body_bytes, exchange.content_type.as_deref());
        head(&mut text, '<', &exchange.answer_headers, exchange.answer_bytes, None);
        text.push_str("   as curl:\n");
        exchange.curl(&body_file(batch)).lines().for_each(|line| text.push_str(&format!("     {line}\n")));
    }
    text.push_str(&notes(exchanges, batch, lab));
    text
}

/// The exchanges of one attempt, each with its command.
pub fn as_json(exchanges: &[Exchange], batch: &str) -> Value {
    let all = exchanges.iter().map(|exchange| {
        let mut value = json!(exchange);
        value["curl"] = exchange.curl(&body_file(batch)).into();
        value
    });
    all.collect()
}

fn outcome(exchange: &Exchange) -> String {
    let mut text = match &exchange.outcome {
        Outcome::Status(status) => format!("answered {status} after {} ms", out::count(exchange.elapsed_ms)),
        Outcome::Failure(why) => format!("no answer: {why}"),
    };
    if let Some(route) = &exchange.route {
        text.push_str(&format!(" (route `{route}`)"));
    }
    text
}

fn head(text: &mut String, mark: char, headers: &[(String, String)], bytes: u64, content_type: Option<&str>) {
    headers.iter().for_each(|(name, value)| text.push_str(&format!("   {mark} {name}: {value}\n")));
    if bytes > 0 {
        let of = content_type.map(|kind| format!(" of {kind}")).unwrap_or_default();
        text.push_str(&format!("   {mark} ({}{of})\n", out::plural(bytes, "byte", "bytes")));
    }
}

/// What the commands need before they run.
fn notes(exchanges: &[Exchange], batch: &str, lab: bool) -> String {
    let mut text = String::new();
    if exchanges.iter().any(|exchange| exchange.body_bytes > 0) {
        let (called, file) = (out::called(), body_file(batch));
        text.push_str(&format!("The body: `{called} batch show {batch} --body {file}` writes it.\n"));
    }
    if exchanges.iter().any(|exchange| !exchange.placed.is_empty()) {
        text.push_str("The secrets: $CARAVAN_… are the connection's own; set them before, they are not kept here.\n");
    }
    if lab && !exchanges.is_empty() {
        text.push_str("These went to the lab: sent as they stand, the commands would reach the partner itself.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::port::{Place, Placed};

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn answered() -> Exchange {
        Exchange {
            method: "POST".into(),
            url: "https://graph.facebook.com/v26.0/23850/users".into(),
            headers: vec![pair("content-type", "application/json"), pair("authorization", "***")],
            placed: vec![Placed {
                place: Place::Header,
                name: "authorization".into(),
                template: "Bearer {token}".into(),
            }],
            content_type: Some("application/json".into()),
            body_bytes: 2048,
            route: Some("add".into()),
            outcome: Outcome::Status(200),
            answer_headers: vec![pair("x-fb-trace-id", "Dabc")],
            answer_bytes: 1,
            trace_id: Some("Dabc".into()),
            elapsed_ms: 1412,
        }
    }

    fn unanswered() -> Exchange {
        Exchange {
            method: "GET".into(),
            headers: Vec::new(),
            placed: Vec::new(),
            content_type: None,
            body_bytes: 0,
            route: None,
            outcome: Outcome::Failure("no secure connection: TLS failed".into()),
            answer_headers: Vec::new(),
            answer_bytes: 0,
            trace_id: None,
            ..answered()
        }
    }

    #[test]
    fn an_exchange_is_shown_with_heads_trace_id_and_command() {
        let expected = r#"1. POST https://graph.facebook.com/v26.0/23850/users
   answered 200 after 1,412 ms (route `add`)
   partner's trace id: Dabc
   > content-type: application/json
   > authorization: ***
   > (2,048 bytes of application/json)
   < x-fb-trace-id: Dabc
   < (1 byte)
   as curl:
     curl --request POST https://graph.facebook.com/v26.0/23850/users \
       --header 'content-type: application/json' \
       --header "authorization: Bearer $CARAVAN_TOKEN" \
       --data-binary @batch-12-0.json
The body: `caravan batch show 12-0 --body batch-12-0.json` writes it.
The secrets: $CARAVAN_… are the connection's own; set them before, they are not kept here.
"#;
        assert_eq!(in_words(&[answered()], "12-0", false), expected);
    }

    #[test]
    fn what_was_not_answered_says_why_and_needs_no_notes() {
        let expected = "\
1. GET https://graph.facebook.com/v26.0/23850/users
   no answer: no secure connection: TLS failed
   as curl:
     curl --request GET https://graph.facebook.com/v26.0/23850/users
";
        assert_eq!(in_words(&[unanswered()], "12-0", false), expected);
        assert_eq!(in_words(&[], "12-0", true), "");
        assert!(in_words(&[unanswered()], "12-0", true).contains("went to the lab"));
    }

    #[test]
    fn json_has_the_same_and_the_command() {
        let value = as_json(&[answered(), unanswered()], "12-0");
        assert_eq!((&value[0]["status"], &value[0]["trace_id"]), (&json!(200), &json!("Dabc")));
        assert_eq!(value[1]["failure"], "no secure connection: TLS failed");
        assert_eq!(value[0]["curl"], answered().curl("batch-12-0.json"));
    }
}
