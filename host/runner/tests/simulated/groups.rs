//! Segments, lists and schedules while a host serves.
use crate::common::{emails, people, person};
use crate::stream::served;
use crate::time::{DAY, HOUR};
use crate::world::World;
use caravan_journey::document::read_segment;
use caravan_model::{Event, Group, Message, Millis, Profile, Status};
use caravan_store::Store;
use std::time::Duration;

async fn segment(world: &World, name: &str, who: &str) {
    let text = format!("format: 1\nsegment: {name}\nwho: {who}\n");
    world.runner().set_segment(&read_segment("s", &text).unwrap().value).await.unwrap();
}

fn canvas(id: &str, trigger: &str, rest: &str) -> String {
    format!(
        "
format: 1
canvas: {id}
audiences:
  list: {{ connection: c, account: main, name: {id}, if_missing: create }}
entry: {{ trigger: {trigger}, re_entry: always, start: pause }}
{rest}
steps:
  pause: {{ delay: {{ for: 1h }}, next: sync }}
  sync: {{ audience_sync: {{ audience: list, action: add, match: [email] }}, next: exit }}
"
    )
}

fn event(world: &World, id: &str, who: u32, name: &str) -> (Option<String>, Message) {
    let event = Event { name: name.to_owned(), at: world.now(), properties: Default::default() };
    (Some(id.to_owned()), Message { who: person(format!("p{who}")), event: Some(event), ..Message::default() })
}

fn identified(who: u32, city: &str) -> (Option<String>, Message) {
    let who = Profile { city: Some(city.to_owned()), ..person(format!("p{who}")) };
    (None, Message { who, ..Message::default() })
}

async fn size(world: &World, name: &str) -> u64 {
    let sizes = world.store().group_sizes().await.unwrap();
    sizes.into_iter().find(|(group, _)| *group == Group::segment(name)).map_or(0, |(_, n)| n)
}

