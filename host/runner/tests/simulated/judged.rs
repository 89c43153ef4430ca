//! Partners that judge later.
use crate::common::{emails, one_step, people};
use crate::partner::Mood;
use crate::store::{Death, Doom};
use crate::time::HOUR;
use crate::world::{World, done, plain};
use caravan_model::Status;
use caravan_store::{Standing, Store};

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_8_a_later_judgement_that_names_people_moves_both_counters() {
    for doom in [None, Some(Death::Before), Some(Death::After)] {
        let mut world = World::new(1, 100);
        let version = world.publish(&one_step("walk", "add", "email")).await;
        world.partner.script(vec![Mood::Later(vec!["=p3@".into(), "=p7@".into()])]);
        done(&world.run(version, "people", people(0..20), HOUR).await);
        if let Some(how) = doom {
            world.dies(Doom { call: Some("correct"), after: 0, how });
        }
        tokio::time::sleep(HOUR).await;
        done(&world.deliver(HOUR).await);
        let statuses = world.statuses(version, 0).await;
        let rejected = ((Status::Rejected, "partner:bad".to_owned()), 2);
        assert_eq!(statuses, [plain(Status::Synced, 18), rejected].into(), "{doom:?}");
        let mut taken = emails(0..20);
        taken.retain(|row| row != "EMAIL=p3@x.example" && row != "EMAIL=p7@x.example");
        assert_eq!(world.members(), taken);
        let judged = world.trace("p3").await.unwrap();
        assert!(judged.memberships.iter().all(|(_, known)| known.standing != Standing::In), "{judged:?}");
        assert_eq!(world.store().follow_ups(world.now(), 10).await.unwrap().len(), 0);
        world.balanced().await;
    }
}
