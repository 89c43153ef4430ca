//! People, events, memberships, versions, audiences, leases.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Action, Duration, Event, Millis, PartId, Profile, Reason, Status, StepIx};

pub async fn a_person_is_merged_by_external_id_and_alias(engine: impl Engine) {
    let w = World::new(engine).await;
    let first = Profile { external_id: "anon-1".into(), city: Some("Oslo".into()), ..Profile::default() };
    let named = Profile {
        external_id: "c-1".into(),
        aliases: vec!["anon-1".into()],
        emails: vec!["c@example.com".into()],
        ..Profile::default()
    };
    let later = Profile { external_id: "anon-1".into(), zip: Some("0150".into()), ..Profile::default() };
    let known = w.store.upsert(w.lease, vec![first, named, later.clone()], w.now).await.expect("people");
    assert!(known.iter().all(|k| k.id == known[0].id));
    let all = &known[2].profile;
    assert_eq!(
        (all.external_id.as_str(), all.city.as_deref(), all.zip.as_deref()),
        ("c-1", Some("Oslo"), Some("0150"))
    );
    let again = w.store.upsert(w.lease, vec![later], w.now).await.expect("a repeat");
    assert_eq!(again[0].profile, known[2].profile);
    assert_eq!(w.store.find("anon-1").await.expect("found"), [known[0].id]);
    assert_eq!(w.store.find("c-1").await.expect("found"), [known[0].id]);
    let nobody = w.store.upsert(w.lease, vec![Profile::default()], w.now).await;
    assert!(is_impossible(nobody), "a person without any id");
}

pub async fn two_people_are_never_joined_by_a_shared_alias(engine: impl Engine) {
    let w = World::new(engine).await;
    let with = |id: &str| Profile { external_id: id.into(), aliases: vec!["tablet".into()], ..Profile::default() };
    let known = w.store.upsert(w.lease, vec![with("mum"), with("dad")], w.now).await.expect("people");
    assert_ne!(known[0].id, known[1].id);
    assert_eq!(w.store.find("tablet").await.expect("found"), [known[0].id], "the first owner keeps it");
}

pub async fn events_are_appended_once_per_message_id(engine: impl Engine) {
    let w = World::new(engine).await;
    let event = |name: &str, at| Event { name: name.into(), at: Millis(at), properties: serde_json::Map::new() };
    let heard = vec![
        ("p1".to_owned(), Some("m1".to_owned()), event("open", 20)),
        ("p2".to_owned(), Some("m2".to_owned()), event("open", 5)),
        ("p1".to_owned(), None, event("buy", 10)),
        ("p1".to_owned(), Some("m3".to_owned()), event("close", 30)),
    ];
    let ids = w.store.record(w.lease, heard.clone(), w.now).await.expect("events");
    assert_eq!((ids[0], ids[0] == ids[1]), (ids[2], false));
    let again = w.store.record(w.lease, vec![heard[0].clone(), heard[3].clone()], w.now).await.expect("a repeat");
    assert_eq!(again, [ids[0], ids[0]]);
    let names = vec!["open".to_owned(), "buy".to_owned()];
    let events = w.store.events(vec![ids[1], ids[0]], names).await.expect("events");
    assert_eq!(events[0].iter().map(|e| e.at.0).collect::<Vec<_>>(), [5]);
    assert_eq!(events[1].iter().map(|e| e.at.0).collect::<Vec<_>>(), [10, 20], "oldest first");
    // Message ids are remembered for seven days.
    let later = w.now.after(Duration::DAY.times(8));
    w.store.record(w.lease, vec![heard[0].clone()], later).await.expect("an event");
    let trace = w.store.trace(ids[0]).await.expect("a trace").expect("a person");
    assert_eq!(trace.events.len(), 4);
}

