//! Entering, waiting, moving on, leaving.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::canvas::ReEntry;
use caravan_model::status::reason;
use caravan_model::{Action, Duration, Millis, Reason, Status, StepIx};

fn wait(step: u16, due: Millis) -> Move {
    Move::Wait { step: StepIx(step), due }
}

fn pass(step: u16) -> Move {
    Move::Visit { step: StepIx(step), status: Status::Passed, reason: Reason::new(reason::BRANCH, "arm 1") }
}

fn advance(due: &Due, moves: Vec<Move>) -> Advance {
    Advance {
        visit: due.visit,
        version: due.version,
        step: due.step,
        arrives: due.arrives,
        due: due.due,
        profile: due.profile,
        ends_as: (Status::Passed, Reason::none()),
        moves,
    }
}

pub async fn rule_11_1_at_once_moves_on_and_when_synced_parks(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let due = w.now.after(Duration::DAY);
    let at_once = [w.offer(0, Action::Add, false), wait(1, due)];
    w.enter(&people[..1], &at_once).await;
    let parked = [w.offer(0, Action::Add, true)];
    w.enter(&people[1..], &parked).await;
    w.balanced().await;
    assert_eq!((w.count(0, Status::Waiting).await, w.count(1, Status::Waiting).await), (2, 1));

    let slice = w.seal_all().await;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.outcomes =
            slice.parts[0].riders.iter().flat_map(|r| outcomes(r, Status::Synced, GoesTo::Step(StepIx(2)))).collect();
    })
    .await
    .expect("a settlement");
    w.balanced().await;
    assert_eq!(w.count(0, Status::Synced).await, 2);

    // Only the parked one arrives; the other is still in its delay.
    let arrivals = w.store.due(w.now, 10, true).await.expect("due");
    assert_eq!(arrivals.len(), 1);
    assert_eq!((arrivals[0].profile, arrivals[0].step, arrivals[0].arrives), (people[1], StepIx(2), true));
    assert_eq!(arrivals[0].person.as_ref().map(|p| p.external_id.as_str()), Some("p0001"));
    let moved = w
        .store
        .advance(w.lease, vec![advance(&arrivals[0], vec![pass(2), Move::End])], CanvasesSeen::default(), w.now)
        .await;
    assert_eq!(moved.expect("moved"), 1);
    assert_eq!((w.count(2, Status::Passed).await, w.census().await), (1, (2, 1)));
    w.balanced().await;
    let trace = w.store.trace(people[1]).await.expect("a trace").expect("a person");
    assert_eq!(
        trace.visits.iter().map(|v| (v.step.0, v.status)).collect::<Vec<_>>(),
        [(0, Status::Synced), (2, Status::Passed)]
    );
}

pub async fn rule_11_11_one_open_entry_over_all_versions_of_a_canvas(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    let forever = [wait(0, Millis::NEVER)];
    assert_eq!(w.enter(&people[..2], &forever).await, Entered { entered: 2, kept_out: 0, capped: 0, known_rows: 0 });
    // The same person twice in one chunk enters once.
    let twice = [people[2], people[2]];
    assert_eq!(w.enter(&twice, &forever).await, Entered { entered: 1, kept_out: 1, capped: 0, known_rows: 0 });
    w.version = w.store.publish(w.lease, canvas("journey", "two", 6), w.now).await.expect("version 2");
    assert_eq!(w.version.number, 2);
    assert_eq!(w.enter(&people, &forever).await.kept_out, 3);
    // Another canvas is another matter.
    w.version = w.store.publish(w.lease, canvas("another", "one", 6), w.now).await.expect("another canvas");
    assert_eq!(w.enter(&people, &forever).await.entered, 3);
    w.balanced().await;
    assert_eq!(w.store.next_timer().await.expect("a timer"), None);
}

