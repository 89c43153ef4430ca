//! Imported members: linked, remembered, linked later, and gone with their export.
use super::{Engine, World};
use crate::contract::*;
use caravan_model::{Group, Profile};

fn ecid(n: u32) -> Profile {
    Profile { aliases: vec![format!("ecid-{n}")], ..Profile::default() }
}

/// A world with the import that is tried.
async fn begin<E: Engine>(engine: E) -> World<E> {
    let w = World::new(engine).await;
    let document = (DocumentKind::ListImport, "l:1".to_owned(), Some("{}".to_owned()));
    w.store.put_documents(w.lease, vec![document]).await.expect("an import");
    w
}

fn page(members: Vec<(Profile, bool)>, round: u64, ends: bool) -> ImportStep {
    ImportStep::Take(TakeMembers {
        import: "l:1".to_owned(),
        list: "l".to_owned(),
        members,
        round,
        leavers: true,
        ends,
        document: format!("{{\"round\":{round}}}"),
        charges: Vec::new(),
    })
}

fn known(n: u32) -> Profile {
    Profile { external_id: format!("own-{n}"), emails: vec![format!("P{n}@example.com")], ..ecid(n) }
}

async fn size<E: Engine>(w: &World<E>) -> u64 {
    let sizes = w.store.group_sizes().await.expect("sizes");
    sizes.iter().find(|(group, _)| *group == Group::list("l")).map_or(0, |(_, n)| *n)
}

pub async fn imported_members_are_linked_by_name_or_address_and_the_rest_is_named(engine: impl Engine) {
    let w = begin(engine).await;
    let anonymous = ecid(9);
    w.store.upsert(w.lease, vec![known(0), known(1), anonymous.clone()], w.now).await.expect("people");
    let by_address = Profile { emails: vec![" p1@EXAMPLE.com".to_owned()], ..Profile::default() };
    let mut with_attributes = ecid(0);
    with_attributes.attributes.insert("tier".to_owned(), "gold".into());
    let nobody = Profile::default();
    let members = vec![with_attributes, by_address, ecid(7), anonymous, nobody];
    let members: Vec<(Profile, bool)> = members.into_iter().map(|who| (who, true)).collect();
    let taken = w.store.import(w.lease, page(members.clone(), 1, false), w.now).await.expect("a page");
    assert_eq!(taken, Imported { joined: 2, left: 0, next: None });
    // The same page again, as after a crash, changes nothing.
    let w = w.crash().await;
    assert_eq!(w.store.import(w.lease, page(members, 1, false), w.now).await.expect("again"), Imported::default());
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    let why = [(WhyUnlinked::NoIdentifier, 1), (WhyUnlinked::Unknown, 1), (WhyUnlinked::Anonymous, 1)];
    assert_eq!((view.linked, view.unlinked), (2, why.to_vec()));
    assert!(view.page.iter().any(|one| one.who == ecid(7) && one.why == WhyUnlinked::Unknown));
    let found = w.store.find("own-0").await.expect("found");
    let people = w.store.people(found).await.expect("people");
    assert_eq!(people[0].profile.attributes["tier"], "gold");
    assert_eq!(size(&w).await, 2);
    let documents = w.store.documents(DocumentKind::ListImport).await.expect("documents");
    assert_eq!(documents, [("l:1".to_owned(), "{\"round\":1}".to_owned())]);
    w.balanced().await;
}

pub async fn who_becomes_known_joins_and_who_left_goes(engine: impl Engine) {
    let w = begin(engine).await;
    w.store.upsert(w.lease, vec![known(0), known(1)], w.now).await.expect("people");
    let members: Vec<(Profile, bool)> = (0..5).map(|n| (ecid(n), true)).collect();
    w.store.import(w.lease, page(members, 1, true), w.now).await.expect("a page");
    let relink = |after, limit| ImportStep::Relink { import: "l:1".to_owned(), list: "l".to_owned(), after, limit };
    w.store.upsert(w.lease, vec![known(3)], w.now).await.expect("somebody is known");
    let first = w.store.import(w.lease, relink(None, 2), w.now).await.expect("a look");
    let rest = w.store.import(w.lease, relink(first.next, 10), w.now).await.expect("a look");
    assert_eq!((first.joined + rest.joined, rest.next, size(&w).await), (1, None, 3));
    // One leaves by name, one by being in no page of the next full export.
    let left = w.store.import(w.lease, page(vec![(ecid(1), false)], 1, false), w.now).await.expect("a leaver");
    assert_eq!((left.left, size(&w).await), (1, 2));
    let full = w.store.import(w.lease, page(vec![(ecid(3), true)], 2, true), w.now).await.expect("a full export");
    assert_eq!((full.left, size(&w).await), (1, 1));
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    assert_eq!((view.linked, view.unlinked.len()), (1, 0));
    let found = w.store.find("own-3").await.expect("found");
    w.store.erase(w.lease, found, w.now).await.expect("an erasure");
    assert_eq!(w.store.imported("l:1".to_owned(), None, 10).await.expect("a view"), ImportView::default());
    w.store.import(w.lease, ImportStep::Forget { import: "l:1".to_owned() }, w.now).await.expect("forgotten");
    // Whoever still works on an import that was ended brings nothing back.
    w.store.import(w.lease, page(vec![(ecid(0), true)], 3, false), w.now).await.expect("too late");
    let note = ImportStep::Note { import: "l:1".to_owned(), document: "{}".to_owned(), charges: Vec::new() };
    w.store.import(w.lease, note, w.now).await.expect("too late");
    assert_eq!(w.store.documents(DocumentKind::ListImport).await.expect("documents"), []);
    assert_eq!(w.store.imported("l:1".to_owned(), None, 10).await.expect("a view"), ImportView::default());
}