pub async fn people_are_found_by_any_identifier(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let hex = "ab".repeat(32);
    let person = Profile {
        external_id: "c-1".into(),
        aliases: vec!["ecid-9".into()],
        emails: vec![" Ann.Other@Example.COM ".into()],
        phones: vec!["+47 (22) 33-44-55".into()],
        idfa: Some("6D92078A-8246-4BA4-AE5B-76104861E7DC".into()),
        ..Profile::default()
    };
    let known = w.store.upsert(w.lease, vec![person], w.now).await.expect("a person");
    let others = w.people(0..3).await;
    let found = [known[0].id];
    for identifier in [
        "c-1",
        "ecid-9",
        "ann.other@example.com",
        "0047 22334455",
        "+4722334455",
        "6d92078a-8246-4ba4-ae5b-76104861e7dc",
    ] {
        assert_eq!(w.store.find(identifier).await.expect("found"), found, "{identifier}");
    }
    for nobody in ["", "nobody", "22", "@", "example.com", &hex] {
        assert!(w.store.find(nobody).await.expect("found").is_empty(), "{nobody}");
    }
    let moves = [w.offer(0, Action::Add, false), Move::End];
    w.enter(&others[..1], &moves).await;
    let slice = w.seal_all().await;
    w.send(&slice.parts[0], |s| {
        let rider = &slice.parts[0].riders[0];
        let mut change = joined(rider, w.now);
        if let Some(now) = &mut change.now {
            now.recorded = vec![[vec![1, 2], vec![0xab; 32]].concat()];
        }
        (s.ends, s.outcomes, s.membership) = (true, outcomes(rider, Status::Synced, GoesTo::Stays), vec![change]);
    })
    .await
    .expect("a settlement");
    assert_eq!(w.store.find(&hex.to_uppercase()).await.expect("found"), [others[0]]);
}

pub async fn an_unknown_reason_of_many_stays_bounded(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1_200).await;
    let mut batch = w.batch(&people, &[]);
    for (n, candidate) in batch.candidates.iter_mut().enumerate() {
        let reason = Reason::new("partner:100", format!("row {n} was refused"));
        candidate.moves = vec![Move::Visit { step: StepIx(0), status: Status::Rejected, reason }, Move::End];
    }
    w.store.enter(w.lease, batch).await.expect("entries");
    let counters = w.store.counters(w.version.id).await.expect("counters");
    assert!(counters.counts.len() <= 1_001, "{} different reasons", counters.counts.len());
    assert!(counters.counts.iter().all(|count| count.reason.code == "partner:100"));
    assert_eq!(w.count(0, Status::Rejected).await, 1_200);
    w.balanced().await;
}

pub async fn memberships_keep_recorded_sets_and_claims(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let moves = [w.offer(0, Action::Add, false), Move::End];
    w.enter(&people, &moves).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    w.send(part, |s| {
        s.ends = true;
        s.outcomes = part.riders.iter().flat_map(|r| outcomes(r, Status::Synced, GoesTo::Stays)).collect();
        s.membership = part.riders.iter().map(|r| joined(r, w.now)).collect();
    })
    .await
    .expect("a settlement");
    // `unchanged` needs no call, but claims.
    w.enter(&people, &[w.offer(3, Action::Add, false), Move::End]).await;
    let ops = w.peek().await;
    let known = ops[0].membership.clone().expect("a membership");
    assert_eq!(
        (known.standing, known.claims.as_slice()),
        (Standing::In, [(w.version.id, StepIx(0)).into()].as_slice())
    );
    assert_eq!((known.fingerprint, known.at), (fingerprint(people[0]), w.now));
    assert_eq!(known.recorded, [people[0].0.to_le_bytes().to_vec()]);
    let claim = |op: &Queued, clear_claims| MembershipChange {
        profile: op.profile,
        now: None,
        claim: Some(op.step.into()),
        clear_claims,
        ..MembershipChange::default()
    };
    let mut sealing = w.sealing(&[]);
    sealing.upto = ops[1].seq;
    sealing.outcomes = ops.iter().map(|op| outcome(op, Status::Unchanged, GoesTo::Stays)).collect();
    sealing.membership = vec![claim(&ops[0], false), claim(&ops[0], false), claim(&ops[1], true)];
    assert!(w.store.seal(w.lease, sealing).await.expect("sealed").is_none());
    let store = w.store.clone();
    let of = async |id| store.trace(id).await.expect("a trace").expect("a person").memberships[0].clone();
    assert_eq!(of(people[0]).await.0, lane_key("aud-1"));
    assert_eq!(of(people[0]).await.1.claims, [(w.version.id, StepIx(0)).into(), (w.version.id, StepIx(3)).into()]);
    assert_eq!(of(people[1]).await.1.claims, [(w.version.id, StepIx(3)).into()]);
    // A removal clears what was asked for and keeps that they are out.
    w.enter(&people[..1], &[w.offer(4, Action::Remove, false), Move::End]).await;
    let slice = w.seal_all().await;
    w.send(&slice.parts[0], |s| {
        let rider = &slice.parts[0].riders[0];
        s.ends = true;
        s.outcomes = outcomes(rider, Status::Synced, GoesTo::Stays);
        let now = MembershipNow { standing: Standing::Out, recorded: Vec::new(), fingerprint: [0; 16], at: w.now };
        s.membership = vec![MembershipChange {
            profile: rider.profile,
            now: Some(now),
            claim: None,
            clear_claims: true,
            ..MembershipChange::default()
        }];
    })
    .await
    .expect("a settlement");
    let gone = of(people[0]).await.1;
    assert_eq!((gone.standing, gone.recorded.len(), gone.claims.len()), (Standing::Out, 0, 0));
    w.balanced().await;
}