pub async fn rule_11_11_a_known_intake_row_does_nothing(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    let mut batch = w.batch(&people, &[pass(0), Move::End]);
    batch.refused = vec![("bad date".into(), 2)];
    batch.next_row = 6;
    let done = w.store.enter(w.lease, batch.clone()).await.expect("entries");
    assert_eq!(done, Entered { entered: 4, kept_out: 0, capped: 0, known_rows: 0 });
    let again = w.store.enter(w.lease, batch.clone()).await.expect("a repeat");
    assert_eq!(again, Entered { entered: 0, kept_out: 0, capped: 0, known_rows: 4 });
    assert_eq!(w.store.intake(w.version.id, &batch.source).await.expect("intake"), (6, 4));
    assert_eq!(w.store.intake(w.version.id, "never heard of").await.expect("intake"), (0, 0));
    let counters = w.store.counters(w.version.id).await.expect("counters");
    assert_eq!((counters.entered, counters.open, counters.refused), (4, 0, vec![("bad date".to_owned(), 2)]));
    // The next chunk of the same source goes on where this one ended.
    batch.candidates.iter_mut().for_each(|candidate| candidate.row += 5);
    batch.next_row = 9;
    let next = w.store.enter(w.lease, batch).await.expect("entries");
    assert_eq!(next, Entered { entered: 3, kept_out: 0, capped: 0, known_rows: 1 });
    w.balanced().await;
}

pub async fn re_entry_never_always_and_after(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1).await;
    let mut batch = w.batch(&people, &[pass(0), Move::End]);
    for (again, rule, later, entered) in [
        ("first", ReEntry::Never, 0, 1),
        ("never", ReEntry::Never, 1_000, 0),
        ("too early", ReEntry::After(Duration(2_000)), 1_999, 0),
        ("late enough", ReEntry::After(Duration(2_000)), 2_000, 1),
        ("counts from the last entry", ReEntry::After(Duration(2_000)), 3_000, 0),
        ("always", ReEntry::Always, 3_000, 1),
    ] {
        batch.source = again.to_owned();
        batch.re_entry = rule;
        batch.now = Millis(w.now.0 + later);
        batch.candidates[0].began = batch.now;
        let done = w.store.enter(w.lease, batch.clone()).await.expect("an entry");
        assert_eq!(done.entered, entered, "{again}");
        assert_eq!(done.kept_out, 1 - entered, "{again}");
    }
    w.balanced().await;
    let trace = w.store.trace(people[0]).await.expect("a trace").expect("a person");
    assert_eq!(trace.visits.len(), 3, "a trace shows earlier entries too");
}

pub async fn rule_11_11_caps_are_counted_with_the_entries(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..10).await;
    let forever = [wait(0, Millis::NEVER)];
    let mut batch = w.batch(&people, &forever);
    batch.caps = Caps { in_all: Some(6), a_day: Some(4), a_run: Some(3) };
    let done = w.store.enter(w.lease, batch.clone()).await.expect("entries");
    assert_eq!(done, Entered { entered: 3, capped: 7, ..Entered::default() });
    let refused = w.store.counters(w.version.id).await.expect("counters").refused;
    assert_eq!(refused, [("cap".to_owned(), 7)]);
    // Repeated, it lets nobody in.
    assert_eq!(w.store.enter(w.lease, batch.clone()).await.expect("a repeat").entered, 0);
    // Who is inside is kept out, and does not count against the cap; another run of the same day has room for one.
    batch.source = "another".into();
    let done = w.store.enter(w.lease, batch.clone()).await.expect("entries");
    assert_eq!(done, Entered { entered: 1, kept_out: 3, capped: 6, ..Entered::default() });
    let mut w = w.crash().await;
    // The next day, in another version of the canvas: two are left of six.
    w.version = w.store.publish(w.lease, canvas("journey", "two", 6), w.now).await.expect("version 2");
    (batch.version, batch.source, batch.day) = (w.version.id, "third".into(), Millis(86_400_000));
    let done = w.store.enter(w.lease, batch.clone()).await.expect("entries");
    assert_eq!(done, Entered { entered: 2, kept_out: 4, capped: 4, ..Entered::default() });
    // Without caps all may.
    (batch.source, batch.caps) = ("fourth".into(), Caps::default());
    assert_eq!(w.store.enter(w.lease, batch).await.expect("entries").entered, 4);
    w.balanced().await;
}

