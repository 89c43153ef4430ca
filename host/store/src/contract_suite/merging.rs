//! Two profiles of one person become one, and nothing that counts changes.
use super::{Engine, World};
use crate::contract::*;
use caravan_model::{Action, Consent, Duration, Event, Group, Millis, Profile, Status, StepIx};

fn same(name: &str, other: &str, is_certain: bool) -> SamePerson {
    SamePerson { name: name.to_owned(), other: other.to_owned(), is_certain }
}

fn event(who: &str, at: i64) -> (String, Option<String>, Event) {
    (who.to_owned(), None, Event { name: "open".to_owned(), at: Millis(at), properties: serde_json::Map::new() })
}

pub async fn two_profiles_of_one_person_become_one(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    let (one, two) = (people[1], people[2]);
    let more = Profile {
        external_id: "p0002".into(),
        aliases: vec!["ecid-7".into()],
        city: Some("Paris".into()),
        attributes: [("plan".to_owned(), "pro".into())].into_iter().collect(),
        ..Profile::default()
    };
    w.store.upsert(w.lease, vec![more], w.now).await.expect("known");
    let events = vec![event("p0001", 5), event("p0002", 3), event("p0002", 7)];
    w.store.record(w.lease, events, w.now).await.expect("recorded");
    let list = Group::list("vip");
    let joins = vec![Regroup { group: list.clone(), profile: two, joined: true }];
    w.store.regroup(w.lease, joins, false, Vec::new(), w.now).await.expect("listed");
    // Old events of the other are summaries already.
    let sweep = Sweep { before: Millis(4), after: Cursor::default(), limit: 100, now: w.now };
    assert_eq!(w.store.drop_events(w.lease, sweep).await.expect("swept").done, 1);
    // Both passed through the canvas; one of the other's entries is still open.
    let pass = Move::Visit { step: StepIx(0), status: Status::Passed, reason: Default::default() };
    w.enter(&[one, two], &[pass.clone(), Move::End]).await;
    w.now = w.now.after(Duration::HOUR);
    w.enter(&[two, people[3]], &[pass, Move::Wait { step: StepIx(1), due: Millis::NEVER }]).await;
    let before = w.store.counters(w.version.id).await.expect("counters");

    let pair = same("p0001", "ecid-7", true);
    assert_eq!(w.store.strangers(vec![pair.clone()]).await.expect("a look"), std::slice::from_ref(&pair));
    let merged = w.store.merge(w.lease, vec![pair], w.now).await.expect("merged");
    assert_eq!(merged, [Merged { other: two, survivor: one }]);
    w.balanced().await;
    assert_eq!(w.store.counters(w.version.id).await.expect("counters"), before);
    for name in ["p0001", "p0002", "ecid-7", "p0002@example.com"] {
        assert_eq!(w.store.find(name).await.expect("a search"), [one], "{name}");
    }
    let trace = w.store.trace(one).await.expect("a trace").expect("a person");
    assert_eq!(trace.profile.external_id, "p0001");
    assert_eq!(trace.profile.emails, ["p0001@example.com", "p0002@example.com"]);
    assert_eq!(
        (trace.profile.city.as_deref(), trace.profile.attributes["plan"].as_str()),
        (Some("Paris"), Some("pro"))
    );
    assert_eq!(trace.visits.len(), 4, "three passed, one waits");
    assert_eq!(trace.events.iter().map(|event| event.at.0).collect::<Vec<_>>(), [3, 5, 7]);
    assert_eq!(trace.merged, [MergedAt { other: two, at: w.now }]);
    assert_eq!(w.store.groups_of(vec![one, two]).await.expect("groups"), [vec![list], Vec::new()]);
    assert_eq!(w.store.inside(w.version.id, Default::default(), 10).await.expect("inside"), [one, people[3]]);
    assert_eq!(w.store.resting(vec![one]).await.expect("resting").len(), 1);
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 1, in_audiences: 0 });
    // The survivor's one open entry keeps a second one out, and is let out as theirs.
    let rest = Move::Wait { step: StepIx(1), due: Millis::NEVER };
    let again = w.enter(&[one], &[rest]).await;
    assert_eq!(again.entered, 0);
    let out = w.store.signal_exit(w.lease, w.version.id, vec![one], Default::default(), w.now).await;
    assert_eq!(out.expect("let out"), 1);
    let w = w.crash().await;
    w.balanced().await;
    // An erasure of the survivor finds all that both did.
    w.store.erase(w.lease, vec![one], w.now).await.expect("erased");
    assert!(w.store.find("ecid-7").await.expect("a search").is_empty());
    assert!(w.store.erased_at("p0002").await.expect("a look").is_some());
    w.balanced().await;
}

