//! Random canvases, faults, withdrawals and crashes over one store: in the end the partner holds exactly what the last
//! operation of each person asked for, and the books balance.
use crate::common::*;
use caravan_model::{Profile, VersionId};
use caravan_runner::{RunEnd, RunOptions};
use caravan_store::{Standing, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

const PEOPLE: u32 = 120;

/// The partner's moods.
fn moody(rng: &Mutex<fastrand::Rng>, part: &caravan_model::Part) -> Reaction {
    let mut rng = rng.lock().unwrap();
    match rng.u32(0..20) {
        0 => Reaction::Throttle(rng.u64(1..4)),
        1 => Reaction::Down,
        2 | 3 => Reaction::LostAnswer,
        4 => Reaction::LostRequest,
        5 if part.people() > 4 => Reaction::TooLarge,
        6 => Reaction::TakeSome(rng.usize(1..=part.people())),
        7 => Reaction::Slow(rng.u64(1..5)),
        8 => Reaction::DeadToken,
        _ => Reaction::Take,
    }
}

async fn run_or_crash(
    stage: &Stage,
    version: VersionId,
    source: &str,
    people: Vec<Profile>,
    crash_after: Option<u64>,
) -> bool {
    let options = RunOptions { wait: Duration::from_secs(30), source: source.into(), skip_delays: true, again: false };
    let (progress, _) = watch::channel(Default::default());
    let (_cancel, cancelled) = watch::channel(false);
    let runner = stage.runner();
    let run = runner.run(version, rows(people), options, progress, cancelled);
    let end = match crash_after {
        None => run.await,
        Some(ms) => match tokio::time::timeout(Duration::from_millis(ms), run).await {
            Ok(end) => end,
            Err(_) => return false,
        },
    };
    match end.expect("the run goes") {
        RunEnd::Done(_) => true,
        other => panic!("{other:?}"),
    }
}

async fn simulate(seed: u64) {
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut stage = Stage::of(if rng.bool() { manifest(16) } else { split_manifest(16) });
    stage.options.chunk = 32;
    stage.options.batch_window = Duration::from_millis(3);
    let moods = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed ^ 1)));
    let canvases = [
        ("one", "add", "email, phone"),
        ("two", "remove", "email"),
        ("three", "add", "phone"),
        ("four", "add", "email"),
    ];
    let mut versions = Vec::new();
    for (id, action, words) in canvases {
        let text = one_step(id, action, words);
        // Some wait in the canvas for the outcome, some do not, some wait before.
        let text = match rng.u32(0..3) {
            0 => text.replace("] }, next", "], advance: when_synced }, next"),
            1 => text
                .replace("start: sync", "start: pause")
                .replace("steps:\n", "steps:\n  pause: { delay: { for: 1h }, next: sync }\n"),
            _ => text,
        };
        versions.push((stage.publish(&text).await, action, words));
    }
    let (fake, dial) = (stage.fake(), moods.clone());
    fake.dial(move |part| moody(&dial, part));
    let poisoned: BTreeSet<u32> = if rng.bool() { [rng.u32(0..PEOPLE)].into() } else { BTreeSet::new() };
    fake.partner.lock().unwrap().poison.extend(poisoned.iter().map(|n| format!("=p{n}@")));

    let mut now: BTreeMap<u32, Profile> = BTreeMap::new();
    let mut wanted: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let mut entered = BTreeMap::new();
    for round in 0..6 {
        let (version, action, words) = versions[rng.usize(0..versions.len())];
        let mut who: Vec<u32> = (0..PEOPLE).filter(|_| rng.u32(0..3) > 0).collect();
        rng.shuffle(&mut who);
        let people: Vec<Profile> = who.iter().map(|n| changed(&mut rng, *n, now.get(n))).collect();
        for (n, person) in who.iter().zip(&people) {
            now.insert(*n, person.clone());
            let sets = match action {
                "add" => rows_of(person, words, &stage),
                _ => BTreeSet::new(),
            };
            wanted.insert(*n, sets);
        }
        *entered.entry(version).or_insert(0) += people.len() as u64;
        println!("--- round {round}: {action} {words} {version}");
        let source = format!("round-{round}");
        let crashes = rng.u32(0..4);
        for _ in 0..crashes {
            let ms = rng.u64(1..60);
            if run_or_crash(&stage, version, &source, people.clone(), Some(ms)).await {
                break;
            }
        }
        assert!(run_or_crash(&stage, version, &source, people, None).await, "seed {seed}");
        stage.balanced().await;
        let members = fake.members("new-1");
        let expected: BTreeSet<String> =
            wanted.iter().filter(|(n, _)| !poisoned.contains(n)).flat_map(|(_, rows)| rows.clone()).collect();
        let sound: BTreeSet<String> = members
            .into_iter()
            .filter(|row| !poisoned.iter().any(|n| row.contains(&format!("p{n}@")) || row.contains(&phone(*n))))
            .collect();
        let missing: Vec<_> = expected.difference(&sound).collect();
        let extra: Vec<_> = sound.difference(&expected).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "seed {seed}, round {round}: missing {missing:?}, extra {extra:?}"
        );
    }
    for (version, entered) in entered {
        let counters = stage.store.counters(version).await.unwrap();
        assert_eq!((counters.entered, counters.open), (entered, 0), "seed {seed}");
        let last = counters.counts.iter().map(|count| count.step).max().unwrap();
        let statuses: u64 = counters.counts.iter().filter(|count| count.step == last).map(|count| count.n).sum();
        assert_eq!(statuses, entered, "seed {seed}");
    }
    believes_what_is(&stage, &wanted, &poisoned).await;
}