pub async fn rule_11_13_an_entry_begins_with_what_lets_it_in(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    let mut batch = w.batch(&people[..2], &[wait(0, Millis::NEVER)]);
    let began = Millis(w.now.0 - 5_000);
    batch.candidates[0].began = began;
    batch.candidates[1].began = Millis(w.now.0 + 5_000);
    w.store.enter(w.lease, batch).await.expect("entries");
    let newest = w.store.newest_entries(w.version.id, people.clone()).await.expect("the newest");
    let seen: Vec<_> = newest.iter().map(|entry| (entry.profile, entry.began, entry.open)).collect();
    assert_eq!(seen, [(people[0], began, true), (people[1], w.now, true)]);
    assert!(newest.iter().all(|entry| entry.version == w.version.id && entry.person.is_some()));
    w.store.erase(w.lease, vec![people[0]], w.now).await.expect("an erasure");
    let newest = w.store.newest_entries(w.version.id, people.clone()).await.expect("the newest");
    assert!(newest[0].person.is_none() && newest[1].person.is_some());
}

pub async fn impossible_moves_are_refused_and_leave_nothing(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1).await;
    let offer = w.offer(0, Action::Add, true);
    let at_once = w.offer(0, Action::Add, false);
    let mut elsewhere = offer.clone();
    if let Move::Offer { lane, .. } = &mut elsewhere {
        lane.0 = 99;
    }
    let waiting = Move::Visit { step: StepIx(0), status: Status::Waiting, reason: Reason::none() };
    for moves in [
        vec![],
        vec![pass(0)],
        vec![at_once.clone()],
        vec![offer.clone(), Move::End],
        vec![wait(0, w.now), Move::End],
        vec![Move::End, pass(0), Move::End],
        vec![pass(6), Move::End],
        vec![waiting, Move::End],
        vec![elsewhere],
    ] {
        let batch = w.batch(&people, &moves);
        assert!(is_impossible(w.store.enter(w.lease, batch).await), "{moves:?}");
    }
    let batch = w.batch(&[caravan_model::ProfileId(77)], &[Move::End]);
    assert!(is_impossible(w.store.enter(w.lease, batch).await), "an unknown person");
    assert_eq!(w.census().await, (0, 0));
    assert!(w.peek().await.is_empty());
    w.balanced().await;
    assert_eq!(w.enter(&people, &[at_once, Move::End]).await.entered, 1);
    assert_eq!(w.peek().await[0].seq, 1, "what was refused took no place in the lane");
    w.balanced().await;
}

pub async fn timers_fire_in_order_and_once(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    for (at, delay) in [30, 10, 20, 40].into_iter().enumerate() {
        let due = w.now.after(Duration(delay));
        w.enter(&people[at..=at], &[wait(0, due)]).await;
    }
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(w.now.after(Duration(10))));
    assert!(w.store.due(w.now, 10, false).await.expect("due").is_empty());
    let now = w.now.after(Duration(30));
    let due = w.store.due(now, 10, false).await.expect("due");
    assert_eq!(due.iter().map(|due| due.profile).collect::<Vec<_>>(), [people[1], people[2], people[0]]);
    assert_eq!(w.store.due(now, 2, false).await.expect("due").len(), 2);
    let moves: Vec<Advance> = due.iter().map(|due| advance(due, vec![Move::End])).collect();
    assert_eq!(w.store.advance(w.lease, moves.clone(), CanvasesSeen::default(), now).await.expect("moved"), 3);
    assert_eq!(w.store.advance(w.lease, moves, CanvasesSeen::default(), now).await.expect("a repeat"), 0);
    assert_eq!((w.count(0, Status::Passed).await, w.count(0, Status::Waiting).await), (3, 1));
    assert_eq!(w.census().await, (4, 1));
    w.balanced().await;
}

