//! kill -9 at any moment, then the same command again: the same sets and counts as without.
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, audience_named, keys_of, patient, word};
use serde_json::{Value, json};
use std::{
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use xtask::totals;

const CANVAS: &str = r#"
format: 1
canvas: again-and-again
audiences:
  buyers: { connection: lab-meta, account: main, name: "Buyers", if_missing: create }
  viewers: { connection: lab-tiktok, account: main, name: "Viewers", if_missing: create }
entry:
  trigger: { event: lapsed }
  re_entry: always
  start: split
steps:
  split: { branch: [ { if: { attr: plan, in: [pro] }, next: meta } ], else: tiktok }
  meta: { audience_sync: { audience: buyers, action: add, match: [email, phone, first_name] }, next: exit }
  tiktok: { audience_sync: { audience: viewers, action: add, match: [email, phone] }, next: last }
  last: { audience_sync: { audience: buyers, action: remove, match: [email, phone, first_name] }, next: exit }
"#;

/// A run's counts and the lab's sets.
fn outcome(place: &Place, lab: &Lab, people: &str, store: &str) -> (Value, Value) {
    let arguments =
        ["run", "canvas.yaml", "--users", people, "--store", store, "--lab", &lab.url, "--wait", "2m", "--json"];
    let ran = place.run(arguments).expect(0).json();
    (json!({"accounted": totals::accounted(&ran), "counts": totals::by_step(&ran)}), sets(lab))
}

fn sets(lab: &Lab) -> Value {
    let of = |name: &str| json!(keys_of(lab, &audience_named(lab, name).expect("one audience")).expect("members"));
    json!({"Buyers": of("Buyers"), "Viewers": of("Viewers")})
}

#[test]
fn kill_9_at_random_moments_leaves_the_same_sets_and_counts() {
    let kills: u64 = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 50 } else { 10 };
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let people = word(&place.people("people.csv", 60_000, 11));

    let calm = place.lab();
    let began = Instant::now();
    let expected = outcome(&place, &calm, &people, "calm.caravan");
    let whole = began.elapsed();
    drop(calm);

    let seed = std::env::var("CARAVAN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64 | 1));
    println!("CARAVAN_SEED={seed} replays these moments; one calm run took {whole:?}");
    let mut random = seed;
    let lab = place.lab();
    let mut killed = 0;
    for _ in 0..kills {
        let arguments = [
            "run",
            "canvas.yaml",
            "--users",
            &people,
            "--store",
            "stormy.caravan",
            "--lab",
            &lab.url,
            "--wait",
            "2m",
            "--json",
        ];
        let mut child =
            place.caravan(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Each life is short enough that all of them together are about one calm run: the moments cover all of it.
        std::thread::sleep(Duration::from_micros(random % (whole.as_micros() as u64 * 2 / kills).max(1)));
        killed += u64::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child to kill");
        child.wait().expect("its end");
    }
    assert!(killed >= kills / 2, "only {killed} of {kills} were still running when they were to be killed");
    let found = outcome(&place, &lab, &people, "stormy.caravan");
    assert_eq!(found.0, expected.0, "counts by step, status and reason; seed {seed}");
    assert!(found.1 == expected.1, "the lab's sets differ; seed {seed}");
}

#[test]
fn kill_9_during_the_creation_of_an_audience_leaves_one() {
    for partner in ["meta", "tiktok"] {
        let place = Place::new();
        place.write("connections.yaml", LAB_CONNECTIONS);
        place.write("canvas.yaml", CANVAS);
        let people = word(&place.people("people.csv", 200, 3));
        let lab = place.lab();
        // The partner makes the audience, but its answer never comes.
        lab.post(
            "/_lab/faults",
            &json!({"partner": partner, "route": "create", "fault": "hang", "after_effect": true, "count": 1}),
        )
        .expect("the dial");
        let name = if partner == "meta" { "Buyers" } else { "Viewers" };
        let arguments = ["run", "canvas.yaml", "--users", &people, "--store", "s.caravan", "--lab", &lab.url, "--json"];
        let mut child =
            place.caravan(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        patient("the partner has made the audience", || audience_named(&lab, name).is_ok());
        child.kill().expect("a child to kill");
        child.wait().expect("its end");

        let ran = place.run(arguments).expect(0).json();
        assert_eq!(totals::accounted(&ran), Some(200), "{ran}");
        assert!(audience_named(&lab, name).is_ok(), "{partner}: exactly one audience must be there");
    }
}
