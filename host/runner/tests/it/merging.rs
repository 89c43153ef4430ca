//! Who was anonymous becomes known: what streams in makes two profiles one.
use crate::common::*;
use caravan_model::{Duration, Event, Message, Profile, ProfileId, Status};
use caravan_runner::ImportRow;
use caravan_store::{Merges, Store};
use tokio::sync::watch;

const CANVAS: &str = "format: 1\ncanvas: lapsed\nentry: { trigger: { event: lapsed }, start: wait }\n\
    exit: [ { event: bought } ]\nsteps:\n  wait: { delay: { for: 30d }, next: exit }\n";

fn who(id: &str, aliases: &[&str]) -> Profile {
    let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
    Profile { external_id: id.to_owned(), aliases, ..Profile::default() }
}

async fn stream(stage: &Stage, source: &str, messages: Vec<Message>) {
    let rows = (0..).zip(messages).map(|(row, message)| ImportRow { row, id: None, message });
    let (_stay, cancel) = watch::channel(false);
    stage.runner().import_events(source, rows.collect::<Vec<_>>(), &cancel).await.unwrap();
    stage.balanced().await;
}

fn did(stage: &Stage, who: Profile, name: &str) -> Message {
    let at = stage_now(stage).before(Duration::SECOND);
    let event = Event { name: name.to_owned(), at, properties: serde_json::Map::new() };
    Message { who, event: Some(event), ..Message::default() }
}

fn is(who: Profile) -> Message {
    Message { who, ..Message::default() }
}

#[tokio::test]
async fn who_was_anonymous_goes_on_as_the_person_who_was_known_already() {
    let stage = Stage::new(10);
    let version = stage.publish(CANVAS).await;
    // Known from elsewhere; then somebody without a name lapses; then they sign in, all in one chunk.
    stream(&stage, "a", vec![is(who("u1", &[]))]).await;
    let signed_in = vec![did(&stage, who("anon-1", &[]), "lapsed"), is(who("u1", &["anon-1"]))];
    stream(&stage, "b", signed_in).await;
    let one = stage.store.find("u1").await.unwrap();
    assert_eq!(stage.store.find("anon-1").await.unwrap(), one);
    assert_eq!(stage.store.inside(version, ProfileId(0), 10).await.unwrap(), one);
    let events = stage.store.events(one.clone(), Vec::new()).await.unwrap();
    assert_eq!(events[0].len(), 1, "what they did before is theirs");
    // What the old name does later is theirs, too: it ends the entry.
    stream(&stage, "c", vec![did(&stage, who("anon-1", &[]), "bought")]).await;
    assert!(stage.store.inside(version, ProfileId(0), 10).await.unwrap().is_empty());
    assert_eq!(stage.store.merges().await.unwrap(), Merges { merged: 1, waiting: 0 });
    // Another person on the same device stays another person.
    stream(&stage, "d", vec![is(who("u2", &["anon-1"]))]).await;
    assert_ne!(stage.store.find("u2").await.unwrap(), one);
}

#[tokio::test]
async fn an_alias_joins_two_known_people_and_one_entry_goes_on() {
    let stage = Stage::new(10);
    let version = stage.publish(CANVAS).await;
    let both = vec![did(&stage, who("old", &[]), "lapsed"), did(&stage, who("new", &[]), "lapsed")];
    stream(&stage, "a", both).await;
    let alias = Message { who: who("new", &["old"]), merges: vec!["old".to_owned()], ..Message::default() };
    stream(&stage, "b", vec![alias.clone()]).await;
    let one = stage.store.find("new").await.unwrap();
    assert_eq!(stage.store.find("old").await.unwrap(), one);
    let counted = (stage.count(version, 0, Status::Waiting).await, stage.count(version, 0, Status::Exited).await);
    assert_eq!(counted, (1, 1));
    stream(&stage, "c", vec![alias]).await;
    assert_eq!(stage.store.merges().await.unwrap().merged, 1, "repeated, it does nothing");
}
