//! The workspace's policy and a step's own demand: reading them, and labels that deny a use (11.15).
use super::bad_input::{CONNECTIONS, SOUND, manifest, problems_of};
use caravan_journey::document::{Document, format_canvas, policy_schema, read_canvas, read_connections, read_policy};
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::policy::{check, name_of_attr};
use caravan_journey::validate::{Facts, validate};
use caravan_model::{Code, Policy, Problem, StepIx};

const POLICY: &str = "\
format: 1
consent: { demand: [advertising] }
tracking: { demand: true }
labels:
  fields:
    phone: [contact, direct]
    attributes.health: [sensitive]
    events.visit.reason: [sensitive]
    segments.debtors: [financial]
    lists.debtors: [financial]
  deny:
    - { name: No calls, labels: [direct], action: telephone }
    - { name: No health in ads, labels: [sensitive, financial], action: advertising }
";

fn policy(text: &str) -> Document<Policy> {
    let document = read_policy("policy.yaml", text).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(check(&document), [], "{text}");
    document
}

/// What the policy denies in the sound canvas with `old` replaced by `new`.
fn denied(text: &str, old: &str, new: &str) -> Vec<Problem> {
    assert!(SOUND.contains(old), "{old}");
    let connections = read_connections("connections.yaml", CONNECTIONS).unwrap().value;
    let (manifest, policy) = (manifest(), policy(text).value);
    let look_up = |name: &str| (name == "acme").then_some(&manifest);
    let facts =
        Facts { connections: Some(&connections), manifest: Some(&look_up), policy: Some(&policy), groups: None };
    let canvas = read_canvas("canvas.yaml", &SOUND.replacen(old, new, 1)).unwrap();
    let problems = validate(&canvas, &facts);
    problems.into_iter().filter(|problem| problem.code == Code::DeniedUse).collect()
}

/// The one use that is denied: its line, its path, and words of the message.
#[track_caller]
fn denies(text: &str, old: &str, new: &str, line: u32, path: &str, words: &[&str]) {
    let problems = denied(text, old, new);
    let [problem] = problems.as_slice() else { panic!("{new}: {problems:#?}") };
    assert_eq!((problem.line, problem.path.as_deref()), (Some(line), Some(path)), "{problem}");
    for word in words {
        assert!(problem.message.contains(word), "{word}: {problem}");
    }
    assert!(problem.cure.is_some() && problem.file.as_deref() == Some("canvas.yaml"), "{problem}");
}

#[test]
fn a_policy_is_read_with_all_that_it_demands_and_denies() {
    let read = policy(POLICY).value;
    assert!(read.demands_consent("advertising") && !read.demands_consent("email") && read.tracking.demand);
    assert_eq!(read.labels.fields["phone"], ["contact", "direct"]);
    assert_eq!(read.labels.deny[1].name, "No health in ads");
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(read_policy("policy.json", &json).unwrap().value, read, "JSON is the same document");
    assert_eq!(policy("format: 1").value, Policy::default(), "an empty policy demands and denies nothing");
    assert_eq!(policy_schema()["additionalProperties"], false);
}

