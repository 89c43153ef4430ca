//! A million people wait in a delay: the host is killed, and afterwards all of them leave, none twice.
use caravan_store::{Sqlite, Store as _};
use caravan_tests::{Place, patient};
use std::io::Write as _;
use std::process::Stdio;

const PEOPLE: u64 = 1_000_000;
const CANVAS: &str = "
format: 1
canvas: patience
entry: { trigger: { event: any }, start: pause }
steps:
  pause: { delay: { for: 20s }, next: mark }
  mark: { update: { waited: true }, next: exit }
";

#[tokio::test]
async fn a_million_people_wait_and_all_leave_once_across_a_kill() {
    let place = Place::new();
    place.write("canvas.yaml", CANVAS);
    place.write("connections.yaml", "format: 1\nconnections: {}\n");
    let mut users = std::io::BufWriter::new(std::fs::File::create(place.path("users.csv")).expect("a file"));
    writeln!(users, "external_id,plan").expect("written");
    (0..PEOPLE).for_each(|id| writeln!(users, "p{id:07},pro").expect("written"));
    drop(users);
    let run = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--wait", "10m", "--quiet"];
    let start = || place.caravan(run).stdout(Stdio::null()).spawn().expect("it starts");
    let counters = async || {
        let store = Sqlite::open_read_only(place.path("s.caravan")).ok()?;
        let version = store.versions().await.ok()?.pop()?;
        store.counters(version.id).await.ok()
    };
    let mut host = start();
    // Killed while they come in, and once more while the last of them leave.
    for inside in [true, false] {
        loop {
            let known = counters().await.unwrap_or_default();
            let reached = match inside {
                true => known.entered >= PEOPLE / 2,
                false => known.entered == PEOPLE && known.open < PEOPLE / 2,
            };
            if reached {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        host.kill().expect("killed");
        host.wait().expect("its end");
        host = start();
    }
    patient("it ends by itself", || host.try_wait().expect("its state").is_some());
    let found = counters().await.expect("the version");
    assert_eq!((found.entered, found.open), (PEOPLE, 0));
    let passed = |step: u16| -> u64 {
        let here = found.counts.iter().filter(|count| count.step.0 == step && count.status.word() == "passed");
        here.map(|count| count.n).sum()
    };
    assert_eq!((passed(0), passed(1)), (PEOPLE, PEOPLE));
    let store = Sqlite::open_read_only(place.path("s.caravan")).expect("the store");
    assert_eq!(store.audit().await.expect("an audit"), Vec::<String>::new());
}