pub async fn rule_11_11_of_two_open_entries_the_survivors_stays(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let rest = Move::Wait { step: StepIx(1), due: Millis(9_000_000) };
    w.enter(&people, std::slice::from_ref(&rest)).await;
    let merged = w.store.merge(w.lease, vec![same("p0000", "p0001", true)], w.now).await.expect("merged");
    assert_eq!(merged.len(), 1);
    w.balanced().await;
    assert_eq!(w.census().await, (2, 1));
    assert_eq!((w.count(1, Status::Waiting).await, w.count(1, Status::Exited).await), (1, 1));
    let exited = w.store.visits(w.version.id, StepIx(1), Status::Exited, Some("merged".into()), 5).await;
    let exited = exited.expect("visits");
    assert_eq!(exited.iter().map(|(who, ..)| who.as_str()).collect::<Vec<_>>(), ["p0000"]);
    assert_eq!(w.store.trace(people[0]).await.expect("a trace").expect("a person").visits.len(), 2);
    // A third merges into the survivor's survivor.
    let third = w.people(2..3).await;
    w.enter(&third, &[rest]).await;
    w.store.merge(w.lease, vec![same("p0002", "p0001", true)], w.now).await.expect("merged");
    w.balanced().await;
    assert_eq!(w.store.find("p0000").await.expect("found"), third);
    assert_eq!(w.store.trace(third[0]).await.expect("a trace").expect("a person").merged.len(), 2);
    let due = w.store.due(Millis(10_000_000), 10, true).await.expect("due");
    assert_eq!(due.len(), 1, "one entry goes on");
}

pub async fn a_merge_outweighs_no_withdrawal_and_is_harmless_when_repeated(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let member = super::world::members(&mut w, 0..1).await[0];
    let said = |id: &str, consent| Profile {
        external_id: id.to_owned(),
        consents: [("advertising".to_owned(), consent)].into(),
        ..Profile::default()
    };
    let people = vec![said("p0000", Consent::Granted), said("anon", Consent::Denied)];
    w.store.upsert(w.lease, people, w.now).await.expect("people");
    assert!(w.store.owing(w.now, 10).await.expect("a look").iter().all(|one| one.profile != member));
    let pairs = vec![same("p0000", "anon", false)];
    assert_eq!(w.store.merge(w.lease, pairs.clone(), w.now).await.expect("merged").len(), 1);
    let trace = w.store.trace(member).await.expect("a trace").expect("a person");
    assert_eq!(trace.profile.consent("advertising"), Consent::Denied);
    let owing = w.store.owing(w.now, 10).await.expect("a look");
    assert_eq!(owing.iter().map(|one| (one.profile, one.lanes.len())).collect::<Vec<_>>(), [(member, 1)]);
    assert!(w.store.strangers(pairs.clone()).await.expect("a look").is_empty());
    assert!(w.store.merge(w.lease, pairs, w.now).await.expect("a repetition").is_empty());
    assert_eq!(w.store.merges().await.expect("counts").merged, 1);
    w.balanced().await;
}

pub async fn who_is_in_an_audience_is_not_merged_and_counted(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let member = super::world::members(&mut w, 1..2).await[0];
    let people = w.people(0..3).await;
    w.enter(&people[2..], &[w.offer(0, Action::Add, false), Move::End]).await;
    let pairs = vec![same("p0000", "p0001", true), same("p0000", "p0002", true), same("p0000", "nobody", true)];
    assert!(w.store.merge(w.lease, pairs.clone(), w.now).await.expect("a look").is_empty());
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 0, in_audiences: 2 });
    assert_eq!(w.store.find("p0001").await.expect("found"), [member]);
    // Once the audience has let go of them, they are.
    super::world::accept_all(&w, super::world::left).await;
    assert_eq!(w.store.merge(w.lease, pairs, w.now).await.expect("merged").len(), 1);
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 1, in_audiences: 1 });
    w.balanced().await;
}

pub async fn only_what_is_nameless_is_merged_without_certainty(engine: impl Engine) {
    let w = World::new(engine).await;
    w.people(0..2).await;
    let shared = |id: &str| Profile { external_id: id.into(), aliases: vec!["device".into()], ..Profile::default() };
    w.store.upsert(w.lease, vec![shared("p0000"), shared("p0001")], w.now).await.expect("people");
    let pairs = vec![same("p0001", "device", false)];
    assert!(w.store.merge(w.lease, pairs, w.now).await.expect("a look").is_empty(), "two people on one device");
    assert_eq!(w.store.merges().await.expect("counts"), Merges::default());
    let nameless = Profile { external_id: "anon".into(), ..Profile::default() };
    w.store.upsert(w.lease, vec![nameless], w.now).await.expect("people");
    assert_eq!(w.store.merge(w.lease, vec![same("p0001", "anon", false)], w.now).await.expect("merged").len(), 1);
}
