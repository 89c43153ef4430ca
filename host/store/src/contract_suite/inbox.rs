//! Messages are taken in once each, wait in order, and are worked off with their events.
use super::{Engine, World};
use crate::contract::{Backlog, Store};
use caravan_model::{Duration, Event, Millis};

fn message(id: &str) -> (Option<String>, String) {
    (Some(id.to_owned()), format!("body of {id}"))
}

pub async fn messages_wait_in_order_once_each(engine: impl Engine) {
    let w = World::new(engine).await;
    assert_eq!(w.store.backlog().await.expect("a look"), Backlog::default());
    let first = vec![message("m1"), message("m2"), message("m1"), (None, "nameless".to_owned())];
    assert_eq!(w.store.receive(w.lease, first, w.now).await.expect("taken in"), 3);
    let later = w.now.after(Duration::SECOND);
    let again = vec![message("m2"), message("m3"), (None, "nameless".to_owned())];
    assert_eq!(w.store.receive(w.lease, again, later).await.expect("taken in"), 2);
    let inbox = w.store.inbox(10).await.expect("the inbox");
    let bodies: Vec<&str> = inbox.iter().map(|one| one.body.as_str()).collect();
    assert_eq!(bodies, ["body of m1", "body of m2", "nameless", "body of m3", "nameless"]);
    assert!(inbox.is_sorted_by(|a, b| a.seq < b.seq) && inbox[3].at == later);
    assert_eq!(w.store.inbox(2).await.expect("the inbox"), inbox[..2]);
    assert_eq!(w.store.backlog().await.expect("a look"), Backlog { messages: 5, oldest: Some(w.now) });
    // An id is remembered for seven days.
    let much_later = w.now.after(Duration::DAY.times(8));
    assert_eq!(w.store.receive(w.lease, vec![message("m1")], much_later).await.expect("taken in"), 1);
}

pub async fn messages_are_worked_off_with_their_events_once(engine: impl Engine) {
    let w = World::new(engine).await;
    w.store.receive(w.lease, vec![message("m1"), message("m2"), message("m3")], w.now).await.expect("taken in");
    let inbox = w.store.inbox(10).await.expect("the inbox");
    let event = Event { name: "open".into(), at: Millis(5), properties: serde_json::Map::new() };
    let events = vec![("p1".to_owned(), None, event)];
    let upto = inbox[1].seq;
    assert_eq!(w.store.work_off(w.lease, upto, events.clone(), w.now).await.expect("worked off"), 2);
    // The answer was lost: the same again.
    assert_eq!(w.store.work_off(w.lease, upto, events, w.now).await.expect("a repeat"), 0);
    assert_eq!(w.store.inbox(10).await.expect("the inbox"), inbox[2..]);
    let found = w.store.find("p1").await.expect("a search");
    let kept = w.store.events(found, vec!["open".to_owned()]).await.expect("events");
    assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
    // Numbers are not given twice, also where the inbox ran empty.
    w.store.work_off(w.lease, inbox[2].seq, Vec::new(), w.now).await.expect("worked off");
    w.store.receive(w.lease, vec![message("m4")], w.now).await.expect("taken in");
    assert!(w.store.inbox(1).await.expect("the inbox")[0].seq > inbox[2].seq);
}

pub async fn a_crash_keeps_every_message_that_was_acknowledged(engine: impl Engine) {
    let w = World::new(engine).await;
    w.store.receive(w.lease, vec![message("m1"), message("m2")], w.now).await.expect("taken in");
    let before = w.store.inbox(10).await.expect("the inbox");
    let w = w.crash().await;
    assert_eq!(w.store.inbox(10).await.expect("the inbox"), before);
}
