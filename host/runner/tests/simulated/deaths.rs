//! Deaths of the process at every instant of one and the same run: nobody is lost, nobody doubled.
use crate::common::{canvas, connections, emails, one_step, people};
use crate::partner::Mood;
use crate::store::{Death, Doom};
use crate::time::HOUR;
use crate::world::{World, done, plain};
use caravan_model::{Status, VersionId};
use caravan_store::Store as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// A run with something to be waited for, retried, held and cut; the process dies meanwhile. Gives whether it did.
async fn dies_and_goes_on(doom: Option<Doom>, sudden: Option<Duration>) -> bool {
    let mut world = World::new(1, 16);
    world.options.chunk = 25;
    *world.watch.audit_every.lock().unwrap() = 1;
    let text = one_step("walk", "add", "email")
        .replace("start: sync", "start: pause")
        .replace("steps:\n", "steps:\n  pause: { delay: { for: 1h }, next: sync }\n")
        .replace("] }, next", "], advance: when_synced }, next");
    let version = world.publish(&text).await;
    world.partner.script(vec![Mood::Down, Mood::LostAnswer, Mood::Take, Mood::Unsigned, Mood::TakeSome(3)]);
    *world.watch.doom.lock().unwrap() = doom;
    let end = world.run_through(version, "people", people(0..40), HOUR * 2, sudden.into_iter().collect()).await;
    done(&end);
    let context = format!("{doom:?} {sudden:?}");
    assert_eq!(world.members(), emails(0..40), "{context}");
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Passed, 40)].into(), "{context}");
    assert_eq!(world.statuses(version, 1).await, [plain(Status::Synced, 40)].into(), "{context}");
    assert_eq!(end.totals().counters.entered, 40, "{context}");
    world.balanced().await;
    // A part comes again only after a fault or a death.
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for seen in world.partner.log() {
        *times.entry(seen.part).or_default() += 1;
    }
    let again: u32 = times.values().map(|n| n - 1).sum();
    assert!(again <= 4, "{context}: {times:?}");
    world.lives > 1
}

async fn dies_at_every_write(how: Death) {
    let mut after = 0;
    while dies_and_goes_on(Some(Doom { call: None, after, how }), None).await {
        after += 1;
    }
    assert!(after > 20, "only {after} writes");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_before_any_commit_loses_nobody() {
    dies_at_every_write(Death::Before).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_commit_whose_answer_is_lost_doubles_nobody() {
    dies_at_every_write(Death::After).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_at_any_moment_of_a_call_loses_and_doubles_nobody() {
    let before = HOUR.as_millis() as u64;
    for ms in (before..before + 2_500).step_by(41) {
        assert!(dies_and_goes_on(None, Some(Duration::from_millis(ms))).await);
    }
}

/// A canvas is published anew while people are inside, who are to go on in the new version; the process dies meanwhile.
/// Gives whether it did.
async fn moves_and_dies(doom: Doom) -> bool {
    let mut world = World::new(2, 16);
    world.options.chunk = 7;
    *world.watch.audit_every.lock().unwrap() = 1;
    let text = one_step("walk", "add", "email")
        .replace("start: sync", "start: pause")
        .replace("steps:\n", "steps:\n  pause: { delay: { for: 1h }, next: sync }\n");
    let old = world.publish(&text).await;
    world.run(old, "people", people(0..40), Duration::ZERO).await;
    world.dies(doom);
    let new = published_with_a_move(&mut world, &text.replace("1h", "2h")).await;
    let end = world.run(new, "", Vec::new(), HOUR * 4).await;
    done(&end);
    let context = format!("{doom:?}");
    assert_eq!(world.members(), emails(0..40), "{context}");
    assert_eq!(world.statuses(old, 0).await, BTreeMap::new(), "{context}");
    assert_eq!(world.statuses(new, 0).await, [plain(Status::Passed, 40)].into(), "{context}");
    assert_eq!(world.statuses(new, 1).await, [plain(Status::Synced, 40)].into(), "{context}");
    let (was, is) = (world.store().counters(old).await.unwrap(), world.store().counters(new).await.unwrap());
    assert_eq!((was.entered, was.open, is.entered, is.open), (40, 0, 0, 0), "{context}");
    world.balanced().await;
    world.lives > 1
}

/// As somebody does it who repeats what was not answered.
async fn published_with_a_move(world: &mut World, text: &str) -> VersionId {
    loop {
        // A dead process lets go of the file before the next one opens it.
        let done = {
            let runner = world.runner();
            match runner.publish(canvas(text), &connections()).await {
                Ok(version) => runner.acting("cli:ann").move_inside("walk").await.map(|()| version.id),
                Err(error) => Err(error),
            }
        };
        match done {
            Ok(version) => return version,
            Err(_) => world.restart().await,
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_at_any_write_of_a_publication_with_people_inside_loses_and_doubles_nobody() {
    for how in [Death::Before, Death::After] {
        let mut after = 0;
        while moves_and_dies(Doom { call: None, after, how }).await {
            after += 1;
        }
        assert!(after > 15, "only {after} writes");
    }
}
