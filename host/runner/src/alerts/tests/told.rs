//! What a subscription is told, and when.
use super::*;
use caravan_model::Severity;

fn changes(notice: &Notice) -> Vec<Change> {
    notice.alerts.iter().map(|(change, _)| *change).collect()
}

#[test]
fn causes_that_arise_together_are_one_notice() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.tick();
    world.seen.lanes.push(held(2, "held-unauthorized", world.now));
    world.run(Duration::MINUTE);
    let sent = world.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(changes(&sent[0]), [Change::Opened; 2]);
    assert_eq!((sent[0].severity, sent[0].subject.as_str()), (Severity::Critical, "[critical] 2 queues held"));
    assert!(sent[0].lines[0].words.contains("held-unauthorized"), "the worst first: {:?}", sent[0].lines);
}

#[test]
fn a_mended_cause_is_told_once_within_a_minute() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::MINUTE);
    assert_eq!(world.take().len(), 1);
    world.seen.lanes = vec![lane(1)];
    world.run(Duration::MINUTE);
    let sent = world.take();
    assert_eq!((sent.len(), sent[0].recovery), (1, true));
    assert_eq!(sent[0].subject, "[mended] queue audience 1 of connection acme-meta is no longer held (held-terms)");
    world.run(Duration::DAY);
    assert!(world.take().is_empty());
    assert_eq!(world.documents(), (0, 1, 0));
}

#[test]
fn a_cause_that_was_never_told_has_no_recovery() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.tick();
    world.seen.lanes = vec![lane(1)];
    world.run(Duration::HOUR);
    assert!(world.take().is_empty());
}

#[test]
fn a_cause_that_comes_and_goes_is_told_twice_at_most_in_ten_minutes() {
    let mut world = World::new(vec![everything()]);
    for minute in 0..10 {
        world.seen.lanes = if minute % 2 == 0 { vec![held(1, "held-terms", world.now)] } else { vec![lane(1)] };
        world.run(Duration::MINUTE);
    }
    let told: Vec<Vec<Change>> = world.take().iter().map(changes).collect();
    assert_eq!(told, [vec![Change::Opened], vec![Change::Mended]]);
    // It is back for good: told once the span is over.
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::MINUTE.times(10));
    assert_eq!(world.take().iter().map(changes).collect::<Vec<_>>(), [vec![Change::Opened]]);
}

#[test]
fn fast_flaps_are_one_alert_and_are_told() {
    let mut world = World::new(vec![everything()]);
    for tick in 0..120 {
        world.seen.lanes = if tick % 2 == 0 { vec![held(1, "held-terms", world.now)] } else { vec![lane(1)] };
        world.tick();
    }
    let sent = world.take();
    assert_eq!(sent.iter().map(changes).collect::<Vec<_>>(), [vec![Change::Opened]]);
    assert!(sent[0].lines[0].words.contains("came back"), "{:?}", sent[0].lines);
}

#[test]
fn what_stays_open_is_told_again_at_growing_intervals() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::DAY.times(4));
    let hours: Vec<u64> = world.sent.iter().map(|(at, _)| at.since(Millis(1_700_000_000_000)).0 / 3_600_000).collect();
    assert_eq!(hours, [0, 1, 5, 21, 45, 69, 93]);
    assert!(world.sent[1].1.subject.starts_with("[warning] still: "), "{}", world.sent[1].1.subject);
}

#[test]
fn a_warning_that_becomes_critical_is_told_at_once_and_mended_once() {
    let mut world = World::new(vec![everything()]);
    let oldest = Some(world.now.before(Duration::MINUTE.times(30)));
    world.seen.lanes = vec![LaneSeen { oldest, waiting: 1, ..lane(1) }];
    world.run(Duration::MINUTE.times(29));
    assert_eq!(world.take().len(), 1);
    world.run(Duration::MINUTE.times(2));
    let sent = world.take();
    assert_eq!((changes(&sent[0]), sent[0].severity), (vec![Change::Worse], Severity::Critical));
    let open: Vec<(bool, Severity)> = sent[0].incidents.iter().map(|one| (one.open, one.severity)).collect();
    assert_eq!(open.iter().filter(|(open, _)| *open).count(), 1, "{open:?}");
    assert_eq!(sent[0].incidents.len(), 2, "the milder incident is resolved");
    world.seen.lanes = vec![lane(1)];
    world.run(Duration::MINUTE.times(2));
    assert_eq!(world.take().iter().map(changes).collect::<Vec<_>>(), [vec![Change::Mended]]);
}