pub async fn a_canvas_published_twice_is_one_version(engine: impl Engine) {
    let w = World::new(engine).await;
    let again = w.store.publish(w.lease, canvas("journey", "one", 6), w.now).await.expect("a version");
    assert_eq!((again.id, again.number, again.digest), (w.version.id, 1, w.version.digest));
    let changed = w.store.publish(w.lease, canvas("journey", "two", 2), w.now).await.expect("a version");
    assert_eq!(changed.number, 2);
    let w = w.crash().await;
    let versions = w.store.versions().await.expect("versions");
    assert_eq!(versions.iter().map(|v| (v.id, v.number)).collect::<Vec<_>>(), [(w.version.id, 1), (changed.id, 2)]);
    assert_eq!(*versions[1].canvas, canvas("journey", "two", 2));
}

pub async fn audiences_and_lanes_are_kept_by_their_keys(engine: impl Engine) {
    let w = World::new(engine).await;
    let mut audience = Audience {
        name: "journey/vip".into(),
        connection: "meta-main".into(),
        connector: "meta".into(),
        account: "act_1".into(),
        partner_id: None,
        parts: Vec::new(),
        marker: "caravan 1".into(),
        made_by_us: true,
    };
    w.store.bind(w.lease, audience.clone()).await.expect("bound");
    assert_eq!(w.store.audience("journey/vip").await.expect("read"), Some(audience.clone()));
    audience.partner_id = Some("23".into());
    w.store.bind(w.lease, audience.clone()).await.expect("bound again");
    let w = w.crash().await;
    assert_eq!(w.store.audiences().await.expect("read"), [audience]);
    assert_eq!(w.store.audience("nobody").await.expect("read"), None);
    let parts = vec![("list".to_owned(), "9".to_owned())];
    let same = w.store.lane(w.lease, lane_spec("aud-1", "meta-main", false, parts.clone())).await.expect("a lane");
    assert_eq!(same, (w.lane, w.connection));
    let other = w.store.lane(w.lease, lane_spec("aud-2", "meta-two", false, Vec::new())).await.expect("a lane");
    assert!(other.0 != w.lane && other.1 != w.connection);
    let lanes = w.store.lanes().await.expect("lanes");
    assert_eq!((lanes[0].made_by_us, &lanes[0].audience_parts), (true, &parts), "once ours, always ours");
    assert_eq!(
        (lanes[1].key.clone(), lanes[1].made_by_us, lanes[1].connection.as_str()),
        (lane_key("aud-2"), false, "meta-two")
    );
}