pub async fn rule_11_12_an_ended_entry_hears_exit_while_something_is_unsent(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let moves = [w.offer(0, Action::Add, false), Move::End];
    w.enter(&people, &moves).await;
    assert!(w.peek().await.iter().all(|op| !op.exited), "an entry that ends by itself withdraws nothing");
    let left = w.store.signal_exit(w.lease, w.version.id, vec![people[0]], Reason::none(), w.now).await;
    assert_eq!(left.expect("an exit"), 0, "it was not open");
    assert_eq!(w.peek().await.iter().map(|op| op.exited).collect::<Vec<_>>(), [true, false]);
    // A new entry of the same person is not withdrawn by what the old one heard.
    w.enter(&people[..1], &moves).await;
    assert_eq!(w.peek().await.iter().map(|op| op.exited).collect::<Vec<_>>(), [true, false, false]);
    w.balanced().await;
}

pub async fn an_exit_ends_a_wait_at_once(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    w.enter(&people[..1], &[wait(0, Millis::NEVER)]).await;
    let parked = [w.offer(1, Action::Add, true)];
    w.enter(&people[1..3], &parked).await;
    let why = Reason::new(reason::EXITED, "purchase");
    let left = w.store.signal_exit(w.lease, w.version.id, people.clone(), why.clone(), w.now).await;
    assert_eq!(left.expect("an exit"), 3);
    assert_eq!(w.store.signal_exit(w.lease, w.version.id, people.clone(), why, w.now).await.expect("a repeat"), 0);
    assert_eq!(w.census().await, (3, 0));
    // The wait is over; the parked operations learn it and get their word when they are sealed.
    assert_eq!((w.count(0, Status::Exited).await, w.count(1, Status::Waiting).await), (1, 2));
    w.balanced().await;
    let ops = w.peek().await;
    assert!(ops.iter().all(|op| op.exited && op.parks));
    let mut sealing = w.sealing(&[]);
    sealing.upto = 2;
    sealing.outcomes = ops.iter().map(|op| outcome(op, Status::Exited, GoesTo::Stays)).collect();
    assert!(w.store.seal(w.lease, sealing).await.expect("a sealing").is_none());
    assert_eq!((w.count(1, Status::Exited).await, w.count(1, Status::Waiting).await), (2, 0));
    assert!(w.store.due(w.now, 10, false).await.expect("due").is_empty());
    w.balanced().await;
    let who = w.store.visits(w.version.id, StepIx(0), Status::Exited, Some(reason::EXITED.into()), 10).await;
    assert_eq!(who.expect("visits")[0].0, "p0000");
}

pub async fn every_step_counts_what_entered_it(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..30).await;
    let due = w.now.after(Duration::HOUR);
    w.enter(&people[..10], &[pass(0), wait(1, due)]).await;
    let offer = w.offer(2, Action::Add, false);
    w.enter(&people[10..20], &[pass(0), offer, wait(1, due)]).await;
    let offer = w.offer(2, Action::Remove, true);
    w.enter(&people[20..], &[offer]).await;
    w.balanced().await;
    let waiting = w.store.visits(w.version.id, StepIx(2), Status::Waiting, None, 100).await.expect("visits");
    assert_eq!(waiting.len(), 20);
    let due = w.store.due(due, 100, false).await.expect("due");
    let moves = due.iter().map(|due| advance(due, vec![pass(3), Move::End])).collect();
    w.store.advance(w.lease, moves, CanvasesSeen::default(), w.now).await.expect("moved");
    w.balanced().await;
    let ops = w.peek().await;
    let (adds, removes): (Vec<Queued>, Vec<Queued>) = ops.into_iter().partition(|op| op.action == Action::Add);
    let slice = w.store.seal(w.lease, w.sealing(&[&removes, &adds])).await.expect("sealed").expect("a slice");
    w.balanced().await;
    for part in &slice.parts {
        let synced = part.riders.iter().flat_map(|r| outcomes(r, Status::Synced, GoesTo::End)).collect();
        w.send(part, |s| (s.ends, s.outcomes) = (true, synced)).await.expect("a settlement");
        w.balanced().await;
    }
    let counters = w.store.counters(w.version.id).await.expect("counters");
    let entered = |step| counters.counts.iter().filter(|c| c.step == StepIx(step)).map(|c| c.n).sum::<u64>();
    assert_eq!([entered(0), entered(1), entered(2), entered(3)], [20, 20, 20, 20]);
    assert_eq!((counters.entered, counters.open), (30, 0));
    let branch = counters.counts.iter().find(|c| c.step == StepIx(0)).expect("a count");
    assert_eq!(branch.reason, Reason::new(reason::BRANCH, "arm 1"));
    let who = w.store.visits(w.version.id, StepIx(3), Status::Passed, None, 5).await.expect("visits");
    assert_eq!(who.len(), 5);
    assert_eq!(who[0].0, "p0019", "newest first");
}

