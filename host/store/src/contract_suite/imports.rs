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

fn called(ecids: &[u32], email: Option<&str>) -> Profile {
    Profile {
        aliases: ecids.iter().map(|n| format!("ecid-{n}")).collect(),
        emails: email.map(str::to_owned).into_iter().collect(),
        ..Profile::default()
    }
}

async fn take<E: Engine>(w: &World<E>, members: Vec<(Profile, bool)>) -> Imported {
    w.store.import(w.lease, page(members, 1, false), w.now).await.expect("a page")
}

pub async fn a_member_is_found_again_by_any_identifier_and_leaves_with_all_of_them(engine: impl Engine) {
    let w = begin(engine).await;
    w.store.upsert(w.lease, vec![known(0), known(1)], w.now).await.expect("people");
    // Linked by its first ECID; it comes again with a second one and an address, and leaves under these alone.
    take(&w, vec![(called(&[0], None), true), (called(&[1], None), true)]).await;
    take(&w, vec![(called(&[0, 50], Some("new@example.com")), true)]).await;
    assert_eq!(size(&w).await, 2);
    let left = take(&w, vec![(called(&[50], None), false)]).await;
    assert_eq!((left.left, size(&w).await), (1, 1));
    // Two rows that share nothing lead to one person, who leaves by either.
    take(&w, vec![(called(&[60], Some("p1@example.com")), true)]).await;
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    assert_eq!((view.linked, size(&w).await), (2, 1));
    let left = take(&w, vec![(called(&[60], Some("p1@example.com")), false)]).await;
    assert_eq!((left.left, size(&w).await), (1, 0));
    assert_eq!(w.store.imported("l:1".to_owned(), None, 10).await.expect("a view"), ImportView::default());
    // Who leaves and comes within a page has only changed names.
    take(&w, vec![(called(&[1], None), true)]).await;
    let same = take(&w, vec![(called(&[1, 70], None), true), (called(&[1], None), false)]).await;
    assert_eq!((same.left, size(&w).await), (0, 1));
    // A stranger who comes again with an address, plain or as its digest, is the same stranger.
    let digest = caravan_model::Digest::of(b"s@example.com").to_string();
    take(&w, vec![(called(&[80], None), true)]).await;
    take(&w, vec![(called(&[80], Some("S@example.com")), true)]).await;
    take(&w, vec![(called(&[81], Some(&digest)), true)]).await;
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    assert_eq!((view.linked, view.unlinked), (1, vec![(WhyUnlinked::Unknown, 1)]));
    take(&w, vec![(called(&[80], None), false)]).await;
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    assert_eq!((view.linked, view.unlinked), (1, vec![]));
    w.balanced().await;
}

pub async fn an_identifier_that_goes_over_to_another_person_takes_nobody_off_who_has_more(engine: impl Engine) {
    let w = begin(engine).await;
    w.store.upsert(w.lease, vec![known(0), known(1)], w.now).await.expect("people");
    let with_own = |own: &str, ecid: u32| Profile { external_id: own.to_owned(), ..called(&[ecid], None) };
    take(&w, vec![(with_own("own-0", 30), true)]).await;
    // A shared device: its ECID is the newest one's, and the first goes on under the id that is left.
    take(&w, vec![(with_own("own-1", 30), true)]).await;
    assert_eq!(size(&w).await, 2);
    let left = take(&w, vec![(with_own("own-1", 30), false)]).await;
    assert_eq!((left.left, size(&w).await), (1, 1));
    let found = w.store.find("own-0").await.expect("found");
    let there = w.store.group_members(Group::list("l"), caravan_model::ProfileId(0), 5).await.expect("members");
    assert_eq!(there.iter().map(|(id, _)| *id).collect::<Vec<_>>(), found);
    // Under that alone it is found again, and one that was wholly taken over is gone.
    take(&w, vec![(with_own("own-1", 31), true), (called(&[0], None), true)]).await;
    let taken = take(&w, vec![(with_own("own-1", 0), true)]).await;
    assert_eq!((taken.left, size(&w).await), (0, 2), "own-0 stays by its other row");
    w.balanced().await;
}

pub async fn phones_link_plain_or_as_digests_and_a_shared_one_links_nobody(engine: impl Engine) {
    let w = begin(engine).await;
    let with_phone = |n: u32, phone: &str| Profile {
        external_id: format!("own-{n}"),
        phones: vec![phone.to_owned()],
        country: Some("FR".to_owned()),
        ..Profile::default()
    };
    let people = vec![
        with_phone(0, "01 40 40 22 90"),
        with_phone(1, "+1 (706) 767-5127"),
        with_phone(2, "+447911123456"),
        with_phone(3, "0044 7911 123456"),
    ];
    w.store.upsert(w.lease, people, w.now).await.expect("people");
    let by_phone = |phone: &str| (Profile { phones: vec![phone.to_owned()], ..Profile::default() }, true);
    let plus = "504e4a4d2099b8058bf7a5aaa8a6237294c9b29f28395c546684f193d308c6d3";
    let members =
        vec![by_phone("+33 1 40 40 22 90"), by_phone(plus), by_phone("+447911123456"), by_phone("+33612345678")];
    let taken = take(&w, members).await;
    assert_eq!((taken.joined, size(&w).await), (2, 2));
    let view = w.store.imported("l:1".to_owned(), None, 10).await.expect("a view");
    assert_eq!(view.unlinked, [(WhyUnlinked::Unknown, 1), (WhyUnlinked::Shared, 1)]);
    let digits = caravan_model::Digest::of(b"33140402290").to_string();
    let left = take(&w, vec![(by_phone(&digits).0, false)]).await;
    assert_eq!((left.left, size(&w).await), (1, 1), "a digest without `+` is the same number");
}

pub async fn an_attribute_that_the_source_has_emptied_is_cleared(engine: impl Engine) {
    let w = begin(engine).await;
    w.store.upsert(w.lease, vec![known(0)], w.now).await.expect("people");
    let with = |value: serde_json::Value| {
        let mut who = ecid(0);
        who.attributes.insert("tier".to_owned(), value);
        who.attributes.insert("never".to_owned(), serde_json::Value::Null);
        (who, true)
    };
    take(&w, vec![with("gold".into())]).await;
    let tier = async || {
        let found = w.store.find("own-0").await.expect("found");
        w.store.people(found).await.expect("people")[0].profile.attributes.clone()
    };
    let before = tier().await;
    assert!(before["tier"] == "gold" && !before.contains_key("never"), "{before:?}");
    take(&w, vec![with(serde_json::Value::Null)]).await;
    assert!(tier().await["tier"].is_null());
}