#[test]
fn a_mistake_in_a_policy_has_code_line_path_and_cure() {
    for (old, new, code, line, path, cure) in [
        ("tracking:", "traking:", Code::UnknownField, 3, "traking", "did you mean `tracking`"),
        ("demand: true", "demand: often", Code::BadValue, 3, "tracking.demand", "`true` or `false`"),
        ("format: 1", "format: 2", Code::BadValue, 1, "format", "write `format: 1`"),
        ("action: telephone", "what: telephone", Code::UnknownField, 12, "labels.deny[0].what", "action"),
        (", action: telephone", "", Code::BadValue, 12, "labels.deny[0].action", "add `action`"),
        ("phone: [", "phnoe: [", Code::BadValue, 6, "labels.fields.phnoe", "did you mean `phone`"),
        (
            "phone: [contact, direct]",
            "phone: [contact, direct, \"\"]",
            Code::BadValue,
            6,
            "labels.fields.phone",
            "[sensitive]",
        ),
        ("segments.debtors", "segments.", Code::BadValue, 9, "labels.fields.segments.", "segments.NAME"),
        (
            "labels: [direct]",
            "labels: [dierct]",
            Code::BadValue,
            12,
            "labels.deny[0].labels[0]",
            "did you mean `direct`",
        ),
        ("labels: [direct]", "labels: []", Code::BadValue, 12, "labels.deny[0].labels", "at least one label"),
        ("No health in ads", "No calls", Code::BadValue, 13, "labels.deny[1].name", "rename one"),
        ("No calls", "\"\"", Code::BadValue, 12, "labels.deny[0].name", "write one"),
        ("action: telephone", "action: \" \"", Code::BadValue, 12, "labels.deny[0].action", "advertising"),
        ("[advertising]", "[\"\"]", Code::BadValue, 2, "consent.demand[0]", "advertising"),
    ] {
        assert!(POLICY.contains(old), "{old}");
        let problems = match read_policy("policy.yaml", &POLICY.replacen(old, new, 1)) {
            Ok(document) => check(&document),
            Err(problem) => vec![problem],
        };
        let [problem] = problems.as_slice() else { panic!("{new}: {problems:#?}") };
        assert_eq!((problem.code, problem.line), (code, Some(line)), "{new}: {problem}");
        assert_eq!(problem.path.as_deref(), Some(path), "{new}: {problem}");
        assert_eq!(problem.file.as_deref(), Some("policy.yaml"));
        assert!(problem.cure.as_deref().unwrap_or_default().contains(cure), "{problem}");
    }
}

#[test]
fn rule_11_15_labels_refuse_a_mapping_naming_field_and_policy() {
    let text = POLICY.replace("action: telephone", "action: advertising");
    let at = "steps.sync.audience_sync.match[1]";
    denies(&text, "plan:", "plan:", 15, at, &["`phone` is labelled `direct`", "`No calls`", "advertising"]);
    denies(&text, "[email, phone]", "[PHONE]", 15, "steps.sync.audience_sync.match[0]", &["`phone`", "`No calls`"]);
    assert_eq!(denied(&text, "[email, phone]", "[email]"), []);
}

#[test]
fn rule_11_15_a_denial_holds_for_the_purpose_of_the_step_and_advertising_is_always_one() {
    let purpose = |purpose: &str| format!("[email, phone], purpose: {purpose}");
    let at = "steps.sync.audience_sync.match[1]";
    denies(POLICY, "[email, phone]", &purpose("telephone"), 15, at, &["`No calls` denies for telephone"]);
    assert_eq!(denied(POLICY, "[email, phone]", &purpose("research")), []);
    let text = POLICY.replace("action: telephone", "action: advertising");
    denies(&text, "[email, phone]", &purpose("research"), 15, at, &["denies for advertising"]);
}

