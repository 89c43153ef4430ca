//! Webhook steps: their bodies, their endpoints, and what a canvas with them looks like to validation.
use super::bad_input::{CONNECTIONS, SOUND, problems_of};
use caravan_journey::document::{connections_schema, read_canvas, read_connections, read_policy};
use caravan_journey::plan::{CompiledCanvas, Target};
use caravan_journey::validate::{Facts, validate};
use caravan_journey::walk::Rest;
use caravan_journey::webhook::{Body, LARGEST_BODY, idempotency_key};
use caravan_journey::{Person, Scene};
use caravan_model::webhook::{Header, Method};
use caravan_model::{
    CanvasId, Code, Duration, EntryId, Event, Millis, Problem, Profile, Reason, Status, StepIx, VisitId,
};
use serde_json::{Value, json};

fn ann() -> Profile {
    let mut ann = Profile {
        external_id: "c-1".into(),
        emails: vec!["ann@example.com".into(), "second@example.com".into()],
        first_name: Some("Ann".into()),
        ad_tracking_enabled: Some(false),
        ..Profile::default()
    };
    let Value::Object(attributes) = json!({
        "age": 41, "plan": { "tier": "gold", "seats": 3.5, "old": null }, "tags": ["a", "b"], "vip": true, "nothing": null,
        "first_name": "attribute", "quote": "say \"hi\" \u{7}\n{{ email }}",
    }) else {
        panic!("attributes are a map")
    };
    ann.attributes = attributes;
    ann
}

fn body(written: Value) -> Body {
    Body::new(written.as_object().unwrap()).unwrap_or_else(|flaws| panic!("{flaws:?}"))
}