/// Membership says what stands at the partner.
async fn believes_what_is(stage: &Stage, wanted: &BTreeMap<u32, BTreeSet<String>>, poisoned: &BTreeSet<u32>) {
    for (n, rows) in wanted.iter().filter(|(n, _)| !poisoned.contains(n)) {
        let profile = stage.store.find(&format!("p{n}")).await.unwrap()[0];
        let trace = stage.store.trace(profile).await.unwrap().unwrap();
        let standing = trace.memberships.first().map_or(Standing::Out, |membership| membership.1.standing);
        assert_eq!(standing, if rows.is_empty() { Standing::Out } else { Standing::In }, "p{n}");
    }
}

fn phone(n: u32) -> String {
    format!("336123{n:05}")
}

/// A person, now and then with another address.
fn changed(rng: &mut fastrand::Rng, n: u32, before: Option<&Profile>) -> Profile {
    let mut person = before.cloned().unwrap_or_else(|| {
        let mut fresh = person(format!("p{n}"));
        fresh.phones = vec![format!("+{}", phone(n))];
        fresh
    });
    if rng.u32(0..4) == 0 {
        person.emails = (0..rng.u32(1..3)).map(|k| format!("{k}.{}.p{n}@x.example", rng.u32(0..3))).collect();
    }
    person
}

/// What the partner holds for someone who was added: written down independently of the host.
fn rows_of(person: &Profile, words: &str, stage: &Stage) -> BTreeSet<String> {
    let emails = person.emails.iter().map(|email| format!("EMAIL={email}"));
    let phones = person.phones.iter().map(|phone| format!("PHONE={}", phone.trim_start_matches('+')));
    let together = stage.fake().manifest.groups.len() == 1;
    match words {
        "email" => emails.collect(),
        "phone" => phones.collect(),
        _ if together => {
            emails.map(|email| format!("{email}|PHONE={}", person.phones[0].trim_start_matches('+'))).collect()
        }
        _ => emails.chain(phones).collect(),
    }
}

/// Seeds that failed once, kept with what they found.
const KEPT: [u64; 1] = [
    // Calls that were too large or answered short were counted as the search's for one poison row, and the queue was
    // held for good.
    209_814_246_135,
];

/// Of a fixed walk through the seeds, so that a change is what makes it fail; `CARAVAN_SEED` runs one seed, and
/// `CARAVAN_TEST_FULL` a hundred fresh ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_and_crashes_leave_what_was_asked_for() {
    if let Ok(seed) = std::env::var("CARAVAN_SEED") {
        return simulate(seed.parse().expect("CARAVAN_SEED is a number")).await;
    }
    let (from, count) = match std::env::var_os("CARAVAN_TEST_FULL") {
        Some(_) => (fastrand::u64(..1 << 40), 100),
        None => (1, 12),
    };
    for seed in KEPT.into_iter().chain(from..from + count) {
        simulate(seed).await;
    }
}
