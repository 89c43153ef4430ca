//! Stopping and pausing take hold at once, whatever is under way: nobody enters or moves on behind them, nobody is left
//! inside of a stopped canvas, and nothing of theirs that was not sent is sent.
use crate::common::{emails, people, person};
use crate::store::{Death, Doom};
use crate::stream::served;
use crate::time::{DAY, HOUR};
use crate::world::World;
use caravan_journey::document::read_segment;
use caravan_model::port::BoxFuture;
use caravan_model::webhook::{WebhookAnswer, WebhookCall, WebhookSender};
use caravan_model::{Event, Message, ProfileId, Status, VersionId};
use caravan_runner::Runner;
use caravan_store::{HoldScope, Store};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

use crate::store::SimStore;

const PEOPLE: u32 = 100;

/// What somebody does in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pause,
    Close,
    Stop,
    /// A call lets the first ten out.
    Exit,
}

const ACTS: [Act; 3] = [Act::Pause, Act::Close, Act::Stop];

async fn act(runner: &Runner<SimStore>, store: &SimStore, what: Act) {
    match what {
        Act::Pause => drop(runner.pause_canvas("held", "test").await.unwrap()),
        Act::Close => drop(runner.stop_entries("held", "test").await.unwrap()),
        Act::Stop => drop(runner.stop_now("held", "test").await.unwrap()),
        Act::Exit => {
            let named = store.named((0..10).map(|who| format!("p{who}")).collect()).await.unwrap();
            let people: Vec<ProfileId> = named.into_iter().flatten().collect();
            assert_eq!(people.len(), 10);
            runner.let_out("held", &people).await.unwrap();
        }
    }
}

