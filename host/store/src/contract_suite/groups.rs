//! Segments and lists: who is in them, what is told of it, and who is to be looked at.
use super::world::person;
use super::{Engine, World};
use crate::contract::*;
use caravan_model::{Event, Group, Message, Millis, Profile, ProfileId};

fn change(group: &Group, profile: ProfileId, joined: bool) -> Regroup {
    Regroup { group: group.clone(), profile, joined }
}

async fn told<E: Engine>(w: &World<E>) -> Vec<(ProfileId, Group, bool)> {
    let inbox = w.store.inbox(100).await.expect("the inbox");
    let read = |one: Inbound| serde_json::from_str::<Message>(&one.body).expect("a message").group.expect("a group's");
    inbox.into_iter().map(read).map(|change| (change.profile, change.group, change.joined)).collect()
}

pub async fn groups_change_once_and_tell_the_inbox(engine: impl Engine) {
    let w = World::new(engine).await;
    let people = w.people(0..4).await;
    let (vip, lapsed) = (Group::list("vip"), Group::segment("lapsed"));
    let changes: Vec<Regroup> = people[..3].iter().map(|id| change(&vip, *id, true)).collect();
    assert_eq!(w.store.regroup(w.lease, changes.clone(), true, Vec::new(), w.now).await.expect("changes"), 3);
    assert_eq!(w.store.regroup(w.lease, changes, true, Vec::new(), w.now).await.expect("a repeat"), 0);
    let mixed = vec![change(&vip, people[0], false), change(&lapsed, people[1], true), change(&vip, people[3], false)];
    assert_eq!(w.store.regroup(w.lease, mixed, true, Vec::new(), w.now).await.expect("changes"), 2);
    let w = w.crash().await;
    let sizes = w.store.group_sizes().await.expect("sizes");
    assert_eq!(sizes, [(lapsed.clone(), 1), (vip.clone(), 2)]);
    let of = w.store.groups_of(people.clone()).await.expect("groups");
    assert_eq!(of, [vec![], vec![lapsed.clone(), vip.clone()], vec![vip.clone()], vec![]]);
    let page = w.store.group_members(vip.clone(), people[1], 10).await.expect("members");
    assert_eq!(page, [(people[2], w.now)]);
    let joined = people[..3].iter().map(|id| (*id, vip.clone(), true));
    let rest = [(people[0], vip.clone(), false), (people[1], lapsed.clone(), true)];
    assert_eq!(told(&w).await, joined.chain(rest).collect::<Vec<_>>());
    // What nobody is told of changes all the same.
    let quietly = vec![change(&lapsed, people[3], true)];
    assert_eq!(w.store.regroup(w.lease, quietly, false, Vec::new(), w.now).await.expect("a change"), 1);
    assert_eq!(told(&w).await.len(), 5);
    // Who is erased is in no group, and joins none.
    w.store.erase(w.lease, vec![people[2]], w.now).await.expect("an erasure");
    let again = vec![change(&lapsed, people[2], true)];
    assert_eq!(w.store.regroup(w.lease, again, true, Vec::new(), w.now).await.expect("nothing"), 0);
    assert_eq!(w.store.group_sizes().await.expect("sizes"), [(lapsed, 2), (vip.clone(), 1)]);
    w.store.disband(w.lease, vip.clone()).await.expect("gone");
    assert_eq!(w.store.group_members(vip, ProfileId(0), 10).await.expect("nobody"), []);
    w.balanced().await;
}

async fn restless<E: Engine>(w: &World<E>) -> Vec<Restless> {
    w.store.restless(100).await.expect("the restless")
}

pub async fn who_changes_is_restless_while_there_are_segments(engine: impl Engine) {
    let w = World::new(engine).await;
    let people = w.people(0..3).await;
    assert_eq!(restless(&w).await, [], "there is no segment");
    let segment = (DocumentKind::Segment, "s".to_owned(), Some("{}".to_owned()));
    w.store.put_documents(w.lease, vec![segment]).await.expect("a segment");
    let w = w.crash().await;
    // The same again is no change; something new is; so is an event, and a list.
    w.people(0..3).await;
    assert_eq!(restless(&w).await, []);
    let news = Profile { city: Some("Lyon".into()), ..person(0) };
    w.store.upsert(w.lease, vec![news], w.now).await.expect("a change");
    let event = Event { name: "e".into(), at: w.now, properties: Default::default() };
    w.store.record(w.lease, vec![(person(1).external_id, None, event)], w.now).await.expect("an event");
    let list = vec![change(&Group::list("l"), people[2], true)];
    w.store.regroup(w.lease, list, true, Vec::new(), w.now).await.expect("a list");
    let looked = restless(&w).await;
    assert_eq!(looked.iter().map(|one| one.profile).collect::<Vec<_>>(), people);
    // Who changes while they are looked at is to be looked at again.
    let news = Profile { city: Some("Nantes".into()), ..person(0) };
    w.store.upsert(w.lease, vec![news], w.now).await.expect("a change");
    w.store.regroup(w.lease, Vec::new(), true, looked, w.now).await.expect("looked at");
    assert_eq!(restless(&w).await.iter().map(|one| one.profile).collect::<Vec<_>>(), [people[0]]);
    let everyone = w.store.everyone(people[0], 10).await.expect("everyone");
    assert_eq!(everyone.iter().map(|known| known.id).collect::<Vec<_>>(), people[1..]);
    w.store.erase(w.lease, vec![people[0]], Millis(w.now.0 + 1)).await.expect("an erasure");
    assert_eq!(restless(&w).await, []);
    let known = w.store.people(vec![people[2], people[0]]).await.expect("people");
    assert_eq!(known.iter().map(|known| known.id).collect::<Vec<_>>(), [people[2]]);
}
