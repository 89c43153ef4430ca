//! Two profiles of one person become one, and nothing that counts changes.
use super::world::{joined, lane_spec, outcomes};
use super::{Engine, World};
use crate::contract::*;
use caravan_model::{Action, Consent, Duration, Event, Group, Millis, Profile, Status, StepIx, Told};

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
    let merged = w.store.merge(w.lease, vec![pair], 0, w.now).await.expect("merged");
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
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 1, waiting: 0 });
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
    let merged = w.store.merge(w.lease, vec![same("p0000", "p0001", true)], 0, w.now).await.expect("merged");
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
    w.store.merge(w.lease, vec![same("p0002", "p0001", true)], 0, w.now).await.expect("merged");
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
    assert_eq!(w.store.merge(w.lease, pairs.clone(), 0, w.now).await.expect("merged").len(), 1);
    let trace = w.store.trace(member).await.expect("a trace").expect("a person");
    assert_eq!(trace.profile.consent("advertising"), Consent::Denied);
    let owing = w.store.owing(w.now, 10).await.expect("a look");
    assert_eq!(owing.iter().map(|one| (one.profile, one.lanes.len())).collect::<Vec<_>>(), [(member, 1)]);
    assert!(w.store.strangers(pairs.clone()).await.expect("a look").is_empty());
    assert!(w.store.merge(w.lease, pairs, 0, w.now).await.expect("a repetition").is_empty());
    assert_eq!(w.store.merges().await.expect("counts").merged, 1);
    w.balanced().await;
}

pub async fn what_an_audience_holds_of_two_is_one_members(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = super::world::members(&mut w, 0..3).await;
    let (survivor, other) = (people[0], people[1]);
    let known = w.store.members(w.lane, Default::default(), 10).await.expect("members");
    w.now = w.now.after(Duration::HOUR);
    let merged = w.store.merge(w.lease, vec![same("p0000", "p0001", true)], 0, w.now).await.expect("merged");
    assert_eq!(merged, [Merged { other, survivor }]);
    w.balanced().await;
    let now = w.store.members(w.lane, Default::default(), 10).await.expect("members");
    assert_eq!(now.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [survivor, people[2]]);
    let member = &now[0].1;
    assert_eq!((member.standing, &member.claims), (Standing::In, &known[0].1.claims), "one claim of one step");
    assert_eq!(member.recorded, [known[0].1.recorded.clone(), known[1].1.recorded.clone()].concat());
    assert_ne!(member.fingerprint, known[0].1.fingerprint);
    // Old sets go and today's comes by an operation that asks for nothing else.
    let queued = w.peek().await;
    let asked: Vec<_> = queued.iter().map(|op| (op.profile, op.action, op.origin)).collect();
    assert_eq!(asked, [(survivor, Action::Add, Origin::Renewal)]);
    let w = w.crash().await;
    super::world::accept_all(&w, joined).await;
    w.balanced().await;
    assert_eq!(w.store.members(w.lane, Default::default(), 10).await.expect("members").len(), 2);
}

pub async fn rule_11_3_what_waits_of_two_goes_in_the_order_of_the_asking(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let spec = LaneSpec { stripes: 2, ..lane_spec("striped", "meta-main", true, Vec::new()) };
    (w.lane, w.connection) = w.store.lane(w.lease, spec).await.expect("a lane");
    // Neighbours by id stand in different stripes.
    let people = w.people(0..4).await;
    let rounds =
        [(people[1], Action::Add), (people[2], Action::Add), (people[1], Action::Remove), (people[2], Action::Add)];
    for (who, action) in rounds {
        w.now = w.now.after(Duration::HOUR);
        w.enter(&[who, people[0], people[3]], &[w.offer(0, action, false), Move::End]).await;
    }
    let before = w.store.counters(w.version.id).await.expect("counters");
    let merged = w.store.merge(w.lease, vec![same("p0002", "p0001", true)], 0, w.now).await.expect("merged");
    assert_eq!(merged, [Merged { other: people[1], survivor: people[2] }]);
    w.balanced().await;
    assert_eq!(w.store.counters(w.version.id).await.expect("counters"), before);
    let mut asked = Vec::new();
    for stripe in [0, 1] {
        let queued = w.store.peek(caravan_model::LaneId(w.lane.0 + stripe), 100).await.expect("a peek");
        assert!(queued.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "no gap");
        assert!(queued.iter().all(|op| op.profile != people[1]));
        let own = queued.iter().filter(|op| op.profile == people[2]);
        asked.extend(own.map(|op| (op.offered.0, op.action)));
    }
    let hours = |n: i64| 1_000_000 + n * 3_600_000;
    let wanted = [Action::Add, Action::Add, Action::Remove, Action::Add];
    assert_eq!(asked, (1..).zip(wanted).map(|(n, action)| (hours(n), action)).collect::<Vec<_>>());
    let mut w = w.crash().await;
    for stripe in [0, 1] {
        w.lane = caravan_model::LaneId(w.lane.0 + stripe);
        super::world::accept_all(&w, joined).await;
    }
    w.balanced().await;
}