#[test]
fn a_subscription_hears_of_its_canvas_connection_kinds_and_severity_only() {
    let to = r#""to": {"mail": {"address": "a@acme.example"}}"#;
    let wanted = |id: &str, what: &str| subscription(&format!(r#"{{"id": "{id}", {what} {to}}}"#));
    let mut world = World::new(vec![
        wanted("all", ""),
        wanted("canvas", r#""canvas": "win-back","#),
        wanted("other-canvas", r#""canvas": "welcome","#),
        wanted("connection", r#""connection": "acme-meta","#),
        wanted("other-connection", r#""connection": "acme-tiktok","#),
        wanted("both", r#""canvas": "win-back", "connection": "acme-tiktok","#),
        wanted("kinds", r#""kinds": ["token-ends", "skip-rate"],"#),
        wanted("critical", r#""at_least": "critical","#),
    ]);
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::MINUTE);
    let who = |world: &mut World| -> Vec<String> {
        world.take().iter().map(|notice| notice.subscription.to_string()).collect()
    };
    assert_eq!(who(&mut world), ["all", "canvas", "connection"]);
    world.seen.lanes = vec![held(1, "held-forbidden", world.now)];
    world.run(Duration::MINUTE);
    assert_eq!(who(&mut world), ["all", "canvas", "connection", "critical", "all", "canvas", "connection"]);
}

#[test]
fn when_a_hundred_queues_of_a_connection_are_held_one_notice_says_so_in_one_line() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = (0..100).map(|id| held(id, "held-unauthorized", world.now)).collect();
    world.run(Duration::MINUTE);
    let sent = world.take();
    assert_eq!((sent.len(), sent[0].lines.len(), sent[0].incidents.len()), (1, 1, 1));
    assert!(sent[0].subject.contains("100 queues of connection acme-meta are held"), "{}", sent[0].subject);
    assert!(sent[0].lines[0].words.contains("1200 people wait"), "{:?}", sent[0].lines);
}

#[test]
fn a_rate_stays_open_after_a_restart_until_a_whole_window_was_counted() {
    let mut world = World::new(vec![everything()]);
    let place = place("win-back", "sync");
    let counts = vec![(caravan_model::Status::Rejected, "partner:190".to_owned(), 200)];
    world.seen.steps = vec![StepSeen { canvas: place.canvas, step: place.step.unwrap(), connection: None, counts }];
    world.run(Duration::MINUTE);
    assert_eq!(world.take().len(), 1);
    (world.restarts, world.seen.counting_since) = (true, world.now);
    world.seen.steps.clear();
    world.run(Duration::MINUTE.times(9));
    assert!(world.take().is_empty(), "nothing is proven yet");
    world.run(Duration::MINUTE.times(3));
    assert_eq!(world.take().iter().map(changes).collect::<Vec<_>>(), [vec![Change::Mended]]);
}

#[test]
fn a_notice_that_cannot_be_sent_is_tried_with_growing_waits_and_what_follows_waits_for_it() {
    let mut world = World::new(vec![everything()]);
    world.outcome = Err(SendError::later("the mail server could not be reached"));
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::MINUTE.times(10));
    world.seen.lanes.push(held(2, "held-forbidden", world.now));
    world.run(Duration::MINUTE.times(50));
    assert_eq!(world.documents().2, 1, "one notice waits, no heap");
    let tries = world.book.due(Millis::NEVER).next().unwrap().tries;
    assert!((10..=18).contains(&tries), "{tries} tries in an hour");
    world.outcome = Ok(());
    world.run(Duration::MINUTE.times(7));
    let told: Vec<Vec<Change>> = world.take().iter().map(changes).collect();
    assert_eq!(told, [[Change::Opened], [Change::Opened]]);
}

#[test]
fn after_a_day_a_notice_is_given_up_with_a_line_and_what_it_opened_is_told_anew() {
    let mut world = World::new(vec![everything()]);
    world.outcome = Err(SendError::later("the mail server could not be reached"));
    world.seen.lanes = vec![held(1, "held-terms", world.now), held(2, "held-forbidden", world.now)];
    world.run(Duration::HOUR.times(23));
    assert!(world.lines.is_empty());
    world.run(Duration::MINUTE.times(62));
    assert_eq!(world.lines.len(), 1);
    assert!(
        world.lines[0].contains("given up") && world.lines[0].contains("could not be reached"),
        "{:?}",
        world.lines
    );
    // One is mended meanwhile: nobody heard that it was open, so nobody hears that it is mended.
    world.seen.lanes = vec![held(1, "held-terms", world.now), lane(2)];
    world.outcome = Ok(());
    world.run(Duration::HOUR.times(2));
    assert_eq!(changes(&world.sent[0].1), [Change::Opened]);
    assert!(assert_told_in_turns(&world).len() == 1);
}

#[test]
fn a_channel_that_refuses_for_good_is_not_asked_again_at_once() {
    let mut world = World::new(vec![everything()]);
    world.outcome = Err(SendError::never("the webhook answered 404"));
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::DAY);
    assert!((20..=24).contains(&world.lines.len()), "{} tries in a day", world.lines.len());
}

#[test]
fn the_hour_s_limit_keeps_room_for_what_is_critical_and_folds_the_rest() {
    let mut world = World::new(vec![everything()]);
    for id in 0..40 {
        world.seen.lanes.push(held(id, "held-terms", world.now));
        world.run(Duration::MINUTE);
    }
    assert_eq!(world.sent.len(), 12);
    let last = &world.sent[11].1;
    assert!(last.notes.iter().any(|note| note.contains("told together in about 49m")), "{:?}", last.notes);
    world.take();
    world.seen.lanes.push(held(99, "held-unauthorized", world.now));
    world.run(Duration::MINUTE);
    let sent = world.take();
    assert_eq!((sent.len(), sent[0].severity), (1, Severity::Critical));
    assert_eq!(sent[0].alerts.len(), 29, "the rest comes along");
}

#[test]
fn alerts_that_came_and_went_while_notices_were_held_back_are_counted() {
    let mut world = World::new(vec![everything()]);
    for id in 0..25 {
        world.seen.lanes = vec![held(id, "held-terms", world.now)];
        world.run(Duration::MINUTE.times(2));
    }
    world.seen.lanes = vec![];
    world.run(Duration::MINUTE.times(20));
    world.seen.lanes = vec![held(99, "held-unauthorized", world.now)];
    world.run(Duration::HOUR);
    let notes: Vec<String> = world.take().into_iter().flat_map(|notice| notice.notes).collect();
    assert!(notes.iter().any(|note| note.contains("more alerts came and went")), "{notes:?}");
}

#[test]
fn a_subscription_that_is_no_more_leaves_nothing_behind() {
    let mut world = World::new(vec![everything()]);
    world.outcome = Err(SendError::later("down"));
    world.seen.lanes = vec![held(1, "held-terms", world.now)];
    world.run(Duration::MINUTE);
    assert_eq!(world.documents(), (1, 1, 1));
    world.subscriptions.clear();
    world.tick();
    assert_eq!(world.documents(), (1, 0, 0));
}

#[test]
fn the_default_policy_keeps_the_promises_and_a_slack_one_is_refused() {
    let policy = AlertPolicy::default();
    assert_eq!(policy.check(), Ok(()));
    let slow = AlertPolicy { gather: Duration::MINUTE, ..policy.clone() };
    assert!(slow.check().unwrap_err().contains("gather"));
    let greedy = AlertPolicy { kept_for_critical: 20, ..policy.clone() };
    assert!(greedy.check().unwrap_err().contains("kept_for_critical"));
    assert!(serde_json::from_str::<AlertPolicy>(r#"{"gahter": "1s"}"#).is_err());
    assert_eq!(serde_json::from_str::<AlertPolicy>(r#"{"damp": "10m"}"#).unwrap(), policy);
}
