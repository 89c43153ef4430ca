//! What would keep a person out of a canvas beside `who`: how it stands, its trigger, entries before, caps. In words.
use crate::control::{caps_of, states};
use caravan_journey::entry::{LastEntry, is_the_event, may_enter_again};
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::{Person, Scene, day_start};
use caravan_model::canvas::Trigger;
use caravan_model::status::reason;
use caravan_model::{Group, ProfileId};
use caravan_store::Store;

/// All that would keep someone out at the scene's time.
pub(crate) async fn barriers<S: Store>(
    store: &S,
    plan: &CompiledCanvas,
    who: ProfileId,
    person: &Person<'_>,
    scene: &Scene<'_>,
) -> crate::Result<Vec<String>> {
    let mut found = Vec::new();
    found.extend(untriggered(&plan.entry.trigger, person, scene));
    let canvas = plan.id.as_str();
    let versions = store.versions().await?;
    let own: Vec<_> = versions.iter().filter(|version| version.canvas.canvas == plan.id).collect();
    let Some(newest) = own.last() else { return Ok(found) };
    let state = states(store).await?.of(canvas);
    let mut inside = 0;
    for version in &own {
        inside += store.counters(version.id).await?.open;
    }
    if !state.admits() {
        found.push(format!("the canvas is {}", state.word(inside)));
    }
    for entry in store.newest_entries(newest.id, vec![who]).await? {
        let last = LastEntry { began: entry.began, open: entry.open };
        if last.open {
            found.push("they are inside already".to_owned());
        } else if !may_enter_again(plan.entry.re_entry, Some(last), scene.now) {
            found.push("they were inside before, and `re_entry` does not let them in again by then".to_owned());
        }
    }
    let caps = caps_of(store, canvas).await?;
    let room = store.room(newest.id, caps, day_start(scene.now, scene.zone)).await?;
    for (cap, left, of) in
        [(caps.in_all, room.in_all, "in all"), (caps.a_day, room.a_day, "a day"), (caps.a_run, room.a_run, "a run")]
    {
        if let Some(cap) = cap.filter(|_| left == 0) {
            found.push(format!("the cap of {cap} people {of} is reached (`{}`)", reason::CAPPED));
        }
    }
    Ok(found)
}

/// Why the trigger does not let the person in as they are, if it does not.
fn untriggered(trigger: &Trigger, person: &Person<'_>, scene: &Scene<'_>) -> Option<String> {
    let outside = |group: Group| format!("they are not in the {} `{}`", group.kind.word(), group.name);
    match trigger {
        Trigger::Event(wanted) => {
            let own: Vec<_> = person.events.iter().filter(|event| event.name == wanted.event).collect();
            // Of what they never did nothing is known: it may come as the trigger asks for it.
            let misses = own.iter().all(|event| !is_the_event(wanted, event, person, scene)) && !own.is_empty();
            misses.then(|| {
                let words = "of their events that are kept, none has what the trigger asks for";
                format!("{words}: `{}`", wanted.event)
            })
        }
        Trigger::Segment(wanted) => {
            (!scene.groups.in_segment(&wanted.segment)).then(|| outside(Group::segment(&wanted.segment)))
        }
        Trigger::Schedule(wanted) => {
            (!scene.groups.in_segment(&wanted.segment)).then(|| outside(Group::segment(&wanted.segment)))
        }
        Trigger::List(wanted) => (!scene.groups.in_list(&wanted.list)).then(|| outside(Group::list(&wanted.list))),
        Trigger::Api(_) => None,
    }
}