#[test]
fn rule_11_15_labels_refuse_whatever_a_canvas_looks_at_on_the_way_to_a_sync() {
    let health = &["`attributes.health` is labelled `sensitive`", "`No health in ads`"][..];
    let who = "{ attr: country, in: [FR] }";
    let all = |condition: &str| format!("{{ not: {{ any: [ {condition} ] }} }}");
    let inner = "entry.who.all[0].not.any[0]";
    let in_who = |field: &str| format!("{inner}.{field}");
    for attr in ["health", "health.condition", "attributes.health.condition.since"] {
        let condition = all(&format!("{{ attr: {attr}, exists: true }}"));
        denies(POLICY, who, &condition, 7, &in_who("attr"), health);
    }
    let visit = |rest: &str| all(&format!("{{ event: visit{rest} }}"));
    denies(POLICY, who, &visit(", where: { reason.code: { eq: 1 } }"), 7, &in_who("where.reason.code"), &["reason"]);
    assert_eq!(denied(POLICY, who, &visit("")), [], "that it happened says nothing of its reason");
    let labelled = POLICY.replace("events.visit.reason", "events.visit");
    denies(&labelled, who, &visit(""), 7, &in_who("event"), &["`events.visit` is labelled"]);
    denies(POLICY, who, &all("{ segment: debtors }"), 7, &in_who("segment"), &["`segments.debtors`", "`financial`"]);
    denies(POLICY, who, &all("{ list: debtors }"), 7, &in_who("list"), &["`lists.debtors`"]);
    let arm = "{ event: app_open, within: 7d }";
    denies(POLICY, arm, "{ attr: health, exists: true }", 12, "steps.active.branch[0].if.attr", health);
    let trigger = "{ event: e, where: { plan: { in: [pro] } } }";
    let reason = "{ event: visit, where: { reason: { eq: ill } } }";
    denies(POLICY, trigger, reason, 6, "entry.trigger.where.reason", &["`events.visit.reason`"]);
    denies(POLICY, trigger, "{ list: debtors }", 6, "entry.trigger.list", &["`lists.debtors`"]);
    denies(POLICY, trigger, "{ segment: debtors, existing: enter }", 6, "entry.trigger.segment", &["debtors"]);
    let exit = format!("exit: [ {reason}, {{ segment: debtors }} ]\nsteps:");
    let found = denied(POLICY, "steps:", &exit);
    let paths: Vec<&str> = found.iter().filter_map(|problem| problem.path.as_deref()).collect();
    assert_eq!(paths, ["exit[0].where.reason", "exit[1].segment"]);
    let wait = "{ wait_for: { segment: debtors, timeout: 1d }, next: active }";
    let pause = "{ delay: { for: 2d }, next: active }";
    denies(POLICY, pause, wait, 10, "steps.pause.wait_for.segment", &["`segments.debtors`"]);
    let wait = "{ wait_for: { event: visit, timeout: 1d }, next: active }";
    denies(&labelled, pause, wait, 10, "steps.pause.wait_for.event", &["`events.visit`"]);
}

#[test]
fn rule_11_15_a_value_that_holds_something_labelled_is_refused_as_a_whole() {
    let text = POLICY.replace("attributes.health:", "attributes.health.condition:");
    let who = "{ attr: country, in: [FR] }";
    let words = ["`attributes.health` is used here", "`attributes.health.condition` is labelled"];
    denies(&text, who, "{ attr: health, exists: true }", 7, "entry.who.all[0].attr", &words);
    assert_eq!(denied(&text, who, "{ attr: health.insured, eq: true }"), []);
    assert_eq!(denied(&text, who, "{ attr: healthy, eq: true }"), [], "a name that only begins alike");
}

#[test]
fn a_canvas_without_a_sync_uses_nothing_for_advertising() {
    let text = "format: 1\ncanvas: c\nentry: { trigger: { list: debtors }, start: pause }\n\
                steps:\n  pause: { delay: { for: 2d }, next: exit }\n";
    let canvas = read_canvas("canvas.yaml", text).unwrap();
    let policy = policy(POLICY).value;
    let denied = caravan_journey::validate::denied_uses(&canvas, None, &|_| None, &policy);
    assert_eq!(denied, []);
}

#[test]
fn attributes_have_one_name_however_a_filter_writes_them() {
    assert_eq!(name_of_attr("emails"), "email");
    assert_eq!(name_of_attr("country"), "country");
    assert_eq!(name_of_attr("attributes.country"), "attributes.country");
    assert_eq!(name_of_attr("plan.tier"), "attributes.plan.tier");
}

