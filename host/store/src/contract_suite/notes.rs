//! The audit chain: each record follows the one before.
use super::{Engine, World};
use crate::contract::{DocumentKind, Note, Noted, Store};

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
