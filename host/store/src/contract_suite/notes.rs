//! The audit chain: each record follows the one before.
use super::{Engine, World};
use crate::contract::{DocumentKind, Hold, HoldScope, LaneState, Lease, Note, Noted, Store, Warrant};
use caravan_model::LaneId;

fn chain_holds(notes: &[Noted]) -> bool {
    let mut before = None;
    notes.iter().all(|noted| {
        let broken = noted.broken(before);
        before = Some((noted.n, noted.hash.as_str()));
        broken.is_none()
    })
}

pub async fn notes_are_appended_to_one_chain_with_their_documents(engine: impl Engine) {
    let w = World::new(engine).await;
    assert_eq!(w.store.newest_note().await.expect("a look"), None);
    let note = |n: u64| Note::new(w.now, "cli:ann", "policy.set", "policy").with("n", n);
    let document = vec![(DocumentKind::Policy, "policy".to_owned(), Some("{}".to_owned()))];
    w.store.note(w.lease, document, vec![note(1)]).await.expect("noted");
    w.store.note(w.lease, Vec::new(), vec![note(2), note(3)]).await.expect("noted");
    w.store.note(w.lease, Vec::new(), Vec::new()).await.expect("nothing");
    assert_eq!(w.store.documents(DocumentKind::Policy).await.expect("documents").len(), 1);
    let notes = w.store.notes(0, 10).await.expect("notes");
    assert_eq!(notes.iter().map(|noted| noted.n).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(chain_holds(&notes) && notes[0].before.is_empty() && notes[2].before == notes[1].hash);
    assert_eq!((notes[1].who.as_str(), notes[1].details.as_str()), ("cli:ann", "{\"n\":2}"));
    assert_eq!(w.store.notes(1, 1).await.expect("notes"), notes[1..2]);
    assert_eq!(w.store.newest_note().await.expect("a look"), Some((3, notes[2].hash.clone())));
    // Whatever is edited, left out or put in another place is seen.
    for edit in [
        |notes: &mut Vec<Noted>| notes[1].who = "cli:eve".into(),
        |notes: &mut Vec<Noted>| drop(notes.remove(1)),
        |notes: &mut Vec<Noted>| notes.swap(0, 1),
    ] {
        let mut edited = notes.clone();
        edit(&mut edited);
        assert!(!chain_holds(&edited));
    }
}

pub async fn a_crash_keeps_every_note(engine: impl Engine) {
    let w = World::new(engine).await;
    w.store.note(w.lease, Vec::new(), vec![Note::new(w.now, "host", "a", "b")]).await.expect("noted");
    let before = w.store.notes(0, 10).await.expect("notes");
    let w = w.crash().await;
    assert_eq!(w.store.notes(0, 10).await.expect("notes"), before);
    assert_eq!(before.len(), 1);
}

pub async fn a_deed_and_its_note_stand_or_fall_together(engine: impl Engine) {
    let w = World::new(engine).await;
    let under = |lease: Lease, verb: &str| Warrant { lease, note: Some(Note::new(w.now, "cli:ann", verb, "it")) };
    let hold = || Hold { scope: HoldScope::Everything, words: "wait".into(), by: "ann".into(), since: w.now };
    let verbs = async || {
        let notes = w.store.notes(0, 100).await.expect("notes");
        assert!(chain_holds(&notes));
        notes.into_iter().map(|note| note.verb).collect::<Vec<_>>()
    };
    // Neither, where another owner has taken over or the call is impossible.
    let old = Lease { epoch: w.lease.epoch - 1, ..w.lease };
    assert!(w.store.hold(under(old, "hold"), hold()).await.is_err());
    assert!(w.store.set_lane(under(w.lease, "open"), LaneId(9_999), LaneState::Open).await.is_err());
    assert!(verbs().await.is_empty() && w.store.holds().await.expect("holds").is_empty());
    // Both, and no note of what was nothing to be done for.
    w.store.hold(under(w.lease, "hold"), hold()).await.expect("held");
    for is_held in [true, false] {
        let lifted = w.store.lift(under(w.lease, "lift"), HoldScope::Everything, w.now).await.expect("a look");
        assert_eq!(lifted, is_held);
    }
    for _ in 0..2 {
        let message = vec![(Some("m-1".to_owned()), "{}".to_owned())];
        w.store.receive(under(w.lease, "receive"), message, w.now).await.expect("taken in");
    }
    assert_eq!(verbs().await, ["hold", "lift", "receive"]);
    // A version's note has its number.
    let canvas = (*w.version.canvas).clone();
    w.store.publish(under(w.lease, "publish"), canvas.clone(), w.now).await.expect("the same");
    assert_eq!(verbs().await.len(), 3);
    let mut other = canvas;
    other.title = Some("Another one".to_owned());
    let version = w.store.publish(under(w.lease, "publish"), other, w.now).await.expect("published");
    let notes = w.store.notes(3, 10).await.expect("notes");
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].details, format!("{{\"version\":{}}}", version.number));
    let w = w.crash().await;
    assert_eq!(w.store.notes(0, 10).await.expect("notes").len(), 4);
}
