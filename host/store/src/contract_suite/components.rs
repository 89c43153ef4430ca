//! Installed connectors are kept by the digest of their bytes.
use super::{Engine, World};
use crate::contract::{DocumentKind, Note, Store};
use caravan_model::{Digest, Duration};

pub async fn a_connectors_bytes_are_kept_once_by_their_digest(engine: impl Engine) {
    let w = World::new(engine).await;
    let keep = |version: &str, bytes: &[u8], now| {
        w.store.keep_component(w.lease, "acme".to_owned(), version.to_owned(), bytes.to_vec(), now)
    };
    let first = keep("1.0.0", b"first", w.now).await.expect("kept");
    assert_eq!(first, Digest::of(b"first"));
    let later = w.now.after(Duration::SECOND);
    assert_eq!(keep("1.0.0", b"first", later).await.expect("a repeat"), first);
    let second = keep("1.1.0", b"second one", later).await.expect("kept");
    let pin = (DocumentKind::Pin, "shop".to_owned(), Some(first.to_string()));
    w.store.put_documents(w.lease, vec![pin]).await.expect("a pin");
    let w = w.crash().await;
    let all = w.store.components().await.expect("a list");
    let seen: Vec<_> = all.iter().map(|one| (one.digest, one.version.as_str(), one.size, one.at)).collect();
    assert_eq!(seen, [(first, "1.0.0", 5, w.now), (second, "1.1.0", 10, later)]);
    assert_eq!(w.store.component(first).await.expect("a look").as_deref(), Some(&b"first"[..]));
    assert!(w.store.drop_component(w.lease, second).await.expect("forgotten"));
    assert!(!w.store.drop_component(w.lease, second).await.expect("a repeat"));
    assert_eq!(w.store.component(second).await.expect("a look"), None);
    assert_eq!(w.store.documents(DocumentKind::Pin).await.expect("pins"), [("shop".to_owned(), first.to_string())]);
}

pub async fn a_sealed_text_replaces_only_the_one_that_was_read(engine: impl Engine) {
    let w = World::new(engine).await;
    let text = |text: &str| Some(text.to_owned());
    let note = |verb: &str| Some(Note::new(w.now, "cli:ann", verb, "connection shop"));
    let swap = |was: Option<String>, becomes: Option<String>| {
        w.store.swap_sealed("connection/shop".to_owned(), was, becomes, note("connection.token"))
    };
    assert!(swap(None, text("one")).await.expect("first"));
    assert!(!swap(None, text("two")).await.expect("somebody was first"));
    assert!(swap(text("one"), text("two")).await.expect("renewed"));
    assert!(!swap(text("one"), text("three")).await.expect("a late renewal changes nothing"));
    assert!(!swap(text("one"), None).await.expect("nor does a late removal"));
    let w = w.crash().await;
    assert_eq!(w.store.notes(0, 9).await.expect("notes").len(), 2, "each that was done, and none that was not");
    let kept = w.store.documents(DocumentKind::Sealed).await.expect("sealed");
    assert_eq!(kept, [("connection/shop".to_owned(), "two".to_owned())]);
    assert!(w.store.swap_sealed("connection/shop".to_owned(), text("two"), None, None).await.expect("removed"));
    assert_eq!(w.store.notes(0, 9).await.expect("notes").len(), 2, "nobody ordered it");
    assert!(w.store.documents(DocumentKind::Sealed).await.expect("none").is_empty());
}
