//! A million people wait for one instant: hosts are killed while they come in, while all of them wait and while they leave,
//! and afterwards all have left, none twice. `CARAVAN_WAITING=N` takes another number of people.
use caravan_store::{Counters, Sqlite, Store as _};
use caravan_tests::{KEY, Place, Served, patient};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PEOPLE: u64 = 1_000_000;

/// People of the trial that tells how fast they come in here.
const TRIAL: u64 = 50_000;

fn canvas(until: SystemTime) -> String {
    let seconds = until.duration_since(UNIX_EPOCH).expect("a time").as_secs();
    let until = jiff::Timestamp::from_second(i64::try_from(seconds).expect("a time")).expect("a time");
    format!(
        "format: 1\ncanvas: patience\nentry: {{ trigger: {{ event: any }}, start: pause }}\nsteps:\n  \
         pause: {{ delay: {{ until: {until} }}, next: mark }}\n  mark: {{ update: {{ waited: true }}, next: exit }}\n"
    )
}

/// A place with a canvas that lets nobody go before an instant.
fn place(people: u64, until: SystemTime) -> Place {
    let place = Place::new();
    place.write("canvas.yaml", canvas(until));
    place.write("connections.yaml", "format: 1\nconnections: {}\n");
    let mut users = std::io::BufWriter::new(std::fs::File::create(place.path("users.csv")).expect("a file"));
    writeln!(users, "external_id,plan").expect("written");
    (0..people).for_each(|id| writeln!(users, "p{id:07},pro").expect("written"));
    users.flush().expect("written");
    place
}

/// Lets the people of the file in, and ends once they wait.
fn enters(place: &Place) -> Child {
    let run = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--quiet"];
    place.caravan(run).stdout(Stdio::null()).spawn().expect("it starts")
}

fn serves(place: &Place) -> Served {
    let serve = ["serve", "--store", "s.caravan", "--listen", "127.0.0.1:0", "--json"];
    Served::spawn(place.caravan(serve).env("CARAVAN_WRITE_KEYS", KEY).stdout(Stdio::piped()))
}

async fn counters(place: &Place) -> Counters {
    let read = async {
        let store = Sqlite::open_read_only(place.path("s.caravan")).ok()?;
        let version = store.versions().await.ok()?.pop()?;
        store.counters(version.id).await.ok()
    };
    read.await.unwrap_or_default()
}

async fn until(place: &Place, seen: impl Fn(&Counters) -> bool) {
    let began = Instant::now();
    while !seen(&counters(place).await) {
        assert!(began.elapsed() < Duration::from_secs(1_200), "{:?}", counters(place).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lets everyone in, over a kill; `None` where the instant came before all were in: the machine was busier than it seemed.
async fn all_are_in(people: u64, patience: Duration) -> Option<(Place, SystemTime)> {
    let due = SystemTime::now() + patience;
    let place = place(people, due);
    let mut host = enters(&place);
    until(&place, |known| known.entered >= people / 2).await;
    host.kill().expect("killed");
    host.wait().expect("its end");
    let mut host = enters(&place);
    host.wait().expect("its end");
    let known = counters(&place).await;
    let is_early = SystemTime::now() + Duration::from_secs(5) < due;
    if known.open < people || !is_early {
        assert!(!is_early, "{} of {people} wait before the instant", known.open);
        return None;
    }
    Some((place, due))
}

#[tokio::test]
async fn a_million_people_wait_and_all_leave_once_across_kills() {
    let people = std::env::var("CARAVAN_WAITING").map_or(PEOPLE, |n| n.parse().expect("CARAVAN_WAITING is a number"));
    let began = Instant::now();
    let trial = place(TRIAL, SystemTime::now() + Duration::from_secs(86_400));
    assert!(enters(&trial).wait().expect("its end").code() == Some(1), "they wait");
    let each = began.elapsed() / u32::try_from(TRIAL).expect("few");
    drop(trial);
    let mut patience = each * u32::try_from(people).expect("few") * 3 / 2 + Duration::from_secs(15);
    let (place, due) = loop {
        match all_are_in(people, patience).await {
            Some(found) => break found,
            None => patience *= 2,
        }
    };
    // All of them wait, and a host is killed over them; the next one knows them all.
    let inside = |host: &Served| host.metric(&["caravan_inside{", "\"patience\""]);
    let mut host = serves(&place);
    patient("all wait", || inside(&host) == Some(people));
    host.child.kill().expect("killed");
    host.child.wait().expect("its end");
    let known = counters(&place).await;
    assert!(SystemTime::now() < due, "it was killed while they waited");
    assert_eq!((known.entered, known.open), (people, people));
    // Another is killed while they leave.
    let mut host = serves(&place);
    until(&place, |known| known.open < people / 2).await;
    host.child.kill().expect("killed");
    host.child.wait().expect("its end");
    assert!(SystemTime::now() >= due, "nobody leaves before the instant");
    let host = serves(&place);
    until(&place, |known| known.open == 0).await;
    assert_eq!(host.term(), Some(0));
    let found = counters(&place).await;
    assert_eq!((found.entered, found.open), (people, 0));
    let passed = |step: u16| -> u64 {
        let here = found.counts.iter().filter(|count| count.step.0 == step && count.status.word() == "passed");
        here.map(|count| count.n).sum()
    };
    assert_eq!((passed(0), passed(1)), (people, people));
    let store = Sqlite::open_read_only(place.path("s.caravan")).expect("the store");
    assert_eq!(store.audit().await.expect("an audit"), Vec::<String>::new());
}