fn render(written: Value, person: &Profile) -> Result<Value, Reason> {
    body(written).render(&Person { profile: person, events: &[] }).map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn a_leaf_that_is_one_expression_keeps_its_type_and_others_are_text() {
    let rendered = render(
        json!({
            "age": "{{ age }}", "tight": "{{age}}", "spaced": "  {{- age -}} ", "tier": "{{ plan.tier }}", "plan": "{{ attributes.plan }}",
            "seats": "{{ plan.seats }}", "tags": "{{ tags }}", "vip": "{{ vip }}", "tracking": "{{ ad_tracking_enabled }}",
            "emails": "{{ emails }}", "next year": "{{ age + 1 }}", "sentence": "{{ first_name }} is {{ age }}",
            "two": "{{ age }}{{ age }}", "attribute": "{{ attributes.first_name }}", "loud": "{{ email | upper }}",
            "fallback": "{{ city | default('nowhere') }}", "empty": "{{ city | default(none) }}", "id": "{{ external_id }}",
            "listed": "{% for tag in tags %}<{{ tag }}>{% endfor %}", "when": "{% if city is defined %}x{% else %}y{% endif %}",
            "fixed": [1, true, null, { "plain": "no template", "below": "{{ age }}" }], "{{ age }}": "keys are no templates",
        }),
        &ann(),
    );
    assert_eq!(
        rendered.unwrap(),
        json!({
            "age": 41, "tight": 41, "spaced": 41, "tier": "gold", "plan": { "tier": "gold", "seats": 3.5 }, "seats": 3.5,
            "tags": ["a", "b"], "vip": true, "tracking": false, "emails": ["ann@example.com", "second@example.com"],
            "next year": 42, "sentence": "Ann is 41", "two": "4141", "attribute": "attribute", "loud": "ANN@EXAMPLE.COM",
            "fallback": "nowhere", "empty": null, "id": "c-1", "listed": "<a><b>", "when": "y",
            "fixed": [1, true, null, { "plain": "no template", "below": 41 }], "{{ age }}": "keys are no templates",
        })
    );
}

#[test]
fn a_persons_values_are_data_and_never_templates() {
    let rendered = render(json!({ "whole": "{{ quote }}", "part": "<{{ quote }}>" }), &ann()).unwrap();
    let quote = "say \"hi\" \u{7}\n{{ email }}";
    assert_eq!(rendered, json!({ "whole": quote, "part": format!("<{quote}>") }));
}

#[test]
fn a_missing_value_fails_with_its_name_and_never_with_a_value() {
    for (template, name) in [
        ("{{ city }}", "city"),
        ("{{ nothing }}", "nothing"),
        ("{{ plan.old }}", "plan.old"),
        ("Hi {{ first_name }} of {{ city }}", "city"),
        ("{{ attributes.plan.size }}", "attributes.plan.size"),
        ("{{ plan.deep.er }}", "plan.deep.er"),
        ("{{ city | upper }}", "city"),
        ("{% if city %}x{% endif %}", "city"),
        ("{{ phone }}", "phone"),
    ] {
        let reason = render(json!({ "to": ["x", template] }), &ann()).unwrap_err();
        assert_eq!(reason.code, "template-missing", "{template}: {reason:?}");
        assert_eq!(reason.words, format!("body.to[1]: `{name}` is not known of the person"), "{template}");
    }
}

#[test]
fn what_cannot_be_made_of_a_value_fails_without_repeating_it() {
    for template in ["{{ email | int }}", "{{ email + 1 }}", "{% for x in age %}{% endfor %}"] {
        let reason = render(json!({ "to": template }), &ann()).unwrap_err();
        assert_eq!(reason.code, "template-failed", "{template}: {reason:?}");
        assert!(reason.words.starts_with("body.to: "), "{reason:?}");
        assert!(!reason.words.contains("example.com") && !reason.words.contains("Ann"), "{reason:?}");
    }
}

#[test]
fn a_body_is_bounded_in_size_and_in_work() {
    let much = json!({ "to": "{% for i in range(90000) %}{{ email }}{% endfor %}" });
    assert_eq!(render(much, &ann()).unwrap_err().code, "template-failed");
    let mut large = ann();
    large.attributes.insert("text".into(), "x".repeat(LARGEST_BODY).into());
    let reason = render(json!({ "to": "{{ text }}" }), &large).unwrap_err();
    assert_eq!(
        (reason.code.as_str(), reason.words.as_str()),
        ("template-failed", "the body would be larger than 64 kB")
    );
}

#[test]
fn the_key_of_a_visit_is_the_same_for_ever_and_no_other_visits() {
    let canvas = CanvasId::new("win-back").unwrap();
    let visit = |entry, ordinal| VisitId { entry: EntryId(entry), ordinal };
    let key = idempotency_key(&canvas, visit(7, 2), Millis(1_000));
    assert_eq!(key, idempotency_key(&canvas, visit(7, 2), Millis(1_000)));
    assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    let others = [(visit(72, 0), 1_000), (visit(7, 3), 1_000), (visit(8, 2), 1_000), (visit(7, 2), 1_001)];
    for (visit, began) in others {
        assert_ne!(key, idempotency_key(&canvas, visit, Millis(began)), "{visit:?}");
    }
}

const MAIL: &str =
    "  mail: { webhook: { use: mailer, body: { to: \"{{ email }}\" } }, next: exit, otherwise: pause }\n";
const ENDPOINTS: &str = "\
webhooks:
  mailer:
    url: https://mailer.acme.example/send
    headers: { Authorization: { secret: { env: MAILER_TOKEN }, prefix: \"Bearer \" }, X-Workspace: acme }
    timeout: 5s
";

fn with_mail(step: &str) -> String {
    format!(
        "{}{step}",
        SOUND.replacen("match: [email, phone] }\n    next: exit", "match: [email, phone] }\n    next: mail", 1)
    )
}

fn checked(step: &str) -> Vec<Problem> {
    let connections = read_connections("c.yaml", &format!("{CONNECTIONS}{ENDPOINTS}")).unwrap().value;
    let canvas = read_canvas("canvas.yaml", &with_mail(step)).unwrap();
    validate(&canvas, &Facts { connections: Some(&connections), ..Facts::default() })
}

#[test]
fn people_rest_at_a_webhook_and_go_on_by_its_outcome() {
    assert_eq!(checked(MAIL), []);
    let plan = CompiledCanvas::new(&read_canvas("f", &with_mail(MAIL)).unwrap().value).unwrap();
    let mail = StepIx(3);
    let ann = ann();
    let walk = plan.walk(Target::Step(mail), &Person { profile: &ann, events: &[] }, &Scene::at(Millis(5))).unwrap();
    assert_eq!((walk.moves.len(), walk.rest), (0, Rest::Webhook { step: mail }));
    assert_eq!(plan.after_sync(mail, Status::Passed), Target::Exit);
    assert_eq!(plan.after_sync(mail, Status::Failed), Target::Step(StepIx(0)));
    let plain = MAIL.replace(", otherwise: pause", "");
    let plan = CompiledCanvas::new(&read_canvas("f", &with_mail(&plain)).unwrap().value).unwrap();
    assert_eq!(plan.after_sync(mail, Status::Failed), Target::Exit, "without `otherwise`: `next`");
}

#[test]
fn cv031_an_unknown_endpoint_is_named_with_the_nearest_one() {
    let problems = checked(&MAIL.replace("use: mailer", "use: mialer"));
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!((problem.code, problem.path.as_deref()), (Code::UnknownEndpoint, Some("steps.mail.webhook.use")));
    assert_eq!(problem.line, Some(17));
    assert!(problem.cure.as_deref().unwrap_or_default().contains("did you mean `mailer`"), "{problem}");
    let canvas = read_canvas("canvas.yaml", &with_mail(MAIL)).unwrap();
    let connections = read_connections("c.yaml", CONNECTIONS).unwrap().value;
    let problems = validate(&canvas, &Facts { connections: Some(&connections), ..Facts::default() });
    assert!(problems[0].cure.as_deref().unwrap_or_default().contains("`webhooks:`"), "{problems:#?}");
}

#[test]
fn cv032_a_template_that_cannot_be_read_is_found_at_its_leaf() {
    for (template, path, words) in [
        ("\"{{ email }\"", "body.to", ""),
        ("\"{{ email | uper }}\"", "body.to", "uper"),
        ("\"Hi {{ first_name() }}\"", "body.to", "first_name"),
        ("{ deep: [ x, \"{% if %}\" ] }", "body.to.deep[1]", ""),
        ("\"{% include 'x' %}\"", "body.to", ""),
    ] {
        let problems = checked(&MAIL.replace("\"{{ email }}\"", template));
        let [problem] = problems.as_slice() else { panic!("{template}: {problems:#?}") };
        assert_eq!((problem.code, problem.line), (Code::BadTemplate, Some(17)), "{problem}");
        assert_eq!(problem.path.as_deref(), Some(format!("steps.mail.webhook.{path}").as_str()), "{problem}");
        assert!(problem.message.contains(words), "{problem}");
    }
}

#[test]
fn a_loop_through_a_webhook_alone_never_waits_and_is_refused() {
    let problems = problems_of(&with_mail(&MAIL.replace("next: exit", "next: mail")));
    assert!(problems.iter().any(|problem| problem.code == Code::LoopWithoutDelay), "{problems:#?}");
}

#[test]
fn labels_that_policy_denies_to_webhooks_keep_fields_out_of_bodies() {
    let policy = read_policy(
        "p.yaml",
        "format: 1\nlabels:\n  fields: { attributes.health: [sensitive], email: [contact], events.Diagnosed.what: [sensitive] }\n  deny:\n\
         \x20   - { name: Nothing sensitive leaves, labels: [sensitive], action: webhook }\n\
         \x20   - { name: No ads by mail, labels: [contact], action: telephone }\n",
    )
    .unwrap()
    .value;
    let denied = |template: &str| {
        let canvas = read_canvas("canvas.yaml", &with_mail(&MAIL.replace("{{ email }}", template))).unwrap();
        validate(&canvas, &Facts { policy: Some(&policy), ..Facts::default() })
    };
    assert_eq!(denied("{{ email }} {{ events.Lapsed.total }}"), []);
    for template in [
        "{{ health.condition }}",
        "{{ attributes.health }}",
        "{{ attributes }}",
        "{% if health %}x{% endif %}",
        "{{ events.Diagnosed.when }}",
        "{{ events['Diagnosed'] }}",
    ] {
        let problems = denied(template);
        let [problem] = problems.as_slice() else { panic!("{template}: {problems:#?}") };
        assert_eq!((problem.code, problem.path.as_deref()), (Code::DeniedUse, Some("steps.mail.webhook.body.to")));
        assert!(problem.message.contains("denies for webhook"), "{problem}");
    }
}

#[test]
fn endpoints_are_read_beside_connections() {
    let read = read_connections("c.yaml", &format!("{CONNECTIONS}{ENDPOINTS}")).unwrap().value;
    let mailer = &read.webhooks["mailer"];
    assert_eq!((mailer.method, mailer.timeout, mailer.headers.len()), (Method::Post, Duration::SECOND.times(5), 2));
    assert!(matches!(&mailer.headers["X-Workspace"], Header::Text(text) if text == "acme"));
    assert!(matches!(&mailer.headers["Authorization"], Header::Kept(kept) if kept.prefix == "Bearer "));
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(read_connections("c.json", &json).unwrap().value, read, "JSON is the same document");
    assert!(connections_schema()["$defs"]["Endpoint"]["properties"]["headers"].is_object());
}

#[test]
fn an_endpoint_that_cannot_work_or_holds_a_secret_is_refused_without_repeating_it() {
    for (old, new, code, path) in [
        ("https://mailer", "http://mailer", Code::BadValue, "webhooks.mailer.url"),
        ("/send", "/send?key=hunter2", Code::BadValue, "webhooks.mailer.url"),
        ("timeout: 5s", "timeout: 5m", Code::BadConnection, "webhooks.mailer.timeout"),
        ("timeout: 5s", "token: hunter2", Code::BadConnection, "webhooks.mailer.token"),
        ("timeout: 5s", "method: GET", Code::BadValue, "webhooks.mailer.method"),
        ("timeout: 5s", "retry: 3", Code::UnknownField, "webhooks.mailer.retry"),
        ("{ env: MAILER_TOKEN }", "hunter2", Code::BadConnection, "webhooks.mailer.headers.Authorization.secret"),
        (
            "{ env: MAILER_TOKEN }",
            "{ value: hunter2 }",
            Code::BadConnection,
            "webhooks.mailer.headers.Authorization.secret",
        ),
        ("X-Workspace: acme", "X-Api-Key: hunter2", Code::BadConnection, "webhooks.mailer.headers.X-Api-Key"),
        ("X-Workspace: acme", "Host: hunter2", Code::BadConnection, "webhooks.mailer.headers.Host"),
        ("X-Workspace: acme", "\"X Y\": hunter2", Code::BadConnection, "webhooks.mailer.headers.X Y"),
        ("X-Workspace: acme", "X-A: \"hunter2\\r\\nX-B: 1\"", Code::BadConnection, "webhooks.mailer.headers.X-A"),
        (
            "prefix: \"Bearer \"",
            "prefix: \"hunter2\\n\"",
            Code::BadConnection,
            "webhooks.mailer.headers.Authorization.prefix",
        ),
    ] {
        assert!(ENDPOINTS.contains(old), "{old}");
        let text = format!("{CONNECTIONS}{}", ENDPOINTS.replacen(old, new, 1));
        let problem = read_connections("c.yaml", &text).expect_err(new);
        assert_eq!((problem.code, problem.path.as_deref()), (code, Some(path)), "{new}: {problem}");
        assert!(problem.line.is_some() && (problem.cure.is_some() || code == Code::BadValue), "{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

#[test]
fn the_newest_event_of_a_name_is_in_reach_and_one_that_never_came_is_missing() {
    let body = body(json!({
        "total": "{{ events['Order Completed'].total }}", "plan": "{{ events.Lapsed.plan }}",
        "own": "{{ attributes.events | default('none') }}", "maybe": "{{ events.Opened.n | default(0) }}",
    }));
    let names: Vec<&str> = body.events().iter().map(String::as_str).collect();
    assert_eq!(names, ["Lapsed", "Opened", "Order Completed"]);
    let event = |name: &str, at: i64, properties: Value| {
        let Value::Object(properties) = properties else { panic!("properties are a map") };
        Event { name: name.to_owned(), at: Millis(at), properties }
    };
    let mut events = vec![
        event("Order Completed", 5, json!({"total": 50})),
        event("Order Completed", 3, json!({"total": 30})),
        event("Lapsed", 1, json!({"plan": "pro"})),
    ];
    let ann = ann();
    let rendered = body.render(&Person { profile: &ann, events: &events }).unwrap_err();
    assert_eq!(rendered.code, "template-missing", "strict below an event that never came: {rendered:?}");
    events.push(event("Opened", 1, json!({})));
    let rendered: Value =
        serde_json::from_str(&body.render(&Person { profile: &ann, events: &events }).unwrap()).unwrap();
    assert_eq!(rendered, json!({"total": 50, "plan": "pro", "own": "none", "maybe": 0}));
    let flaws = Body::new(json!({"x": "{{ events[city].total }}"}).as_object().unwrap()).unwrap_err();
    assert!(flaws[0].words.contains("name the event"), "{flaws:?}");
}