/// Serves for a while; right before the write `call`, after so many of them, somebody acts and is answered. Gives how many
/// had entered and were inside then.
async fn overtaken(world: &World, what: Act, version: VersionId, (call, after): (&'static str, u64)) -> (u64, u64) {
    let (begun, end) = world.watch.interlude(call, after);
    let (cancel, cancelled) = watch::channel(false);
    let (tell, _) = watch::channel(caravan_runner::Progress::default());
    let runner = world.runner();
    let serving = async { runner.serve(tell, cancelled).await.unwrap() };
    let acting = async {
        begun.await.unwrap();
        act(&runner, world.store(), what).await;
        let counters = world.store().counters(version).await.unwrap();
        end.send(()).unwrap();
        tokio::time::sleep(HOUR).await;
        cancel.send_replace(true);
        (counters.entered, counters.open)
    };
    tokio::join!(serving, acting).1
}

fn world(seed: u64) -> World {
    let mut world = World::new(seed, 16);
    world.options.chunk = 16;
    *world.watch.audit_every.lock().unwrap() = 1;
    world
}

/// A canvas whose people ask an audience for something at once, and stay inside for a day.
fn text(trigger: &str) -> String {
    format!(
        "
format: 1
canvas: held
audiences:
  list: {{ connection: c, account: main, name: Ours, if_missing: create }}
entry: {{ trigger: {trigger}, re_entry: never, start: sync }}
steps:
  sync: {{ audience_sync: {{ audience: list, action: add, match: [email] }}, next: pause }}
  pause: {{ delay: {{ for: 1d }}, next: exit }}
"
    )
}

async fn inside(world: &World, version: VersionId) -> (u64, u64) {
    let counters = world.store().counters(version).await.unwrap();
    (counters.entered, counters.open)
}

/// After a stop at once nobody is inside, and what was not sent never is; after the others it goes.
async fn goes_as_said(world: &mut World, what: Act, entered: u64) {
    world.lift(HoldScope::Everything).await;
    served(world, HOUR).await;
    let sent = world.members().len() as u64;
    assert_eq!(sent, if what == Act::Stop { 0 } else { entered }, "{what:?}");
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn nobody_enters_behind_a_stop_or_a_pause_while_members_of_a_segment_are_let_in() {
    for what in ACTS {
        for after in [0, 1, 4] {
            let mut world = world(21);
            world.runner().import_profiles(people(0..PEOPLE)).await.unwrap();
            let segment = "format: 1\nsegment: all\nwho: { attr: external_id, exists: true }\n";
            world.runner().set_segment(&read_segment("s", segment).unwrap().value).await.unwrap();
            let version = world.publish(&text("{ segment: all, existing: enter }")).await;
            world.hold(HoldScope::Everything).await;
            let (entered, open) = overtaken(&world, what, version, ("enter", after)).await;
            let context = format!("{what:?} {after}");
            assert_eq!(entered, after * 16, "{context}");
            assert_eq!(open, if what == Act::Stop { 0 } else { entered }, "{context}");
            assert_eq!(inside(&world, version).await, (entered, open), "{context}");
            goes_as_said(&mut world, what, entered).await;
            // Opened again, the others come in, each once.
            world.runner().resume_canvas("held").await.unwrap();
            served(&world, HOUR).await;
            assert_eq!(inside(&world, version).await.0, u64::from(PEOPLE), "{context}");
            world.balanced().await;
        }
    }
}

fn signed_up(who: u32, now: caravan_model::Millis) -> (Option<String>, Message) {
    let event = Event { name: "signed_up".to_owned(), at: now, properties: Default::default() };
    (Some(format!("m{who}")), Message { who: person(format!("p{who}")), event: Some(event), ..Message::default() })
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn nobody_enters_behind_a_stop_or_a_pause_while_a_chunk_of_the_inbox_is_worked_off() {
    for what in ACTS {
        for after in [0, 1] {
            let mut world = world(22);
            let version = world.publish(&text("{ event: signed_up }")).await;
            world.hold(HoldScope::Everything).await;
            let messages = (0..40).map(|n| signed_up(n, world.now())).collect();
            world.runner().receive(messages).await.unwrap();
            let (entered, open) = overtaken(&world, what, version, ("enter", after)).await;
            let context = format!("{what:?} {after}");
            assert_eq!((entered, open), (after * 16, if what == Act::Stop { 0 } else { after * 16 }), "{context}");
            assert_eq!(inside(&world, version).await, (entered, open), "{context}");
            assert_eq!(world.store().backlog().await.unwrap().messages, 0, "{context}");
            goes_as_said(&mut world, what, entered).await;
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn nobody_moves_on_behind_a_stop_or_a_pause() {
    let waits = "  first: { delay: { for: 10m }, next: sync }\n  sync:";
    for what in ACTS {
        for after in [0, 1] {
            let world = world(23);
            let text = text("{ event: signed_up }").replace("start: sync", "start: first").replace("  sync:", waits);
            let version = world.publish(&text).await;
            let messages = (0..40).map(|n| signed_up(n, world.now())).collect();
            world.runner().receive(messages).await.unwrap();
            overtaken(&world, what, version, ("advance", after)).await;
            let moved = match what {
                // Those inside go on to their end.
                Act::Close => 40,
                Act::Pause | Act::Stop | Act::Exit => after * 16,
            };
            let context = format!("{what:?} {after}");
            let passed: u64 = world
                .statuses(version, 0)
                .await
                .iter()
                .filter(|((status, _), _)| *status == Status::Passed)
                .map(|(_, n)| n)
                .sum();
            assert_eq!(passed, moved, "{context}");
            assert_eq!(inside(&world, version).await.1, if what == Act::Stop { 0 } else { 40 }, "{context}");
            world.balanced().await;
            world.runner().resume_canvas("held").await.unwrap();
            served(&world, DAY * 2).await;
            let members = world.members();
            assert!(members.len() as u64 >= moved || what == Act::Stop, "{context}");
            assert_eq!(members.len() == 40, what != Act::Stop, "{context}");
            assert_eq!(inside(&world, version).await, (40, 0), "{context}");
            world.balanced().await;
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_is_woken_while_somebody_pauses_goes_as_far_as_the_next_door() {
    let world = world(24);
    let waits = "  first: { wait_for: { event: opened, timeout: 3d, on_timeout: exit }, next: sync }\n  sync:";
    let text = text("{ event: signed_up }").replace("start: sync", "start: first").replace("  sync:", waits);
    let version = world.publish(&text).await;
    world.runner().receive((0..10).map(|n| signed_up(n, world.now())).collect()).await.unwrap();
    served(&world, HOUR).await;
    let opened = |n| {
        let (_, mut message) = signed_up(n, world.now());
        message.event.as_mut().unwrap().name = "opened".to_owned();
        (Some(format!("o{n}")), message)
    };
    world.runner().receive((0..10).map(opened).collect()).await.unwrap();
    overtaken(&world, Act::Pause, version, ("advance", 0)).await;
    let happened = ((Status::Passed, "happened".to_owned()), 10);
    assert_eq!(world.statuses(version, 0).await, [happened].into());
    assert!(world.members().is_empty() && world.statuses(version, 1).await.is_empty());
    world.runner().resume_canvas("held").await.unwrap();
    served(&world, HOUR).await;
    assert_eq!(world.members(), emails(0..10));
    world.balanced().await;
}

/// Stops a canvas with people inside; the process dies at a write. Gives whether it did, and how it went on.
async fn stops_and_dies(doom: Doom, resumes: bool) -> bool {
    let mut world = world(25);
    let version = world.publish(&text("{ event: signed_up }")).await;
    world.hold(HoldScope::Everything).await;
    let messages = (0..PEOPLE).map(|n| signed_up(n, world.now())).collect();
    world.runner().receive(messages).await.unwrap();
    served(&world, HOUR).await;
    let context = format!("{doom:?} {resumes}");
    assert_eq!(inside(&world, version).await, (u64::from(PEOPLE), u64::from(PEOPLE)), "{context}");
    let before = world.lives;
    world.dies(doom);
    if world.runner().stop_now("held", "test").await.is_err() {
        world.restart().await;
    }
    *world.watch.doom.lock().unwrap() = None;
    let is_stopped = !world.store().documents(caravan_store::DocumentKind::Canvas).await.unwrap().is_empty();
    if resumes && is_stopped {
        world.runner().resume_canvas("held").await.unwrap();
        assert_eq!(inside(&world, version).await.1, 0, "{context}");
    }
    world.lift(HoldScope::Everything).await;
    // Nobody says anything again.
    served(&world, HOUR).await;
    assert_eq!(inside(&world, version).await.1, if is_stopped { 0 } else { u64::from(PEOPLE) }, "{context}");
    assert_eq!(world.members().len() as u32, if is_stopped { 0 } else { PEOPLE }, "{context}");
    world.balanced().await;
    world.lives > before
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_stop_whose_process_dies_at_any_write_is_finished_by_the_next() {
    for how in [Death::Before, Death::After] {
        for resumes in [false, true] {
            let mut after = 0;
            while stops_and_dies(Doom { call: None, after, how }, resumes).await {
                after += 1;
            }
            // The lease, the document, and seven pages.
            assert!(after >= 8, "only {after} writes");
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_enters_once_a_stopped_canvas_is_open_again_stays() {
    let world = world(26);
    let version = world.publish(&text("{ event: signed_up }").replace("never", "always")).await;
    world.runner().receive((0..10).map(|n| signed_up(n, world.now())).collect()).await.unwrap();
    served(&world, HOUR).await;
    world.runner().stop_now("held", "test").await.unwrap();
    served(&world, HOUR).await;
    world.runner().resume_canvas("held").await.unwrap();
    let again = (0..10).map(|n| (None, signed_up(n, world.now()).1)).collect();
    world.runner().receive(again).await.unwrap();
    served(&world, Duration::from_secs(7200)).await;
    assert_eq!(inside(&world, version).await, (20, 10));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_is_unsent_of_those_who_are_through_is_withdrawn_too_while_the_canvas_is_stopped() {
    let mut world = world(27);
    let version = world
        .publish(
            &text("{ event: signed_up }")
                .replace("next: pause", "next: exit")
                .replace("  pause: { delay: { for: 1d }, next: exit }\n", ""),
        )
        .await;
    world.hold(HoldScope::Everything).await;
    world.runner().receive((0..40).map(|n| signed_up(n, world.now())).collect()).await.unwrap();
    served(&world, HOUR).await;
    assert_eq!(inside(&world, version).await, (40, 0));
    world.runner().stop_now("held", "test").await.unwrap();
    world.lift(HoldScope::Everything).await;
    served(&world, HOUR).await;
    assert!(world.members().is_empty());
    let exited: u64 = world
        .statuses(version, 0)
        .await
        .iter()
        .filter(|((status, _), _)| *status == Status::Exited)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(exited, 40);
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_batch_leaves_without_whoever_left_between_the_look_and_the_seal() {
    for what in [Act::Pause, Act::Stop, Act::Exit] {
        for (after, ends) in [(0, false), (1, false), (0, true), (1, true)] {
            let mut world = world(28);
            let mut text = text("{ event: signed_up }");
            if ends {
                // Their entries are over when the batch is sealed: only how the canvas stands, and their mark, tells.
                text = text.replace("next: pause", "next: exit");
                text = text.replace("  pause: { delay: { for: 1d }, next: exit }\n", "");
            }
            let version = world.publish(&text).await;
            world.hold(HoldScope::Everything).await;
            world.runner().receive((0..40).map(|n| signed_up(n, world.now())).collect()).await.unwrap();
            served(&world, HOUR).await;
            world.lift(HoldScope::Everything).await;
            overtaken(&world, what, version, ("seal", after)).await;
            let sent: BTreeSet<String> = match what {
                Act::Stop => emails(0..after as u32 * 16),
                // The first sixteen were sent before the second batch was sealed.
                Act::Exit if after == 0 => emails(10..40),
                Act::Exit | Act::Pause | Act::Close => emails(0..40),
            };
            let context = format!("{what:?} {after} {ends}");
            assert_eq!(world.members(), sent, "{context}");
            let asked: BTreeSet<String> = world.partner.log().into_iter().flat_map(|seen| seen.rows).collect();
            assert_eq!(asked.len(), sent.len(), "{context}: nobody else was in a request");
            let statuses = world.statuses(version, 0).await;
            let count =
                |wanted| -> u64 { statuses.iter().filter(|((status, _), _)| *status == wanted).map(|(_, n)| *n).sum() };
            let counts = (count(Status::Synced), count(Status::Exited));
            assert_eq!(counts, (sent.len() as u64, 40 - sent.len() as u64), "{context}: {statuses:?}");
            world.balanced().await;
        }
    }
}

/// An endpoint that answers its first call only once it is told to.
#[derive(Default)]
struct Slow {
    asked: Notify,
    answers: Notify,
    got: Mutex<Vec<String>>,
}

impl WebhookSender for Slow {
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer> {
        Box::pin(async move {
            let is_first = {
                let mut got = self.got.lock().unwrap();
                got.push(call.body.to_string());
                got.len() == 1
            };
            if is_first {
                self.asked.notify_one();
                self.answers.notified().await;
            }
            WebhookAnswer::Taken
        })
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn no_request_leaves_behind_an_exit_or_a_stop_for_whom_it_was_prepared() {
    let mail = "  mail: { webhook: { use: mailer, body: { to: \"{{ email }}\" } }, next: sync }\n  sync:";
    for what in ACTS.into_iter().chain([Act::Exit]) {
        // One waits for room over all endpoints, or for the endpoint's own.
        for (at_once, in_all) in [(32, 1), (1, 32)] {
            let mut world = world(29);
            let slow = Arc::new(Slow::default());
            world.options.webhooks.sender = slow.clone();
            world.options.webhooks.at_once = at_once;
            world.options.webhooks.in_all = in_all;
            let text = text("{ event: signed_up }").replace("start: sync", "start: mail").replace("  sync:", mail);
            let version = world.publish(&text).await;
            world.hold(HoldScope::Everything).await;
            world.runner().receive((0..16).map(|n| signed_up(n, world.now())).collect()).await.unwrap();
            let (cancel, cancelled) = watch::channel(false);
            let (tell, _) = watch::channel(caravan_runner::Progress::default());
            let runner = world.runner();
            let acting = async {
                slow.asked.notified().await;
                act(&runner, world.store(), what).await;
                slow.answers.notify_one();
                tokio::time::sleep(HOUR).await;
                cancel.send_replace(true);
            };
            let serving = async { runner.serve(tell, cancelled).await.unwrap() };
            tokio::join!(serving, acting);
            // The first call was under way.
            let asked = match what {
                Act::Close => 16,
                Act::Pause | Act::Stop => 1,
                Act::Exit => 7,
            };
            let context = format!("{what:?} {at_once} {in_all}");
            assert_eq!(slow.got.lock().unwrap().len(), asked, "{context}");
            let exited =
                world.statuses(version, 0).await.into_iter().filter(|((status, _), _)| *status == Status::Exited);
            let exited: u64 = exited.map(|(_, n)| n).sum();
            assert_eq!(
                exited,
                if what == Act::Stop {
                    16
                } else if what == Act::Exit {
                    10
                } else {
                    0
                },
                "{context}"
            );
            world.runner().resume_canvas("held").await.unwrap();
            served(&world, HOUR).await;
            let in_all = if what == Act::Pause { 16 } else { asked };
            assert_eq!(slow.got.lock().unwrap().len(), in_all, "{context}: resumed");
            world.balanced().await;
        }
    }
}
