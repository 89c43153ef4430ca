//! What a notice looks like in each channel.
use super::*;
use caravan_model::Channel;
use caravan_model::alert::Message;
use serde_json::{Value, json};

fn channel(text: &str) -> Channel {
    text.parse().unwrap()
}

fn posts(message: Message) -> Vec<Value> {
    let Message::Posts(posts) = message else { panic!("no mail: {message:?}") };
    posts
}

fn public() -> AlertPolicy {
    AlertPolicy { public_url: Some("https://caravan.acme.example/".into()), ..AlertPolicy::default() }
}

/// A notice about a held queue, and the one that says it is mended.
fn pair(policy: AlertPolicy) -> (Notice, Notice) {
    let mut world = World::new(vec![everything()]);
    world.policy = policy;
    let mut queue = held(1, "held-unauthorized", world.now);
    queue.queue = "Lapsed <buyers> & co".to_owned();
    world.seen.lanes = vec![queue];
    world.run(Duration::MINUTE);
    world.seen.lanes.clear();
    world.run(Duration::MINUTE);
    let [opened, mended] = <[Notice; 2]>::try_from(world.take()).unwrap();
    (opened, mended)
}

#[test]
fn a_mail_names_what_is_wrong_the_cure_and_the_step() {
    let (opened, mended) = pair(public());
    let Message::Mail { id, subject, body } = render(&opened, &channel("mailto:a@acme.example"), &public()) else {
        panic!("a mail")
    };
    assert_eq!(id, opened.id);
    assert!(subject.starts_with("caravan: [critical] queue Lapsed <buyers> & co of connection acme-meta is held"));
    for words in [
        "new, critical: queue Lapsed <buyers> & co of connection acme-meta is held: the partner refuses the credentials",
        "(held-unauthorized)",
        "12 people wait",
        "cure: renew the connection's secret; then it goes on by itself; `caravan explain CV081`",
        "see:  https://caravan.acme.example/canvas/win-back?step=sync",
        "subscription ops",
    ] {
        assert!(body.contains(words), "{words}\n{body}");
    }
    let Message::Mail { subject, body, .. } = render(&mended, &channel("mailto:a@acme.example"), &public()) else {
        panic!("a mail")
    };
    assert!(subject.contains("[mended]") && body.contains("is no longer held"), "{subject}\n{body}");
}

#[test]
fn without_a_public_url_a_notice_names_the_command() {
    let policy = AlertPolicy::default();
    let (opened, _) = pair(policy.clone());
    assert_eq!(opened.link, None);
    let Message::Mail { body, .. } = render(&opened, &channel("mailto:a@acme.example"), &policy) else {
        panic!("a mail")
    };
    assert!(body.contains("see:  caravan queue list"), "{body}");
}

