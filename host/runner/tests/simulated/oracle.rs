//! What must be true once a walk is over, worked out from what the statuses claim, the people, and what the partner
//! holds; not from how the host came there.
use crate::walk::{PEOPLE, REFUSED, THERE, Walk, fresh, phone};
use caravan_journey::plan::{CompiledCanvas, StepKind};
use caravan_model::{Action, Millis, Profile, Status, StepIx, VersionId};
use caravan_store::{Standing, Store, Trace, TraceVisit};
use std::collections::{BTreeMap, BTreeSet};

/// A step that syncs: its audience, action and match words.
struct Asked {
    audience: &'static str,
    action: Action,
    words: Vec<String>,
    exits: bool,
}

type Steps = BTreeMap<(VersionId, StepIx), Asked>;

pub async fn check(walk: &Walk) {
    walk.world.balanced().await;
    let steps = steps_of(walk).await;
    for n in 0..PEOPLE {
        let Some(trace) = walk.world.trace(&format!("p{n}")).await else { continue };
        for audience in ["new-1", "theirs"] {
            check_person(walk, &steps, n, &trace, audience);
        }
    }
    let strangers = walk.world.partner.members("theirs").into_iter().filter(|row| row.contains("stranger")).count();
    assert_eq!(strangers, 1, "seed {}: people whom others added were touched", walk.world.seed);
}

async fn steps_of(walk: &Walk) -> Steps {
    let mut steps = Steps::new();
    for version in walk.world.store().versions().await.unwrap() {
        let route = walk.routes.iter().find(|route| route.version == version.id).unwrap();
        let plan = CompiledCanvas::new(&version.canvas).unwrap();
        for (at, step) in plan.steps.iter().enumerate() {
            let StepKind::Sync(sync) = &step.kind else { continue };
            let asked = Asked {
                audience: if route.foreign { "theirs" } else { "new-1" },
                action: sync.action,
                words: sync.match_on.to_vec(),
                exits: route.exits,
            };
            steps.insert((version.id, StepIx(u16::try_from(at).unwrap())), asked);
        }
    }
    steps
}

fn check_person(walk: &Walk, steps: &Steps, n: u32, trace: &Trace, audience: &str) {
    let seed = walk.world.seed;
    let of = |visit: &&TraceVisit| steps.get(&(visit.version, visit.step)).filter(|asked| asked.audience == audience);
    let asked: Vec<(&TraceVisit, &Asked)> =
        trace.visits.iter().filter_map(|visit| of(&visit).map(|asked| (visit, asked))).collect();
    let special = n >= REFUSED || walk.poison.contains(&n);
    for (visit, step) in &asked {
        let fine = match visit.status {
            Status::Synced | Status::Unchanged => true,
            Status::Skipped if visit.reason.code == "consent-denied" => walk.denied.contains(&n),
            Status::Skipped => visit.reason.code == "superseded",
            Status::Exited => step.exits && walk.bought.contains(&n),
            _ => special && visit.status == Status::Rejected,
        };
        assert!(fine, "seed {seed}: p{n} at {audience}: {visit:?}");
    }
    let held = rows_at(walk, n, audience);
    let member = trace.memberships.iter().find(|(key, _)| key.audience == audience).map(|(_, known)| known);
    if special {
        let foreign = if audience == "theirs" { n < THERE } else { false };
        assert!(held.is_empty() || foreign, "seed {seed}: p{n} cannot be there: {held:?}");
        return;
    }
    if walk.denied.contains(&n) {
        // Who was found there before us, and never added by us, is not ours to remove.
        let theirs = audience == "theirs" && n < THERE && held == rows_of(walk, &fresh(n), &["email".to_owned()]);
        assert!(
            held.is_empty() || theirs,
            "seed {seed}: p{n} at {audience} withdrew consent: {held:?}: {asked:?}",
            asked = trace.visits
        );
        let standing = member.map(|known| known.standing);
        assert!(
            !matches!(standing, Some(Standing::In | Standing::Maybe)),
            "seed {seed}: p{n} at {audience}: {standing:?}"
        );
        return;
    }
    // Operations end in the order of their lane; those that end together share an action.
    let effective = || asked.iter().filter(|(visit, _)| matches!(visit.status, Status::Synced | Status::Unchanged));
    let newest: Option<Millis> = effective().map(|(visit, _)| visit.at).max();
    let last: Vec<&Asked> =
        effective().filter(|(visit, _)| Some(visit.at) == newest).map(|(_, asked)| *asked).collect();
    // Whoever only had an event is not known by more than a name.
    let person = &walk.known.get(&n).cloned().unwrap_or_else(|| fresh(n));
    let possible: Vec<BTreeSet<String>> = match last.as_slice() {
        [] if audience == "theirs" && n < THERE => vec![rows_of(walk, person, &["email".to_owned()])],
        [] => vec![BTreeSet::new()],
        last => last.iter().map(|asked| wanted(walk, person, asked)).collect(),
    };
    assert!(
        possible.contains(&held),
        "seed {seed}: p{n} at {audience}: {held:?}, not one of {possible:?}: {asked:?}",
        asked = trace.visits
    );
    let standing = member.map(|known| known.standing);
    match last.first().map(|asked| asked.action) {
        Some(Action::Add) => assert_eq!(standing, Some(Standing::In), "seed {seed}: p{n} at {audience}"),
        Some(Action::Remove) => {
            assert!(matches!(standing, None | Some(Standing::Out)), "seed {seed}: p{n} at {audience}: {standing:?}");
        }
        None => {}
    }
}

fn wanted(walk: &Walk, person: &Profile, asked: &Asked) -> BTreeSet<String> {
    match asked.action {
        Action::Add => rows_of(walk, person, &asked.words),
        Action::Remove => BTreeSet::new(),
    }
}

/// What the partner holds of a person.
fn rows_at(walk: &Walk, n: u32, audience: &str) -> BTreeSet<String> {
    let own = [format!("=p{n}@"), format!(".p{n}@"), phone(n)];
    let members = walk.world.partner.members(audience).into_iter();
    members.filter(|row| own.iter().any(|value| row.contains(value.as_str()))).collect()
}

/// What the partner holds for someone who was added: written down independently of the host.
fn rows_of(walk: &Walk, person: &Profile, words: &[String]) -> BTreeSet<String> {
    let emails = person.emails.iter().map(|email| format!("EMAIL={email}"));
    let phone = format!("PHONE={}", person.phones[0].trim_start_matches('+'));
    let (by_email, by_phone) = (words.iter().any(|word| word == "email"), words.iter().any(|word| word == "phone"));
    match (by_email, by_phone) {
        (true, false) => emails.collect(),
        (false, _) => [phone].into(),
        (true, true) if walk.world.splits() => emails.chain([phone]).collect(),
        (true, true) => emails.map(|email| format!("{email}|{phone}")).collect(),
    }
}