pub async fn a_crash_keeps_every_acknowledged_entry(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..5_000).await;
    let moves = [w.offer(0, Action::Add, false), wait(1, w.now)];
    let batch = w.batch(&people, &moves);
    w.store.enter(w.lease, batch.clone()).await.expect("entries");
    let mut w = w.crash().await;
    w.balanced().await;
    assert_eq!(w.census().await, (5_000, 5_000));
    assert_eq!(w.store.enter(w.lease, batch).await.expect("a repeat").known_rows, 5_000);
    assert_eq!(w.people(0..5_000).await, people);
    let ops = w.peek().await;
    assert_eq!(ops.len(), 5_000);
    assert!(ops.iter().zip(1..).all(|(op, seq)| op.seq == seq && op.person.is_some()));
    let more = w.people(5_000..5_001).await;
    let moves = [w.offer(0, Action::Add, false), Move::End];
    w.enter(&more, &moves).await;
    assert_eq!(w.peek().await.last().map(|op| op.seq), Some(5_001));
    w.balanced().await;
}

pub async fn rule_11_12_what_was_decided_before_a_canvas_was_stopped_is_refused(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    w.enter(&people[..1], &[wait(0, w.now)]).await;
    let canvas = w.version.canvas.canvas.to_string();
    let put = async |body: Option<&str>| {
        let document = (DocumentKind::Canvas, canvas.clone(), body.map(str::to_owned));
        w.store.put_documents(w.lease, vec![document]).await.expect("a document");
    };
    let seen = |body: &str| CanvasesSeen::from_iter([(canvas.clone(), body.to_owned())]);
    put(Some("stopped")).await;
    let due = w.store.due(w.now, 10, false).await.expect("due");
    let moves: Vec<Advance> = due.iter().map(|due| advance(due, vec![Move::End])).collect();
    let moved = async |seen: CanvasesSeen| w.store.advance(w.lease, moves.clone(), seen, w.now).await;
    assert!(matches!(moved(CanvasesSeen::default()).await, Err(Error::Overtaken)));
    assert!(matches!(moved(seen("paused")).await, Err(Error::Overtaken)));
    // How other canvases stand is another matter.
    let others = CanvasesSeen::from_iter([(canvas.clone(), "stopped".to_owned()), ("other".into(), "paused".into())]);
    assert_eq!(moved(others).await.expect("moved"), 1);
    put(None).await;
    assert!(matches!(moved(seen("stopped")).await, Err(Error::Overtaken)), "opened meanwhile");
    put(Some("stopped")).await;
    let mut batch = w.batch(&people[1..], &[wait(0, Millis::NEVER)]);
    assert!(matches!(w.store.enter(w.lease, batch.clone()).await, Err(Error::Overtaken)));
    assert_eq!(w.store.intake(w.version.id, &batch.source).await.expect("intake"), (0, 0), "nothing was kept");
    assert_eq!(w.census().await, (1, 0));
    batch.seen = seen("stopped");
    assert_eq!(w.store.enter(w.lease, batch).await.expect("entries").entered, 2);
    w.balanced().await;
}
