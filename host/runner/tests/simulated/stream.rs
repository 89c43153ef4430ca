//! Messages that stream in while a host serves.
use crate::common::{emails, person};
use crate::partner::Mood;
use crate::time::DAY;
use crate::world::{World, plain};
use caravan_model::{Event, Message, Millis, Status};
use caravan_store::Store as _;
use std::time::Duration;
use tokio::sync::watch;

const CANVAS: &str = "
format: 1
canvas: stream
audiences:
  list: { connection: c, account: main, name: Ours, if_missing: create }
entry: { trigger: { event: lapsed, where: { n: { gte: 1 } } }, re_entry: always, start: pause }
exit: [ { event: bought } ]
steps:
  pause: { delay: { for: 1d }, next: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";

fn message(id: &str, who: u32, event: &str, n: u64, at: Millis) -> (Option<String>, Message) {
    let properties = [("n".to_owned(), n.into())].into_iter().collect();
    let event = Event { name: event.to_owned(), at, properties };
    (Some(id.to_owned()), Message { who: person(format!("p{who}")), event: Some(event), ..Message::default() })
}

/// Serves for a while; messages may come in meanwhile.
pub async fn served(world: &World, span: Duration) {
    let (cancel, cancelled) = watch::channel(false);
    let (tell, _) = watch::channel(caravan_runner::Progress::default());
    let runner = world.runner();
    let serving = async { runner.serve(tell, cancelled).await.unwrap() };
    let waiting = async {
        tokio::time::sleep(span).await;
        cancel.send_replace(true);
    };
    tokio::join!(serving, waiting);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_11_a_message_counts_once_and_an_exit_behind_it_ends_what_it_began() {
    let world = World::new(1, 16);
    let version = world.publish(CANVAS).await;
    let now = world.now();
    let messages = vec![
        message("m1", 0, "lapsed", 1, now),
        message("m2", 1, "lapsed", 1, now),
        message("m3", 2, "lapsed", 0, now),
        message("m4", 1, "bought", 0, now),
        message("m5", 0, "bought", 0, now.before(caravan_model::Duration::HOUR)),
        message("m1", 0, "lapsed", 1, now),
        message("m6", 0, "lapsed", 1, now),
    ];
    assert_eq!(world.runner().receive(messages).await.unwrap(), 6);
    served(&world, DAY / 2).await;
    // p0 and p1 came in; p1 left by what came behind. What p0 did before their entry does not end it (11.13).
    let statuses = world.statuses(version, 0).await;
    let of = |wanted: Status| statuses.iter().filter(|((status, _), _)| *status == wanted).map(|(_, n)| n).sum::<u64>();
    assert_eq!((of(Status::Exited), of(Status::Waiting)), (1, 1), "{statuses:?}");
    assert_eq!(world.runner().receive(vec![message("m6", 0, "lapsed", 1, now)]).await.unwrap(), 0);
    served(&world, DAY * 2).await;
    assert_eq!(world.statuses(version, 1).await, [plain(Status::Synced, 1)].into());
    assert_eq!(world.members(), emails(0..1));
    world.balanced().await;
}

const WAITS: &str = "
format: 1
canvas: waits
audiences:
  list: { connection: c, account: main, name: Ours, if_missing: create }
entry: { trigger: { event: signed_up }, re_entry: always, start: opened }
exit: [ { event: bought } ]
steps:
  opened: { wait_for: { event: opened, where: { n: { gte: 2 } }, timeout: 3d, on_timeout: exit }, next: again }
  again: { wait_for: { event: opened, timeout: 2d }, next: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_13_what_people_wait_for_wakes_them_in_order_unless_it_is_older_than_their_entry() {
    let world = World::new(2, 16);
    let version = world.publish(WAITS).await;
    let now = world.now();
    let old = now.before(caravan_model::Duration::HOUR);
    let first = vec![
        // p0 comes in and opens twice: on to the sync, within one chunk.
        message("a1", 0, "signed_up", 1, now),
        message("a2", 0, "opened", 2, now),
        message("a3", 0, "opened", 1, now),
        // p1 opened before they came in, and what they open is not what is waited for.
        message("b1", 1, "opened", 2, now),
        message("b2", 1, "signed_up", 1, now),
        message("b3", 1, "opened", 2, old),
        message("b4", 1, "opened", 1, now),
        // p2 waits for the second time in vain, p3 leaves meanwhile.
        message("c1", 2, "signed_up", 1, now),
        message("c2", 2, "opened", 9, now),
        message("d1", 3, "signed_up", 1, now),
        message("d2", 3, "opened", 2, now),
        message("d3", 3, "bought", 1, now),
    ];
    assert_eq!(world.runner().receive(first).await.unwrap(), 12);
    served(&world, DAY).await;
    assert_eq!(world.members(), emails(0..1));
    // A paused canvas lets p2 no further than the next door; the event is not forgotten.
    world.runner().pause_canvas("waits", "test").await.unwrap();
    let later = message("c3", 2, "opened", 1, world.now());
    assert_eq!(world.runner().receive(vec![later]).await.unwrap(), 1);
    served(&world, DAY / 4).await;
    assert_eq!(world.members(), emails(0..1));
    world.runner().resume_canvas("waits").await.unwrap();
    served(&world, DAY * 4).await;
    assert_eq!(world.members(), emails(0..1).into_iter().chain(emails(2..3)).collect());
    let passed = |why: &str, n| ((Status::Passed, why.to_owned()), n);
    assert_eq!(world.statuses(version, 0).await, [passed("happened", 3), passed("timed-out", 1)].into());
    let exited = ((Status::Exited, "exited".to_owned()), 1);
    assert_eq!(world.statuses(version, 1).await, [passed("happened", 2), exited].into());
    world.balanced().await;
}

const AT_ONCE: &str = "
format: 1
canvas: at-once
audiences:
  list: { connection: c, account: main, name: Ours, if_missing: create }
entry: { trigger: { event: signed_up }, start: sync }
steps:
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";

fn alias(id: &str, name: &str, previous: &str) -> (Option<String>, Message) {
    let who = caravan_model::Profile { external_id: name.to_owned(), ..Default::default() };
    (Some(id.to_owned()), Message { who, merges: vec![previous.to_owned()], ..Message::default() })
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn two_who_are_one_are_one_member_also_where_calls_were_under_way() {
    let world = World::new(11, 16);
    let version = world.publish(AT_ONCE).await;
    let now = world.now();
    let both = vec![message("m0", 0, "signed_up", 1, now), message("m1", 1, "signed_up", 1, now)];
    world.runner().receive(both).await.unwrap();
    served(&world, DAY / 24).await;
    assert_eq!(world.members(), emails(0..2));
    // Two more, whom the partner does not answer for; meanwhile somebody says that each is one of the first two.
    let from = world.now();
    world.partner.weather(from, from.after(caravan_model::Duration::HOUR.times(3)), Mood::LostAnswer);
    let more = vec![message("m2", 2, "signed_up", 1, from), message("m3", 3, "signed_up", 1, from)];
    world.runner().receive(more).await.unwrap();
    served(&world, DAY / 24).await;
    let said = vec![alias("a0", "p0", "p1"), alias("a1", "p0", "p2"), alias("a2", "p3", "p0")];
    world.runner().receive(said).await.unwrap();
    served(&world, DAY / 24).await;
    let merges = world.store().merges().await.unwrap();
    assert!(merges.waiting > 0, "{merges:?}");
    served(&world, DAY).await;
    let merges = world.store().merges().await.unwrap();
    assert_eq!((merges.merged, merges.waiting), (3, 0));
    world.balanced().await;
    // All that any of the four is known by stands there as one person's, and is found when they are forgotten.
    assert_eq!(world.members(), emails(0..4));
    assert_eq!(world.statuses(version, 0).await.values().sum::<u64>(), 4);
    let one = world.trace("p1").await.unwrap();
    assert_eq!((one.profile.external_id.as_str(), one.merged.len()), ("p3", 3));
    let gone = world.store().find("p2").await.unwrap();
    world.runner().erase(&gone).await.unwrap();
    served(&world, DAY).await;
    assert_eq!(world.members(), emails(0..0));
    world.balanced().await;
}
