//! What a partner takes by a person's consent is less than by an app, and goes on counting over refreshes.
use crate::consents::Consenting;
use caravan_tests::Place;
use serde_json::{Value, json};
use xtask::totals;

/// Criteo's connection by consent, three lists of the advertiser, and a step for each: four calls, one for each type of
/// identifier.
fn place(lab: &caravan_tests::Lab) -> (Consenting, Place) {
    let criteo = Consenting { partner: "criteo", account: "1", kind: "", refreshed: true, ends_by_request: false };
    let place = criteo.place();
    let lists = ["one", "two", "three"];
    for name in lists {
        let list = json!({"partner": "criteo", "account": "1", "name": name});
        lab.post("/_lab/audiences", &list).expect("a list");
    }
    let audiences: String =
        lists.iter().map(|name| format!("  {name}: {{ connection: by-app, account: main, name: {name} }}\n")).collect();
    let steps: String = lists
        .iter()
        .zip(["two", "three", "exit"])
        .map(|(name, next)| {
            let matched = "match: [email, email_md5, phone, idfa]";
            format!("  {name}: {{ audience_sync: {{ audience: {name}, action: add, {matched} }}, next: {next} }}\n")
        })
        .collect();
    let entry = "entry: { trigger: { event: e }, start: one }";
    place.write("in.yaml", format!("format: 1\ncanvas: in\naudiences:\n{audiences}{entry}\nsteps:\n{steps}"));
    let rows = (0..5).map(|n| format!("p{n},p{n}@example.com,+3362345678{n},f81d4fae-7dec-11d0-a765-00a0c91e6bf{n}\n"));
    place.write("people.csv", format!("external_id,email,phone,idfa\n{}", rows.collect::<String>()));
    (criteo, place)
}

#[test]
fn criteo_by_consent_is_called_about_ten_times_a_minute_also_with_the_next_token() {
    let lab = Place::new().lab();
    let (criteo, place) = place(&lab);
    let app = ["connector", "app", "set", "criteo", "--client-id", "app-1", "--client-secret-env", "APP_SECRET"];
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    criteo.command(&place, &app).expect(0);
    // The first token ends while the minute is waited for.
    lab.post("/_lab/settings", &json!({"token_seconds": 40})).expect("settings");
    criteo.connect(&place, &lab);
    let words = ["run", "in.yaml", "--users", "people.csv", "--lab", &lab.url, "--wait", "5m", "--json"];
    let ran = criteo.command(&place, &words).expect(0);
    assert_eq!(totals::of_status(&ran.json(), "synced"), 15, "{ran:?}");
    let calls: Value = lab.get("/_lab/calls").expect("calls")["partners"]["criteo"].clone();
    assert!(calls["total"].as_u64() > Some(12), "more than a minute's: {calls}");
    // Nearly none is refused as too many, and those are made again: the partner counts when calls arrive, the host when they
    // leave, so that on a busy machine one may come a little before the minute of another is over.
    let (all, refused) = (calls["total"].as_u64().expect("calls"), calls["rate_limit_hits"].as_u64().expect("hits"));
    assert!(refused * 4 < all, "{calls}");
}

#[test]
fn a_token_by_hand_counts_as_what_is_said_of_it_and_without_a_word_the_lower_quota_holds() {
    let lab = Place::new().lab();
    let (criteo, place) = place(&lab);
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    place.write("app.secret", "my-own-token-0123");
    for (said, shown) in [
        (&[][..], "the lower one holds"),
        (&["--as", "app"], "as the app's own"),
        (&["--as", "consent"], "as a person's consent"),
    ] {
        let words =
            ["connection", "token", "by-app", "--token-stdin", "--yes", "--store", "s.caravan", "--lab", &lab.url];
        let typed = std::fs::File::open(place.path("app.secret")).expect("it is there");
        caravan_tests::Ran::of(place.caravan(words.into_iter().chain(said.iter().copied())).stdin(typed)).expect(0);
        let told = criteo.command(&place, &["connection", "show", "by-app"]).expect(0);
        assert!(told.stdout.contains(shown), "{told:?}");
    }
}
