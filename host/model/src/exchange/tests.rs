//! Exchanges: what is kept, and the command that people copy.
use super::*;
use crate::port::Place;
use proptest::prelude::*;
use std::process::Command;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn placed(place: Place, name: &str, template: &str) -> Placed {
    Placed { place, name: name.to_owned(), template: template.to_owned() }
}

/// A write as the egress records it.
fn write() -> RequestRecord {
    RequestRecord {
        method: "POST".into(),
        url: "https://graph.facebook.com/v26.0/23850/users".into(),
        headers: vec![
            pair("content-type", "application/json"),
            pair("content-length", "2048"),
            pair("authorization", "***"),
        ],
        body: Some(b"{\"payload\":\"0123456789abcdef\"}".to_vec()),
        body_bytes: 2048,
        route: Some("add".into()),
        outcome: Ok(200),
        placed: vec![placed(Place::Header, "authorization", "Bearer {token}")],
        answer_headers: vec![pair("x-fb-trace-id", "Dabc")],
        answer_bytes: 99,
        trace_id: Some("Dabc".into()),
        elapsed_ms: 412,
    }
}

fn exchange(request: RequestRecord) -> Exchange {
    exchanges_of(&[request]).remove(0)
}

#[test]
fn the_command_has_variables_in_the_place_of_secrets_and_a_file_in_that_of_the_body() {
    let command = exchange(write()).curl("batch-12-0.json");
    let lines = [
        r"curl --request POST https://graph.facebook.com/v26.0/23850/users \",
        r"  --header 'content-type: application/json' \",
        r#"  --header "authorization: Bearer $CARAVAN_TOKEN" \"#,
        r"  --data-binary @batch-12-0.json",
    ];
    assert_eq!(command, lines.join("\n"));
}

#[test]
fn injected_parameters_stand_at_the_end_of_the_url() {
    let mut request = write();
    request.method = "GET".into();
    request.url = r#"https://business-api.tiktok.com/open_api/v1.3/oauth2/advertiser/get/?ids=["1"]"#.into();
    request.headers = vec![pair("access-token", "***"), pair("x-empty", "")];
    request.body_bytes = 0;
    request.placed = vec![
        placed(Place::Header, "access-token", "{token}"),
        placed(Place::Query, "app_id", "{secret.app_id}"),
        placed(Place::Query, "secret", "{secret.app_secret}"),
    ];
    let command = exchange(request).curl("unused");
    let lines = [
        r#"curl --globoff --request GET 'https://business-api.tiktok.com/open_api/v1.3/oauth2/advertiser/get/?ids=["1"]''&app_id='"$CARAVAN_APP_ID"'&secret='"$CARAVAN_APP_SECRET" \"#,
        r#"  --header "access-token: $CARAVAN_TOKEN" \"#,
        r"  --header 'x-empty;'",
    ];
    assert_eq!(command, lines.join("\n"));
    assert_eq!(words_of(&command)[4..6], ["--header", "access-token: secret"]);
}

#[test]
fn what_is_kept_comes_back_from_json_and_holds_no_body() {
    let mut failed = write();
    failed.outcome = Err("no answer".into());
    (failed.trace_id, failed.answer_headers) = (None, Vec::new());
    let kept = exchanges_of(&[failed, write()]);
    let json = serde_json::to_value(&kept).unwrap();
    assert_eq!((&json[0]["failure"], &json[1]["status"]), (&"no answer".into(), &200.into()));
    assert_eq!((&json[0]["trace_id"], &json[1]["trace_id"]), (&serde_json::Value::Null, &"Dabc".into()));
    assert!(!json.to_string().contains("0123456789abcdef"), "{json}");
    assert_eq!(serde_json::from_value::<Vec<Exchange>>(json).unwrap(), kept);
}

#[test]
fn the_last_requests_are_kept_within_bounds() {
    let many: Vec<RequestRecord> = (0..40)
        .map(|number| RequestRecord {
            url: format!("https://p.example/{number}/{}", "é".repeat(4000)),
            headers: (0..100).map(|at| pair(&format!("x-{at}"), &"v".repeat(200))).collect(),
            ..write()
        })
        .collect();
    let kept = exchanges_of(&many);
    assert_eq!(kept.len(), MOST_EXCHANGES);
    assert!(kept[0].url.starts_with("https://p.example/24/") && kept[15].url.starts_with("https://p.example/39/"));
    let bytes = |one: &Exchange| one.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    assert!(kept.iter().all(|one| one.url.len() <= MOST_TEXT && bytes(one) <= MOST_HEADER_BYTES));
    assert!(kept.iter().all(|one| one.headers.len() == 20), "{}", kept[0].headers.len());
}

#[test]
fn a_header_cannot_steer_a_terminal() {
    assert_eq!(bounded([("x", "a\u{1b}[2J\u{9b}1m\tb")]), [pair("x", "a [2J 1m b")]);
}

/// The words that a shell makes of a command, without the first; `CARAVAN_…` variables have the value `secret`.
fn words_of(command: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{command}\n");
    let variables = ["CARAVAN_TOKEN", "CARAVAN_APP_ID", "CARAVAN_APP_SECRET"].map(|name| (name, "secret"));
    let ran = Command::new("sh").arg("-c").arg(script).envs(variables).output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{command}\n{ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Text with much of what shells read.
fn nasty() -> impl Strategy<Value = String> {
    "[a-z'\"$`\\\\!{}()*?~#&;|<> \t\n=%é-]{0,12}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_shell_reads_every_word_as_it_was_meant(
        path in nasty(), value in nasty(), before in nasty(), after in nasty(), file in nasty(), token in any::<bool>(),
    ) {
        let plain = |text: &str| text.replace(['{', '}'], "");
        let (before, after) = (plain(&before), plain(&after));
        let mut request = write();
        request.url = format!("https://p.example/{path}");
        request.headers = vec![pair("x-note", &format!("v{value}")), pair("authorization", "***")];
        let template = if token { format!("{before}{{token}}{after}") } else { format!("{before}{{secret.app_id}}{after}") };
        request.placed = vec![placed(Place::Header, "authorization", &template)];
        let one = exchange(request);
        let words = words_of(&one.curl(&file));
        let note = one.headers[0].1.clone();
        let mut meant = vec!["--request".to_owned(), "POST".into(), format!("https://p.example/{path}")];
        meant.extend(["--header".into(), format!("x-note: {note}")]);
        meant.extend(["--header".into(), format!("authorization: {before}secret{after}")]);
        meant.extend(["--data-binary".into(), format!("@{file}")]);
        let globs = words.first().is_some_and(|word| word == "--globoff");
        prop_assert_eq!(&words[usize::from(globs)..], &meant[..]);
    }
}
