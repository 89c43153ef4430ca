use super::*;
use proptest::prelude::*;

fn run(locks: &[(&str, &str)], body: &str, cut: usize) -> Result<(), LockError> {
    let locks = locks.iter().map(|(pointer, value)| (pointer.to_string(), value.to_string()));
    let mut reader = LockReader::new(locks).unwrap();
    for chunk in body.as_bytes().chunks(cut) {
        reader.read(chunk)?;
    }
    reader.finish()
}

/// The same verdict however the body is cut.
fn check(locks: &[(&str, &str)], body: &str) -> Result<(), LockError> {
    let whole = run(locks, body, usize::MAX);
    for cut in [1, 2, 3, 7, 64] {
        assert_eq!(run(locks, body, cut), whole, "{body} in chunks of {cut}");
    }
    whole
}

const ADVERTISER: (&str, &str) = ("/advertiser_ids/*", "7001");

#[test]
fn a_body_with_the_steps_own_ids_passes() {
    assert_eq!(check(&[ADVERTISER], r#"{"advertiser_ids":["7001"],"batch_data":[[{"id":"x"}],[]]}"#), Ok(()));
    assert_eq!(check(&[ADVERTISER], r#" { "a" : -1.5e+3 , "advertiser_ids" : [ 7001 , "7001" ] } "#), Ok(()));
    let deep = [("/data/*/*/audience_ids/*", "9"), ("/account", "act_1")];
    let body = r#"{"account":"act_1","data":[[{"audience_ids":["9"]},{"audience_ids":["9","9"]}]]}"#;
    assert_eq!(check(&deep, body), Ok(()));
    assert_eq!(check(&[("/a~1b/1", "x")], r#"{"a\/b":["any","\u0078"]}"#), Ok(()));
}

#[test]
fn another_id_anywhere_is_refused() {
    let other = Err(LockError::Other("/advertiser_ids/*".into()));
    for body in [
        r#"{"advertiser_ids":["7002"]}"#,
        r#"{"advertiser_ids":["7001","7002"]}"#,
        r#"{"advertiser_ids":[["7001"]]}"#,
        r#"{"advertiser_ids":[{"x":"7001"}]}"#,
        r#"{"advertiser_ids":["7001 "]}"#,
        r#"{"advertiser_ids":[7.001e3]}"#,
        r#"{"advertiser_ids":[null]}"#,
        r#"{"\u0061dvertiser_ids":["7002"]}"#,
    ] {
        assert_eq!(check(&[ADVERTISER], body), other, "{body}");
    }
}

#[test]
fn keys_that_parsers_read_differently_are_refused() {
    for body in [
        r#"{"advertiser_ids":["7001"],"advertiser_ids":["7002"]}"#,
        r#"{"advertiser_ids":["7001"],"advertiser\u005fids":["7002"]}"#,
        r#"{"advertiser_ids":["7001"],"Advertiser_IDs":["7002"]}"#,
        r#"{"ADVERTISER_IDS":["7002"]}"#,
        r#"{"x":1,"advertiser_ids":["7001"],"x":2}"#,
    ] {
        assert!(matches!(check(&[ADVERTISER], body), Err(LockError::Duplicate(_))), "{body}");
    }
}

#[test]
fn a_missing_lock_and_bad_json_are_refused() {
    for body in
        [r#"{}"#, r#"{"advertiser_ids":[]}"#, r#"["7001"]"#, r#""7001""#, r#"{"a":{"advertiser_ids":["7001"]}}"#]
    {
        assert!(matches!(check(&[ADVERTISER], body), Err(LockError::Missing(_))), "{body}");
    }
    for body in [
        "",
        "{",
        r#"{"advertiser_ids":["7001"]"#,
        r#"{"advertiser_ids":["7001"]}}"#,
        r#"{"advertiser_ids":["7001"]}{}"#,
        r#"{"advertiser_ids":["7001"}"#,
        r#"{"advertiser_ids":["7001"],}"#,
        r#"{"advertiser_ids":["7001",]}"#,
        r#"{'advertiser_ids':["7001"]}"#,
        r#"{advertiser_ids:["7001"]}"#,
        "/**/{}",
        "\u{feff}{}",
        "01",
        "1.",
        "1e",
        "-",
        "nul",
        r#"{"a" "b"}"#,
        r#"{"a":}"#,
        r#"[1 2]"#,
        r#"{"\ud800":1}"#,
        "{\"advertiser_ids\":[\"70\n01\"]}",
    ] {
        let verdict = check(&[ADVERTISER], body);
        assert!(matches!(verdict, Err(LockError::Syntax(_))), "{body}: {verdict:?}");
    }
}

#[test]
fn a_string_that_no_lock_reaches_is_read_as_exactly() {
    let around = |inner: &[u8]| [br#"{"advertiser_ids":["7001"],"n":""#, inner, br#""}"#].concat();
    let passes = |body: &[u8], cut: usize| {
        let mut reader = LockReader::new([(ADVERTISER.0.to_owned(), ADVERTISER.1.to_owned())]).unwrap();
        body.chunks(cut).try_for_each(|piece| reader.read(piece)).and_then(|()| reader.finish()).is_ok()
    };
    let good: [&[u8]; 5] =
        [b"", br#"\"\\\/\b\f\n\r\t\u00e9\uD83D"#, "é€😀\u{10ffff}".as_bytes(), b"\x7f", b"\xed\x9f\xbf"];
    let bad: [&[u8]; 12] = [
        b"a\nb",
        b"\0",
        br"\x41",
        br"\u00g0",
        br"\u12",
        b"\xe2\x82",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
    ];
    for cut in [1, 2, 3, 100] {
        good.iter().for_each(|inner| assert!(passes(&around(inner), cut), "{inner:?} cut by {cut}"));
        bad.iter().for_each(|inner| assert!(!passes(&around(inner), cut), "{inner:?} cut by {cut}"));
    }
}

proptest! {
    #[test]
    fn the_verdict_is_that_of_a_whole_parse(keys in proptest::collection::vec("[ab]{1,2}", 0..5), ids in proptest::collection::vec("[12]", 0..4), cut in 1usize..9) {
        let mut object = serde_json::Map::new();
        for key in &keys {
            object.insert(key.clone(), ids.clone().into());
        }
        let value = serde_json::Value::Object(object);
        let expected = value.get("a").and_then(|a| a.as_array()).is_some_and(|ids| !ids.is_empty() && ids.iter().all(|id| id == "1"));
        let verdict = run(&[("/a/*", "1")], &value.to_string(), cut);
        prop_assert_eq!(verdict.is_ok(), expected);
    }

    #[test]
    fn whatever_passes_is_json(body in "[{}\\[\\]\",:a1 .e-]{0,24}") {
        if run(&[], &body, 3).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
        }
    }
}