pub async fn an_audience_that_was_to_be_made_gets_its_id_everywhere_at_once(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let marker = to_be_made("caravan-1");
    let key = LaneKey { audience: marker.clone(), ..lane_key("") };
    assert_eq!((key.marker_to_be_made(), lane_key("9").marker_to_be_made()), (Some("caravan-1"), None));
    let audience = |name: &str| Audience {
        name: name.into(),
        connection: "meta-main".into(),
        connector: key.connector.clone(),
        account: key.account.clone(),
        partner_id: Some(marker.clone()),
        parts: vec![("name".into(), "VIP".into())],
        marker: "caravan-1".into(),
        made_by_us: false,
    };
    for name in ["one/vip", "two/vip"] {
        w.store.bind(w.lease, audience(name)).await.expect("bound");
    }
    let (lane, _) = w.store.lane(w.lease, lane_spec(&marker, "meta-main", false, Vec::new())).await.expect("a lane");
    let now = w.now;
    let hold = |key: &LaneKey| Hold {
        scope: HoldScope::Audience { key: key.clone() },
        by: "someone".into(),
        words: "wait".into(),
        since: now,
    };
    w.store.hold(w.lease, hold(&key)).await.expect("held");
    let parts = vec![("audience".to_owned(), "7".to_owned())];
    let name = |id: &str| w.store.name_audience(w.lease, key.clone(), id.to_owned(), parts.clone());
    // Another queue has this one: nothing is changed.
    assert!(!name("aud-1").await.expect("an answer"));
    // A name leads to this one, though it has no queue yet.
    let another = Audience { partner_id: Some("aud-5".into()), ..audience("three/vip") };
    w.store.bind(w.lease, another).await.expect("bound");
    assert!(!name("aud-5").await.expect("an answer"));
    assert!(name("aud-9").await.expect("an answer"));
    assert!(name("aud-9").await.expect("an answer"), "said again");
    w = w.crash().await;
    for name in ["one/vip", "two/vip"] {
        let bound = w.store.audience(name).await.expect("read").expect("bound");
        assert_eq!((bound.partner_id.as_deref(), &bound.parts, bound.made_by_us), (Some("aud-9"), &parts, true));
    }
    let lanes = w.store.lanes().await.expect("lanes");
    let named = lanes.iter().find(|known| known.id == lane).expect("the same lane");
    assert_eq!((&named.key, &named.audience_parts, named.made_by_us), (&lane_key("aud-9"), &parts, true));
    assert_eq!(named.held_by, [hold(&lane_key("aud-9"))]);
    w.balanced().await;
}

pub async fn an_old_lease_is_fenced_from_every_writing_call(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1).await;
    let moves = [w.offer(0, Action::Add, false), Move::End];
    w.enter(&people, &moves).await;
    let slice = w.seal_all().await;
    let old = w.lease;
    w.lease = w.store.lease("another", Slots::ALL, w.now).await.expect("a lease");
    assert!(w.lease.epoch > old.epoch);
    let batch = w.batch(&people, &[Move::End]);
    let (s, now) = (w.store.clone(), w.now);
    assert!(is_fenced(s.renew(old, now).await));
    assert!(is_fenced(s.release(old).await));
    assert!(is_fenced(s.publish(old, canvas("x", "x", 1), now).await));
    assert!(is_fenced(s.lane(old, lane_spec("x", "x", false, Vec::new())).await));
    assert!(is_fenced(s.upsert(old, vec![person(1)], now).await));
    assert!(is_fenced(s.record(old, Vec::new(), now).await));
    assert!(is_fenced(s.receive(old, Vec::new(), now).await));
    assert!(is_fenced(s.work_off(old, 1, Vec::new(), now).await));
    assert!(is_fenced(s.enter(old, batch).await));
    assert!(is_fenced(s.advance(old, Vec::new(), CanvasesSeen::default(), now).await));
    assert!(is_fenced(s.signal_exit(old, w.version.id, people, Reason::none(), now).await));
    assert!(is_fenced(s.set_lane(old, w.lane, LaneState::Open).await));
    assert!(is_fenced(s.seal(old, w.sealing(&[])).await));
    assert!(is_fenced(s.attempt(old, slice.parts[0].id, now, Vec::new(), now).await));
    assert!(is_fenced(s.settle(old, w.settlement(&slice.parts[0], 1)).await));
    s.renew(w.lease, now).await.expect("the new lease");
    assert!(is_impossible(s.attempt(w.lease, PartId(99), now, Vec::new(), now).await), "there is no such part");
    s.release(w.lease).await.expect("given back");
    assert!(is_fenced(s.renew(w.lease, now).await), "nobody writes without a lease");
    w.balanced().await;
}

pub async fn a_change_is_never_missed(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let soon = std::time::Duration::from_millis(30);
    let people = w.people(0..1).await;
    // What happened before is told, even if it happened while nobody waited.
    w.enter(&people, &[Move::End]).await;
    tokio::time::timeout(soon * 100, w.store.changed()).await.expect("a change");
    assert!(tokio::time::timeout(soon, w.store.changed()).await.is_err(), "nothing has happened since");
    let waiting = w.store.clone();
    let waiter = tokio::spawn(async move { waiting.changed().await });
    w.enter(&people, &[Move::End]).await;
    tokio::time::timeout(soon * 100, waiter).await.expect("a change").expect("the waiter");
    tokio::time::timeout(soon * 100, w.store.changed()).await.expect("every clone hears it");
}