async fn entered(world: &World, version: caravan_model::VersionId) -> u64 {
    world.store().counters(version).await.unwrap().entered
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_is_in_a_segment_enters_at_publishing_or_not_and_who_joins_enters_once() {
    let world = World::new(11, 16);
    world.runner().import_profiles(people(0..40)).await.unwrap();
    let lyon = (0..10).map(|n| identified(n, "Lyon")).collect();
    world.runner().receive(lyon).await.unwrap();
    segment(&world, "lyon", "{ attr: city, eq: Lyon }").await;
    let all = world.publish(&canvas("all", "{ segment: lyon, existing: enter }", "")).await;
    let new = world.publish(&canvas("new", "{ segment: lyon, existing: skip }", "")).await;
    served(&world, HOUR * 3).await;
    assert_eq!((entered(&world, all).await, entered(&world, new).await, size(&world, "lyon").await), (10, 0, 10));
    // Two join, one of them leaves and joins again; who is in it already does not join by another message.
    world.runner().receive(vec![identified(0, "Lyon"), identified(10, "Lyon"), identified(11, "Lyon")]).await.unwrap();
    served(&world, HOUR * 3).await;
    world.runner().receive(vec![identified(10, "Brest")]).await.unwrap();
    served(&world, HOUR * 3).await;
    world.runner().receive(vec![identified(10, "Lyon")]).await.unwrap();
    served(&world, HOUR * 3).await;
    assert_eq!((entered(&world, all).await, entered(&world, new).await, size(&world, "lyon").await), (13, 3, 12));
    // Who is found by a rule that changed joins with it.
    segment(&world, "lyon", "{ attr: city, in: [Lyon, Brest] }").await;
    world.runner().receive(vec![identified(12, "Brest")]).await.unwrap();
    served(&world, HOUR * 3).await;
    assert_eq!((entered(&world, all).await, entered(&world, new).await), (14, 4));
    // A host that starts anew asks nobody twice.
    served(&world, DAY).await;
    assert_eq!((entered(&world, all).await, entered(&world, new).await), (14, 4));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_16_time_alone_brings_people_in_and_out_of_a_segment() {
    let world = World::new(12, 16);
    world.runner().import_profiles(people(0..4)).await.unwrap();
    segment(&world, "active", "{ event: opened, within: 2h }").await;
    segment(&world, "quiet", "{ not: { segment: active } }").await;
    let version =
        world.publish(&canvas("win", "{ segment: quiet, existing: skip }", "exit: [ { segment: active } ]")).await;
    world.runner().receive(vec![event(&world, "m1", 0, "opened")]).await.unwrap();
    served(&world, HOUR).await;
    assert_eq!((size(&world, "active").await, size(&world, "quiet").await), (1, 3));
    served(&world, Duration::from_secs(75 * 60)).await;
    assert_eq!((size(&world, "active").await, size(&world, "quiet").await), (0, 4));
    assert_eq!(entered(&world, version).await, 1, "who became quiet");
    // They open again while they wait: out at once.
    world.runner().receive(vec![event(&world, "m2", 0, "opened")]).await.unwrap();
    served(&world, HOUR).await;
    assert_eq!(
        world.statuses(version, 0).await.keys().map(|(status, _)| *status).collect::<Vec<_>>(),
        [Status::Exited]
    );
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_wait_for_a_segment_ends_when_they_join_and_a_list_lets_people_in() {
    let world = World::new(13, 16);
    segment(&world, "buyers", "{ event: bought }").await;
    assert!(world.runner().create_list("vip").await.unwrap());
    assert!(!world.runner().create_list("vip").await.unwrap());
    assert_eq!(world.runner().list_people("vip", people(0..3), true).await.unwrap(), 3);
    let text = canvas("vips", "{ list: vip }", "").replace(
        "pause: { delay: { for: 1h }",
        "pause: { wait_for: { segment: buyers, timeout: 1d, on_timeout: exit }",
    );
    let version = world.publish(&text).await;
    served(&world, HOUR).await;
    assert_eq!(entered(&world, version).await, 3);
    world.runner().receive(vec![event(&world, "m1", 1, "bought"), event(&world, "m2", 7, "bought")]).await.unwrap();
    served(&world, HOUR).await;
    assert_eq!(world.members(), emails(1..2));
    // p7 is in the segment already: no wait.
    assert_eq!(world.runner().list_people("vip", people(7..8), true).await.unwrap(), 1);
    served(&world, HOUR).await;
    assert_eq!(world.members(), emails(1..2).into_iter().chain(emails(7..8)).collect());
    let in_use = world.runner().forget_group(&Group::list("vip")).await.unwrap_err();
    assert!(in_use.to_string().contains("in use by canvas vips"), "{in_use}");
    world.runner().stop_now("vips", "test").await.unwrap();
    world.runner().forget_group(&Group::list("vip")).await.unwrap();
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_14_each_run_of_a_schedule_lets_the_members_in_and_missed_ones_are_one() {
    let world = World::new(14, 16);
    world.runner().import_profiles(people(0..20)).await.unwrap();
    segment(&world, "some", "{ attr: external_id, in: [p0, p1, p2, p3, p4] }").await;
    let version =
        world.publish(&canvas("daily", "{ schedule: '0 9 * * *', tz: Europe/Paris, segment: some }", "")).await;
    served(&world, DAY * 2).await;
    assert_eq!(entered(&world, version).await, 10, "two mornings");
    tokio::time::advance(DAY * 5).await;
    served(&world, HOUR * 2).await;
    assert_eq!(entered(&world, version).await, 15, "five mornings while nobody served are one");
    // A canvas's caps hold for a run as well.
    let caps = caravan_store::Caps { a_run: Some(2), ..caravan_store::Caps::default() };
    world.runner().cap_canvas("daily", caps).await.unwrap();
    served(&world, DAY).await;
    assert_eq!(entered(&world, version).await, 17);
    assert!(world.now() > Millis(0));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_17_an_audience_is_kept_in_step_with_a_segment() {
    let world = World::new(15, 64);
    world.runner().import_profiles(people(0..100)).await.unwrap();
    segment(&world, "lyon", "{ attr: city, eq: Lyon }").await;
    world.runner().receive((0..50).map(|n| identified(n, "Lyon")).collect()).await.unwrap();
    let text =
        canvas("step", "{ segment: lyon, existing: enter, in_step: true }", "").replace("start: pause", "start: sync");
    let text = text.replace("  pause: { delay: { for: 1h }, next: sync }\n", "");
    let version = world.publish(&text).await;
    served(&world, HOUR).await;
    assert_eq!(world.members(), emails(0..50));
    // 30 join, 20 leave, 5 have another address; one leaves and is back before anything is sent.
    let joiners = (50..80).map(|n| identified(n, "Lyon"));
    let leavers = (0..20).map(|n| identified(n, "Brest"));
    let back = [identified(40, "Brest"), identified(40, "Lyon")];
    let moved = (30..35).map(|n| {
        let who = Profile { emails: vec![format!("new{n}@x.example")], ..person(format!("p{n}")) };
        (None, Message { who, ..Message::default() })
    });
    world.runner().receive(joiners.chain(leavers).chain(moved).chain(back).collect()).await.unwrap();
    served(&world, HOUR * 2).await;
    let kept = emails(20..30).into_iter().chain(emails(35..80));
    let renewed = (30..35).map(|n| format!("EMAIL=new{n}@x.example"));
    let expected: std::collections::BTreeSet<String> = kept.chain(renewed).collect();
    let members = world.members();
    assert!(members == expected, "{:?}", members.symmetric_difference(&expected).collect::<Vec<_>>());
    let calls = world.partner.log().len();
    // What is not about who they are asks nothing of the partner.
    let opened = (20..80).map(|n| {
        let (id, message) = event(&world, &format!("e{n}"), n, "opened");
        let who = Profile { external_id: message.who.external_id, ..Profile::default() };
        (id, Message { who, ..message })
    });
    world.runner().receive(opened.collect()).await.unwrap();
    served(&world, HOUR).await;
    assert_eq!(world.partner.log().len(), calls);
    assert!(world.statuses(version, 0).await.keys().all(|(status, _)| *status == Status::Synced));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_is_in_a_segment_now_enters_and_nobody_later() {
    let world = World::new(16, 64);
    segment(&world, "lyon", "{ attr: city, eq: Lyon }").await;
    world.runner().receive((0..5).map(|n| identified(n, "Lyon")).collect()).await.unwrap();
    served(&world, HOUR).await;
    let version = world.publish(&canvas("once", "{ segment: lyon, existing: only }", "")).await;
    served(&world, HOUR).await;
    world.runner().receive((5..9).map(|n| identified(n, "Lyon")).collect()).await.unwrap();
    served(&world, HOUR * 2).await;
    assert_eq!((entered(&world, version).await, size(&world, "lyon").await), (5, 9));
    assert_eq!(world.members(), emails(0..5));
}