pub async fn who_is_under_way_is_merged_once_they_have_arrived(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    w.enter(&people[1..2], &[w.offer(0, Action::Add, false), Move::End]).await;
    let slice = w.seal_all().await;
    let pairs = vec![same("p0000", "p0001", true), same("p0001", "p0002", true), same("p0000", "nobody", true)];
    assert!(w.store.merge(w.lease, pairs, 0, w.now).await.expect("a look").is_empty());
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 0, waiting: 2 });
    let w = w.crash().await;
    assert!(w.store.merge(w.lease, Vec::new(), 10, w.now).await.expect("a look").is_empty(), "still under way");
    let riders = &slice.parts[0].riders;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.outcomes = riders.iter().flat_map(|rider| outcomes(rider, Status::Synced, GoesTo::Stays)).collect();
        s.membership = riders.iter().map(|rider| joined(rider, w.now)).collect();
    })
    .await
    .expect("a settlement");
    assert_eq!(w.store.merge(w.lease, Vec::new(), 10, w.now).await.expect("merged").len(), 2);
    assert_eq!(w.store.merges().await.expect("counts"), Merges { merged: 2, waiting: 0 });
    for name in ["p0000", "p0001", "p0002"] {
        assert_eq!(w.store.find(name).await.expect("found"), people[..1], "{name}");
    }
    let members = w.store.members(w.lane, Default::default(), 10).await.expect("members");
    assert_eq!(members.iter().map(|(who, _)| *who).collect::<Vec<_>>(), people[..1]);
    w.balanced().await;
    assert!(w.store.merge(w.lease, Vec::new(), 10, w.now).await.expect("a repetition").is_empty());
}

pub async fn who_was_merged_meanwhile_enters_as_the_survivor(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let rest = Move::Wait { step: StepIx(1), due: Millis(9_000_000) };
    let late = w.batch(&people, &[rest]);
    w.store.merge(w.lease, vec![same("p0000", "p0001", true)], 0, w.now).await.expect("merged");
    assert_eq!(w.store.enter(w.lease, late).await.expect("entries").entered, 1, "the other is inside already");
    assert_eq!(w.store.inside(w.version.id, Default::default(), 10).await.expect("inside"), people[..1]);
    w.balanced().await;
}

pub async fn rule_11_13_of_two_words_the_newer_stays_also_through_a_merge(engine: impl Engine) {
    let w = World::new(engine).await;
    let said = |id: &str, at, city: &str| Profile {
        external_id: id.to_owned(),
        city: Some(city.to_owned()),
        told: Told::at(Millis(at)),
        ..Profile::default()
    };
    let people = vec![said("a", 900, "Nice"), said("a", 500, "Lyon"), said("b", 950, "Metz"), said("c", 100, "Caen")];
    w.store.upsert(w.lease, people, w.now).await.expect("people");
    let known = w.store.find("a").await.expect("found");
    let city = async || w.store.people(known.clone()).await.expect("people")[0].profile.city.clone();
    assert_eq!(city().await.as_deref(), Some("Nice"), "what comes late is older");
    w.store.merge(w.lease, vec![same("a", "b", true), same("a", "c", true)], 0, w.now).await.expect("merged");
    assert_eq!(city().await.as_deref(), Some("Metz"));
}

pub async fn only_what_is_nameless_is_merged_without_certainty(engine: impl Engine) {
    let w = World::new(engine).await;
    w.people(0..2).await;
    let shared = |id: &str| Profile { external_id: id.into(), aliases: vec!["device".into()], ..Profile::default() };
    w.store.upsert(w.lease, vec![shared("p0000"), shared("p0001")], w.now).await.expect("people");
    let pairs = vec![same("p0001", "device", false)];
    assert!(w.store.merge(w.lease, pairs, 0, w.now).await.expect("a look").is_empty(), "two people on one device");
    assert_eq!(w.store.merges().await.expect("counts"), Merges::default());
    let nameless = Profile { external_id: "anon".into(), ..Profile::default() };
    w.store.upsert(w.lease, vec![nameless], w.now).await.expect("people");
    assert_eq!(w.store.merge(w.lease, vec![same("p0001", "anon", false)], 0, w.now).await.expect("merged").len(), 1);
}
