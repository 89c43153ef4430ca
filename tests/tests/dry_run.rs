//! Promise 6: the requests of a dry run equal, byte for byte, what the lab then receives for the same people in the
//! same order.
use caravan_tests::{Place, audience_named, word};
use serde_json::{Value, json};
use xtask::totals;

#[test]
fn dry_run_requests_equal_what_the_lab_receives() {
    for (partner, account) in [("meta", "act_1"), ("tiktok", "7000000000000000001")] {
        let place = Place::new();
        let lab = place.lab();
        place.write(
            "connections.yaml",
            format!("format: 1\nconnections:\n  c: {{ connector: {partner}, lab: true, accounts: {{ main: {account:?} }} }}\n"),
        );
        place.write(
            "canvas.yaml",
            "format: 1\ncanvas: one\naudiences:\n  a: { connection: c, account: main, name: A, if_missing: create }\n\
             entry: { trigger: { event: e }, start: sync }\nsteps:\n  sync: { audience_sync: { audience: a, action: add, match: [email, phone] }, next: exit }\n",
        );
        let people = word(&place.people("people.csv", 12_345, 23));
        lab.post("/_lab/record", &json!({"on": true})).expect("recording");
        let ran =
            place.run(["run", "canvas.yaml", "--users", &people, "--store", "s.caravan", "--lab", &lab.url, "--json"]);
        let ran = ran.expect(0).json();
        let audience = audience_named(&lab, "A").expect("one audience");

        let dry = place
            .run([
                "dry-run",
                "--connector",
                partner,
                "--account",
                account,
                "--audience",
                &audience,
                "--action",
                "add",
                "--match",
                "email,phone",
                "--users",
                &people,
                "--json",
            ])
            .expect(0)
            .json();
        let results = dry["results"].as_array().expect("results");
        assert_eq!(results.len(), 12_345, "one result per person");
        let synced = results.iter().filter(|result| result["status"] == "synced").count() as u64;
        assert_eq!(synced, totals::of_status(&ran, "synced"), "the dry run says as many synced as the run");

        let calls = lab.get("/_lab/calls?bodies=1").expect("calls");
        let recorded = calls["requests"].as_array().expect("recorded requests");
        let sent: Vec<&Value> = recorded
            .iter()
            .filter(|request| {
                let path = request["path"].as_str().unwrap_or_default();
                path.contains("/users") || path.contains("segment/mapping")
            })
            .collect();
        let dry = dry["requests"].as_array().expect("requests");
        assert!(sent.len() >= 2, "more than one batch: {}", sent.len());
        assert_eq!(dry.len(), sent.len(), "as many requests");
        for (dry, sent) in dry.iter().zip(sent) {
            assert_eq!(dry["method"], sent["method"]);
            let url = dry["url"].as_str().expect("a URL");
            let path = sent["path"].as_str().expect("a path");
            assert!(url.ends_with(path), "{url} and {path}");
            assert!(dry["body"] == sent["body"], "{partner}: bodies differ");
            assert!(!dry.to_string().contains("lab-token"), "secrets are masked");
        }
    }
}
