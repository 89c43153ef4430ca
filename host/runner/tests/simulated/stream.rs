//! Messages that stream in while a host serves.
use crate::common::{emails, person};
use crate::time::DAY;
use crate::world::{World, plain};
use caravan_model::{Event, Message, Millis, Status};
use std::time::Duration;
use tokio::sync::watch;

const CANVAS: &str = "
format: 1
canvas: stream
audiences:
  list: { connection: c, account: main, name: Ours, if_missing: create }
entry: { trigger: { event: lapsed, where: { n: { gte: 1 } } }, re_entry: always, start: pause }
exit: [ { event: bought } ]
steps:
  pause: { delay: { for: 1d }, next: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";

fn message(id: &str, who: u32, event: &str, n: u64, at: Millis) -> (Option<String>, Message) {
    let properties = [("n".to_owned(), n.into())].into_iter().collect();
    let event = Event { name: event.to_owned(), at, properties };
    (Some(id.to_owned()), Message { who: person(format!("p{who}")), event: Some(event) })
}

/// Serves for a while; messages may come in meanwhile.
async fn served(world: &World, span: Duration) {
    let (cancel, cancelled) = watch::channel(false);
    let (tell, _) = watch::channel(caravan_runner::Progress::default());
    let runner = world.runner();
    let serving = async { runner.serve(tell, cancelled).await.unwrap() };
    let waiting = async {
        tokio::time::sleep(span).await;
        cancel.send_replace(true);
    };
    tokio::join!(serving, waiting);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_11_a_message_counts_once_and_an_exit_behind_it_ends_what_it_began() {
    let world = World::new(1, 16);
    let version = world.publish(CANVAS).await;
    let now = world.now();
    let messages = vec![
        message("m1", 0, "lapsed", 1, now),
        message("m2", 1, "lapsed", 1, now),
        message("m3", 2, "lapsed", 0, now),
        message("m4", 1, "bought", 0, now.before(caravan_model::Duration::HOUR)),
        message("m5", 0, "bought", 0, now.before(caravan_model::Duration::HOUR)),
        message("m1", 0, "lapsed", 1, now),
        message("m6", 0, "lapsed", 1, now),
    ];
    assert_eq!(world.runner().receive(messages).await.unwrap(), 6);
    served(&world, DAY / 2).await;
    // p0 and p1 came in and left by what came behind, whatever it is dated; p0 came in once more.
    let statuses = world.statuses(version, 0).await;
    let of = |wanted: Status| statuses.iter().filter(|((status, _), _)| *status == wanted).map(|(_, n)| n).sum::<u64>();
    assert_eq!((of(Status::Exited), of(Status::Waiting)), (2, 1), "{statuses:?}");
    assert_eq!(world.runner().receive(vec![message("m6", 0, "lapsed", 1, now)]).await.unwrap(), 0);
    served(&world, DAY * 2).await;
    assert_eq!(world.statuses(version, 1).await, [plain(Status::Synced, 1)].into());
    assert_eq!(world.members(), emails(0..1));
    world.balanced().await;
}