#[test]
fn slack_gets_text_and_blocks_with_its_three_characters_escaped() {
    let (opened, _) = pair(public());
    let posts = posts(render(&opened, &channel("slack:env:HOOK"), &public()));
    let [post] = posts.as_slice() else { panic!("one post: {posts:?}") };
    assert!(post["text"].as_str().unwrap().contains("Lapsed &lt;buyers&gt; &amp; co"));
    let blocks = post["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "section" || block["type"] == "context"));
    let line = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(line.contains("<https://caravan.acme.example/canvas/win-back?step=sync|open the step>"), "{line}");
    assert!(!line.contains("<buyers>"), "{line}");
}

#[test]
fn slack_s_limits_are_kept_whatever_happens() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = (0..90)
        .map(|id| LaneSeen {
            queue: "<&>".repeat(500),
            connection: format!("c{id}"),
            ..held(id, "held-stopped", world.now)
        })
        .collect();
    world.run(Duration::MINUTE);
    let sent = world.take();
    assert!(sent[0].notes[0].starts_with("and 70 more"), "{:?}", sent[0].notes);
    let post = posts(render(&sent[0], &channel("slack:env:HOOK"), &world.policy)).remove(0);
    let blocks = post["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let longest =
        blocks.iter().filter_map(|block| block["text"]["text"].as_str()).map(|text| text.chars().count()).max();
    assert!(longest.unwrap() <= 3_000);
}

#[test]
fn pagerduty_s_trigger_and_resolve_share_their_key() {
    let (opened, mended) = pair(public());
    let channel = channel("pagerduty:env:KEY");
    let (trigger, resolve) = (posts(render(&opened, &channel, &public())), posts(render(&mended, &channel, &public())));
    let ([trigger], [resolve]) = (trigger.as_slice(), resolve.as_slice()) else { panic!("{trigger:?} {resolve:?}") };
    assert_eq!((&trigger["event_action"], &resolve["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
    assert_eq!(trigger["dedup_key"], "caravan/ops/queue-held/acme-meta/critical");
    let payload = &trigger["payload"];
    assert_eq!(
        (&payload["severity"], &payload["class"], &payload["group"], &payload["source"]),
        (&json!("critical"), &json!("queue-held"), &json!("acme-meta"), &json!("caravan"))
    );
    assert_eq!(payload["component"], "Lapsed <buyers> & co");
    assert!(payload["summary"].as_str().unwrap().contains("held-unauthorized"));
    assert_eq!(trigger["links"][0]["href"], "https://caravan.acme.example/canvas/win-back?step=sync");
    assert!(trigger.get("routing_key").is_none(), "the messenger adds it");
}

#[test]
fn an_incident_is_resolved_with_its_last_alert_only() {
    let mut world = World::new(vec![everything()]);
    world.seen.lanes = vec![held(1, "held-terms", world.now), held(2, "held-terms", world.now)];
    world.run(Duration::MINUTE);
    world.seen.lanes.pop();
    world.run(Duration::MINUTE);
    world.seen.lanes.pop();
    world.run(Duration::MINUTE);
    let actions: Vec<Value> = world
        .take()
        .iter()
        .flat_map(|notice| posts(render(notice, &channel("pagerduty:env:KEY"), &world.policy)))
        .map(|event| event["event_action"].clone())
        .collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve"]);
}

#[test]
fn a_webhook_gets_everything_in_our_words() {
    let (opened, mended) = pair(public());
    let post = posts(render(&opened, &channel("https://hooks.acme.example/x"), &public())).remove(0);
    assert_eq!((&post["format"], &post["id"], &post["recovery"]), (&json!(1), &json!(opened.id), &json!(false)));
    assert_eq!((&post["severity"], &post["lines"][0]["kind"]), (&json!("critical"), &json!("queue-held")));
    assert_eq!(
        (&post["lines"][0]["change"], &post["lines"][0]["code"]),
        (&json!("opened"), &json!("held-unauthorized"))
    );
    let post = posts(render(&mended, &channel("https://hooks.acme.example/x"), &public())).remove(0);
    assert_eq!((&post["recovery"], &post["lines"][0]["change"]), (&json!(true), &json!("mended")));
}

#[test]
fn every_kind_has_words_a_cure_and_a_line_for_many() {
    let mut world = World::new(vec![everything()]);
    let (now, connection) = (world.now, |n: i64| format!("c{}", n % 2));
    let at = place("win-back", "sync");
    for n in 0..10 {
        let oldest = Some(now.before(Duration::HOUR));
        let queue = format!("audience {n}");
        world.seen.lanes.push(LaneSeen { oldest, connection: connection(n), ..held(n, "held-terms", now) });
        world.seen.tokens.push(TokenSeen { connection: format!("t{n}"), places: vec![], ends: now });
        let counts = vec![
            (caravan_model::Status::Rejected, "partner:1".to_owned(), 100),
            (caravan_model::Status::Skipped, "no-identifier".to_owned(), 100),
        ];
        let step = StepId::new(format!("s{n}")).unwrap();
        world.seen.steps.push(StepSeen { canvas: at.canvas.clone(), step, connection: Some(connection(n)), counts });
        let (endpoint, places) = (format!("e{n}"), vec![at.clone()]);
        world.seen.endpoints.push(EndpointSeen { endpoint, places, since: now, rests: 2 });
        let connector = format!("k{n}");
        world.seen.traps.push(TrapSeen { connector, connection: connection(n), places: vec![], times: 2, last: now });
        let (code, places) = ("held-audience-too-small".to_owned(), vec![at.clone()]);
        let lane = LaneId(n);
        world.seen.owed_refused.push(OwedSeen {
            lane,
            queue,
            connection: connection(n),
            places,
            code,
            count: 2,
            since: now,
        });
    }
    // There is one store.
    world.seen.space = Some(caravan_store::Space { bytes: 1, free: Some(1) });
    let few = |seen: &Observation| Observation {
        lanes: seen.lanes[..1].to_vec(),
        steps: seen.steps[..1].to_vec(),
        traps: seen.traps[..1].to_vec(),
        tokens: seen.tokens[..1].to_vec(),
        owed_refused: seen.owed_refused[..1].to_vec(),
        endpoints: seen.endpoints[..1].to_vec(),
        space: seen.space,
        counting_since: Millis(0),
    };
    let mut one = few(&world.seen);
    one.traps[0].last = now.after(Duration::MINUTE.times(24));
    for seen in [world.seen.clone(), Observation::default(), one, Observation::default()] {
        world.seen = seen;
        world.run(Duration::MINUTE.times(12));
    }
    let sent = world.take();
    let kinds = |notice: &Notice| notice.lines.iter().map(|line| line.kind).collect::<BTreeSet<_>>().len();
    assert_eq!(sent.iter().map(kinds).collect::<Vec<_>>(), [9, 9, 9, 9]);
    for line in sent.iter().flat_map(|notice| &notice.lines) {
        assert_eq!(line.cure.is_some(), line.change != Change::Mended, "{line:?}");
        assert!(!line.words.is_empty() && line.command.starts_with("caravan "), "{line:?}");
    }
    let many = |line: &crate::alerts::Line| line.alerts > 3 || line.kind == caravan_model::AlertKind::DiskFull;
    assert!(sent[0].lines.iter().all(many) && sent[2].lines.iter().all(|line| line.alerts == 1));
}
