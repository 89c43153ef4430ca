//! Deaths of the process while somebody's order is done: what was done stands in the audit chain, and it says nothing else.
use crate::common::{canvas, connections, one_step, people};
use crate::store::{Death, Doom};
use crate::time::HOUR;
use crate::world::{World, done};
use caravan_model::ProfileId;
use caravan_runner::Result;
use caravan_runner::control::verify_notes;
use caravan_store::{DocumentKind, HoldScope, Store as _};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Publish,
    Hold,
    Lift,
    List,
    TakeBack,
    Erase,
    Seal,
}

impl Deed {
    fn verb(self) -> &'static str {
        match self {
            Deed::Publish => "canvas.publish",
            Deed::Hold => "queue.hold",
            Deed::Lift => "queue.resume",
            Deed::List => "list.create",
            Deed::TakeBack => "audience.takeback",
            Deed::Erase => "profile.erase",
            Deed::Seal => "connection.token",
        }
    }

    async fn order(self, world: &World, everyone: &[ProfileId]) -> Result<()> {
        let runner = world.runner();
        let ann = runner.acting("cli:ann");
        match self {
            Deed::Publish => {
                let text = one_step("walk", "add", "email")
                    .replace("start: sync", "start: pause")
                    .replace("steps:\n", "steps:\n  pause: { delay: { for: 1h }, next: sync }\n");
                ann.publish(canvas(&text), &connections()).await.map(drop)
            }
            Deed::Hold => ann.hold(HoldScope::Everything, "wait a moment").await,
            Deed::Lift => ann.lift(HoldScope::Everything).await.map(drop),
            Deed::List => ann.create_list("friends").await.map(drop),
            Deed::TakeBack => ann.take_back("walk", "sync").await.map(drop),
            Deed::Erase => ann.erase(everyone).await.map(drop),
            Deed::Seal => {
                let note = ann.noted(self.verb(), "connection shop", serde_json::Value::Null);
                let swap = world.store().swap_sealed("connection/shop".into(), None, Some("v1.x".into()), Some(note));
                Ok(swap.await.map(drop)?)
            }
        }
    }

    /// Whether anything of it is kept.
    async fn stands(self, world: &World) -> bool {
        let store = world.store();
        match self {
            Deed::Publish => store.versions().await.unwrap().len() > 1,
            Deed::Hold => !store.holds().await.unwrap().is_empty(),
            Deed::Lift => store.holds().await.unwrap().is_empty(),
            Deed::List => world.runner().create_list("friends").await.map(|made| !made).unwrap(),
            Deed::TakeBack => store.lanes().await.unwrap().iter().any(|lane| lane.waiting > 0),
            Deed::Erase => store.everyone(ProfileId(0), 100).await.unwrap().len() < 12,
            Deed::Seal => !store.documents(DocumentKind::Sealed).await.unwrap().is_empty(),
        }
    }
}

/// Gives whether the process died.
async fn dies_while(deed: Deed, after: u64, how: Death) -> bool {
    let context = format!("{deed:?}, {how:?} write {after}");
    let mut world = World::new(7, 16);
    world.options.chunk = 5;
    let version = world.publish(&one_step("walk", "add", "email")).await;
    done(&world.run(version, "people", people(0..12), HOUR).await);
    let everyone: Vec<ProfileId> =
        world.store().everyone(ProfileId(0), 100).await.unwrap().iter().map(|known| known.id).collect();
    assert_eq!(everyone.len(), 12);
    if let Deed::Lift = deed {
        world.hold(HoldScope::Everything).await;
    }
    world.dies(Doom { call: None, after, how });
    let died = deed.order(&world, &everyone).await.is_err();
    *world.watch.doom.lock().unwrap() = None;
    if died {
        world.restart().await;
    }
    let notes = world.store().notes(0, 100).await.unwrap();
    let own: Vec<_> = notes.iter().filter(|note| note.verb == deed.verb()).collect();
    let stands = deed.stands(&world).await;
    // Of an erasure the first transaction lets people out of what they are in: it has the note of the order.
    match deed {
        Deed::Erase => assert!(own.len() == 1 || (own.is_empty() && !stands), "{context}: {own:?}"),
        _ => assert_eq!(own.len(), usize::from(stands), "{context}: {own:?}"),
    }
    assert!(own.iter().all(|note| note.who == "cli:ann"), "{context}: {own:?}");
    assert!(verify_notes(world.store()).await.unwrap().broken.is_none(), "{context}");
    if !died {
        assert!(stands && own.len() == 1, "{context}");
        world.balanced().await;
    }
    died
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_was_done_when_the_process_died_stands_in_the_audit_chain() {
    for deed in [Deed::Publish, Deed::Hold, Deed::Lift, Deed::List, Deed::TakeBack, Deed::Erase, Deed::Seal] {
        for how in [Death::Before, Death::After] {
            let mut after = 0;
            while dies_while(deed, after, how).await {
                after += 1;
            }
            assert!(after > 0, "{deed:?} wrote nothing");
        }
    }
}
