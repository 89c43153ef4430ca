//! What leaves for a part, and the report of what came back.
use super::{lead_id, sync};
use caravan_sdk::http::Response;
use caravan_sdk::{Action, Fault, Part, Report, Settings, testing};

fn settings(more: &str) -> Settings {
    let text =
        format!(r#"{{"munchkin":"123-ABC-456","external_id_field":"id","duplicates":"all","ids_in":"query"{more}}}"#);
    Settings::parse(&text).expect("settings")
}

fn played(
    settings: &Settings,
    part: &Part,
    partner: impl FnMut(&testing::Call) -> Response + 'static,
) -> (Report, Vec<testing::Call>) {
    let target = testing::target("123-ABC-456", "1021", "");
    testing::with_partner(partner, || sync(settings, &target, part))
}

fn emails(values: &[&str]) -> Part {
    testing::part("email", &[("EMAIL", values)])
}

fn removal(part: Part) -> Part {
    Part { action: Action::Remove, ..part }
}

/// Answers lookups with these leads, and writes with these rows.
fn partner(leads: &'static str, rows: &'static str) -> impl FnMut(&testing::Call) -> Response + 'static {
    move |call| {
        let result = if call.path.starts_with("/rest/v1/leads.json") { leads } else { rows };
        testing::json(200, &format!(r#"{{"requestId":"a#b","success":true,"result":[{result}]}}"#))
    }
}

fn codes(report: &Report) -> Vec<(u32, &str)> {
    report.refused.iter().map(|refusal| (refusal.row, refusal.code.as_str())).collect()
}

const TWO: &str = r#"{"id":11,"email":"A@x.io","updatedAt":"2026-01-01T00:00:00Z"},{"id":12,"email":"b@x.io","updatedAt":"2026-01-01T00:00:00Z"}"#;

#[test]
fn addresses_are_looked_up_first_and_the_leads_are_added_with_one_call() {
    let rows = r#"{"id":11,"status":"added"},{"id":12,"status":"added"}"#;
    let (report, calls) = played(&settings(""), &emails(&["a@x.io", "b@x.io"]), partner(TWO, rows));
    assert_eq!((report.settled.as_slice(), &report.fault), (&[(0, 2)][..], &None));
    let [lookup, write] = calls.as_slice() else { panic!("{calls:?}") };
    assert!(!format!("{} {}", lookup.path, write.path).contains("x.io"), "no address stands in a URL");
    assert_eq!((write.method.as_str(), write.host.as_str()), ("POST", "123-abc-456.mktorest.com"));
    assert_eq!((write.path.as_str(), write.body.as_str()), ("/rest/v1/lists/1021/leads.json?id=11,12", ""));
}

#[test]
fn ids_stand_in_the_body_where_the_setting_says_so_and_removals_are_deletes() {
    let rows = r#"{"id":11,"status":"removed"},{"id":12,"status":"removed"}"#;
    let part = removal(emails(&["a@x.io", "b@x.io"]));
    let (report, calls) = played(&settings(r#","ids_in":"body""#), &part, partner(TWO, rows));
    assert_eq!(report.settled, [(0, 2)]);
    assert_eq!((calls[1].method.as_str(), calls[1].path.as_str()), ("DELETE", "/rest/v1/lists/1021/leads.json"));
    assert_eq!(calls[1].body, r#"{"input":[{"id":11},{"id":12}]}"#);
}

/// Traps, row 35: one lead that is skipped takes nobody else along.
#[test]
fn trap_35_rows_are_told_one_by_one_by_id_and_not_by_place() {
    for code in ["1003", "1004", "1005", "1007", "1008", "1009", "1010", "1099"] {
        let rows = format!(
            r#"{{"id":12,"status":"added"}},{{"id":11,"status":"skipped","reasons":[{{"code":"{code}","message":"m"}}]}}"#
        );
        let answer = move |call: &testing::Call| {
            let result = if call.path.contains("/lists/") { rows.clone() } else { TWO.to_owned() };
            testing::json(200, &format!(r#"{{"success":true,"result":[{result}]}}"#))
        };
        let (report, _) = played(&settings(""), &emails(&["a@x.io", "b@x.io"]), answer);
        assert_eq!((report.settled.as_slice(), codes(&report)), (&[(1, 2)][..], vec![(0, code)]));
        assert_eq!(report.fault, None);
    }
}

#[test]
fn row_1015_is_done_and_so_is_a_member_who_is_added_again() {
    let rows = r#"{"id":11,"status":"skipped","reasons":[{"code":"1015","message":"Lead not in list"}]},
        {"id":12,"status":"skipped","reasons":[{"code":"1004","message":"Lead not found"}]}"#;
    let (report, _) = played(&settings(""), &removal(emails(&["a@x.io", "b@x.io"])), partner(TWO, rows));
    assert_eq!((report.settled.as_slice(), codes(&report).len()), (&[(0, 2)][..], 0));
    let again = r#"{"id":11,"status":"skipped"},{"id":12,"status":"added"}"#;
    let (report, _) = played(&settings(""), &emails(&["a@x.io", "b@x.io"]), partner(TWO, again));
    assert_eq!(report.settled, [(0, 2)]);
}

#[test]
fn row_1008_for_every_lead_is_a_right_that_is_missing() {
    let rows = r#"{"id":11,"status":"skipped","reasons":[{"code":"1008"}]},{"id":12,"status":"skipped","reasons":[{"code":"1008"}]}"#;
    let (report, _) = played(&settings(""), &emails(&["a@x.io", "b@x.io"]), partner(TWO, rows));
    assert!(
        matches!(report.fault, Some(Fault::Forbidden(_))) && report.settled.is_empty() && report.refused.is_empty()
    );
}

/// Traps, row 37: a lookup that finds fewer leads than were asked for.
#[test]
fn trap_37_whom_marketo_does_not_know_is_refused_in_an_add_and_done_in_a_removal() {
    const ONE: &str = r#"{"id":12,"email":"b@x.io"}"#;
    let (report, calls) =
        played(&settings(""), &emails(&["a@x.io", "b@x.io"]), partner(ONE, r#"{"id":12,"status":"added"}"#));
    assert_eq!((report.settled.as_slice(), codes(&report)), (&[(1, 2)][..], vec![(0, "1004")]));
    assert_eq!(calls[1].path, "/rest/v1/lists/1021/leads.json?id=12");
    let part = removal(emails(&["a@x.io", "b@x.io"]));
    let (report, _) = played(&settings(""), &part, partner(ONE, r#"{"id":12,"status":"removed"}"#));
    assert_eq!((report.settled.as_slice(), codes(&report).len()), (&[(0, 2)][..], 0));
    let (report, calls) = played(&settings(""), &removal(emails(&["a@x.io"])), partner("", ""));
    assert_eq!((report.settled.as_slice(), calls.len()), (&[(0, 1)][..], 1), "nobody is known, so nothing is written");
}

#[test]
fn values_that_marketo_cannot_match_are_refused_before_the_lookup() {
    let digest = "b375b7bbddb3de3298fbc7641063d9f03a38e118aa4480c8ab9f58740982e8bd";
    let long = format!("{}@example.com", "a".repeat(250));
    let part = emails(&["jörg@example.com", digest, "", &long, "b@x.io"]);
    let (report, calls) = played(&settings(""), &part, partner(TWO, r#"{"id":12,"status":"added"}"#));
    assert_eq!(codes(&report), [(0, "not-ascii"), (1, "not-an-email"), (2, "empty"), (3, "too-long")]);
    assert_eq!(report.settled, [(4, 5)]);
    assert!(calls[0].body.contains("filterValues=b%40x.io&"), "{}", calls[0].body);
}

#[test]
fn of_several_leads_all_are_added_or_the_newest_and_all_are_removed() {
    const BOTH: &str = r#"{"id":11,"email":"a@x.io","updatedAt":"2026-02-01T00:00:00Z"},{"id":12,"email":"a@x.io","updatedAt":"2026-01-01T00:00:00Z"}"#;
    let written = |more: &str, part: Part| played(&settings(more), &part, partner(BOTH, "")).1[1].path.clone();
    assert!(written("", emails(&["a@x.io"])).ends_with("?id=11,12"));
    assert!(written(r#","duplicates":"newest""#, emails(&["a@x.io"])).ends_with("?id=11"));
    assert!(written(r#","duplicates":"newest""#, removal(emails(&["a@x.io"]))).ends_with("?id=11,12"));
    // One of them is enough.
    let rows = r#"{"id":11,"status":"skipped","reasons":[{"code":"1008"}]},{"id":12,"status":"added"}"#;
    let (report, _) = played(&settings(""), &emails(&["a@x.io"]), partner(BOTH, rows));
    assert_eq!((report.settled.as_slice(), codes(&report).len()), (&[(0, 1)][..], 0));
}

#[test]
fn a_removal_is_done_once_all_leads_of_the_address_are_out() {
    const BOTH: &str = r#"{"id":11,"email":"a@x.io"},{"id":12,"email":"a@x.io"}"#;
    let removed = |rows: &'static str| played(&settings(""), &removal(emails(&["a@x.io"])), partner(BOTH, rows)).0;
    for (rows, code) in [
        (r#"{"id":11,"status":"removed"},{"id":12,"status":"skipped","reasons":[{"code":"1008"}]}"#, "1008"),
        (r#"{"id":11,"status":"skipped","reasons":[{"code":"1009"}]},{"id":12,"status":"removed"}"#, "1009"),
    ] {
        let report = removed(rows);
        assert_eq!((report.settled.len(), codes(&report)), (0, vec![(0, code)]), "{rows}");
    }
    // One of which nothing is said: the person is asked for again.
    for rows in [
        r#"{"id":11,"status":"removed"}"#,
        r#"{"id":12,"status":"skipped","reasons":[{"code":"1015"}]}"#,
        r#"{"id":11,"status":"skipped","reasons":[{"code":"1008"}]},{"id":12,"status":"strange"}"#,
    ] {
        let report = removed(rows);
        assert!(matches!(report.fault, Some(Fault::Unavailable(_))) && report.settled.is_empty(), "{report:?}");
        assert!(report.refused.is_empty(), "{report:?}");
    }
    let out = r#"{"id":11,"status":"removed"},{"id":12,"status":"skipped","reasons":[{"code":"1015"}]}"#;
    assert_eq!(removed(out).settled, [(0, 1)]);
}

/// So many leads for each of two addresses.
fn crowd(each: usize) -> impl FnMut(&testing::Call) -> Response + 'static {
    let lead = |id: usize| format!(r#"{{"id":{id},"email":"{}@x.io"}}"#, if id <= each { "a" } else { "b" });
    let leads: Vec<String> = (1..=2 * each).map(lead).collect();
    move |_| testing::json(200, &format!(r#"{{"success":true,"result":[{}]}}"#, leads.join(",")))
}

#[test]
fn more_leads_than_one_call_takes_are_sent_in_halves_down_to_one_person() {
    let (report, calls) = played(&settings(""), &emails(&["a@x.io", "b@x.io"]), crowd(151));
    assert_eq!((report.fault, calls.len()), (Some(Fault::TooLarge), 1), "nothing is written");
    let (report, calls) = played(&settings(""), &emails(&["a@x.io"]), crowd(301));
    assert_eq!((codes(&report), calls.len()), (vec![(0, "too-many-leads")], 1));
    assert!(report.settled.is_empty() && report.fault.is_none());
}

#[test]
fn ids_of_leads_need_no_lookup() {
    let part =
        testing::part("id", &[("EXTERNAL_ID", &["318594", " 42 ", "042", "4.0", "abc", "-1", "2147483648", "0"])]);
    let rows = r#"{"id":318594,"status":"added"},{"id":42,"status":"added"}"#;
    let (report, calls) = played(&settings(""), &part, partner("", rows));
    assert_eq!((calls.len(), calls[0].path.as_str()), (1, "/rest/v1/lists/1021/leads.json?id=318594,42"));
    assert_eq!(report.settled, [(0, 3)]);
    assert_eq!(codes(&report).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert_eq!((lead_id("2147483647"), lead_id("+5"), lead_id("")), (Some(2_147_483_647), None, None));
}

#[test]
fn own_ids_are_looked_up_in_the_field_that_the_setting_names() {
    let part = testing::part("id", &[("EXTERNAL_ID", &["u-1", "u,2"])]);
    let leads = r#"{"id":11,"crmId":"U-1"}"#;
    let (report, calls) =
        played(&settings(r#","external_id_field":"crmId""#), &part, partner(leads, r#"{"id":11,"status":"added"}"#));
    assert!(calls[0].body.starts_with("filterType=crmId&filterValues=u-1&fields=id,crmId,updatedAt"));
    assert_eq!((report.settled.as_slice(), codes(&report)), (&[(0, 1)][..], vec![(1, "comma")]));
    let (report, calls) = played(&settings(r#","external_id_field":"""#), &part, partner("", ""));
    assert!(matches!(report.fault, Some(Fault::Misconfigured(_))) && calls.is_empty());
}

#[test]
fn a_fault_of_lookup_or_write_takes_nobody_and_rows_without_a_status_are_sent_again() {
    let busy = r#"{"success":false,"errors":[{"code":"606","message":"m"}]}"#;
    let (report, calls) = played(&settings(""), &emails(&["a@x.io"]), move |_| testing::json(200, busy));
    assert!(matches!(report.fault, Some(Fault::Throttled(_))) && report.settled.is_empty());
    assert_eq!(calls.len(), 1, "reads come first");
    let gone = r#"{"success":false,"errors":[{"code":"1013","message":"m"}]}"#;
    let answer = move |call: &testing::Call| match call.path.contains("/lists/") {
        false => testing::json(200, &format!(r#"{{"success":true,"result":[{TWO}]}}"#)),
        true => testing::json(200, gone),
    };
    assert!(matches!(played(&settings(""), &emails(&["a@x.io"]), answer).0.fault, Some(Fault::Audience(_))));
    let (report, _) =
        played(&settings(""), &emails(&["a@x.io", "b@x.io"]), partner(TWO, r#"{"id":12,"status":"added"}"#));
    assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
    assert_eq!(report.settled, [(1, 2)]);
}

#[test]
fn a_part_for_another_instance_or_without_rows_makes_no_call() {
    let target = testing::target("999-XYZ-999", "1021", "");
    let (report, calls) =
        testing::with_partner(|_| testing::json(200, "{}"), || sync(&settings(""), &target, &emails(&["a@x.io"])));
    assert!(matches!(report.fault, Some(Fault::Misconfigured(_))) && calls.is_empty());
    let (report, calls) = played(&settings(""), &testing::part("email", &[]), partner("", ""));
    assert!(report.fault.is_none() && calls.is_empty());
}

#[test]
fn the_same_part_gives_the_same_bytes() {
    let part = emails(&["b@x.io", "a@x.io", "b@x.io"]);
    let play =
        || played(&settings(""), &part, partner(TWO, r#"{"id":11,"status":"added"},{"id":12,"status":"added"}"#));
    let ((report, first), (_, again)) = (play(), play());
    assert_eq!(first, again);
    assert_eq!(report.settled, [(0, 3)]);
    assert!(first[1].path.ends_with("?id=12,11"), "in the order of the rows, each once");
}