#[test]
fn a_step_may_demand_a_granted_consent_whatever_the_policy_says() {
    let text = SOUND.replacen("[email, phone]", "[email, phone], consent: required", 1);
    assert_eq!(problems_of(&text), []);
    let canvas = read_canvas("canvas.yaml", &text).unwrap().value;
    let required = |canvas| CompiledCanvas::new(canvas).unwrap().sync(StepIx(2)).unwrap().consent_required;
    assert!(required(&canvas));
    let canonical = format_canvas(&canvas).unwrap();
    assert!(canonical.contains("consent: required"), "{canonical}");
    assert_eq!(read_canvas("", &canonical).unwrap().value, canvas);
    let plain = read_canvas("canvas.yaml", &text.replacen("required", "as_policy", 1)).unwrap().value;
    assert!(!required(&plain) && !format_canvas(&plain).unwrap().contains("as_policy"), "the default is not written");
    let wrong = problems_of(&text.replacen("required", "granted", 1));
    let [problem] = wrong.as_slice() else { panic!("{wrong:#?}") };
    assert_eq!((problem.code, problem.line), (Code::BadValue, Some(15)), "{problem}");
    assert_eq!(problem.path.as_deref(), Some("steps.sync.audience_sync.consent"));
    assert!(problem.cure.as_deref().unwrap_or_default().contains("as_policy, required"), "{problem}");
}

#[test]
fn a_removal_has_no_use_for_a_demand_of_consent() {
    let text =
        SOUND.replacen("action: add, match: [email, phone]", "action: remove, match: [email], consent: required", 1);
    let found = problems_of(&text);
    let paths: Vec<_> = found.iter().map(|problem| (problem.code, problem.path.as_deref().unwrap_or(""))).collect();
    assert!(paths.contains(&(Code::UnknownField, "steps.sync.audience_sync.consent")), "{found:#?}");
}

#[test]
fn a_partner_without_a_slot_is_refused_where_the_policy_says_who_is_entitled() {
    let of = |entitlements: &str| format!("format: 1\nentitlements: {entitlements}\n");
    let problems = |text: &str| {
        let connections = read_connections("connections.yaml", CONNECTIONS).unwrap().value;
        let (manifest, policy) = (manifest(), policy(text).value);
        let look_up = |name: &str| (name == "acme").then_some(&manifest);
        let facts =
            Facts { connections: Some(&connections), manifest: Some(&look_up), policy: Some(&policy), groups: None };
        let canvas = read_canvas("canvas.yaml", SOUND).unwrap();
        validate(&canvas, &facts).into_iter().filter(|problem| problem.code == Code::NotEntitled).collect::<Vec<_>>()
    };
    let name = manifest().name;
    assert_eq!(problems("format: 1\n"), [], "without entitlements all partners may be used");
    assert_eq!(problems(&of(&format!("{{ free: [{name}] }}"))), []);
    assert_eq!(problems(&of(&format!("{{ free: [], purchases: 1, slots: [a, b, {name}] }}"))), []);
    let refused = problems(&of("{ free: [other], purchases: 1, slots: [a, b, c] }"));
    assert!(!refused.is_empty() && refused.iter().all(|problem| problem.message.contains("no slot")), "{refused:#?}");
    assert!(refused[0].path.as_deref().is_some_and(|path| path.ends_with(".connection")), "{refused:#?}");
}

#[test]
fn slots_are_three_for_each_purchase_and_none_is_given_twice() {
    let said = |entitlements: &str| {
        let text = format!("format: 1\nentitlements: {entitlements}\n");
        check(&read_policy("policy.yaml", &text).unwrap())
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(said("{ purchases: 2, slots: [a, b, c, d, e, f] }"), Vec::<String>::new());
    assert!(said("{ purchases: 1, slots: [a, b, c, d] }")[0].contains("3 were bought"));
    assert!(said("{ purchases: 1, slots: [a, a] }")[0].contains("already"));
    assert!(said("{ purchases: 1, slots: [meta] }")[0].contains("is free"));
}
