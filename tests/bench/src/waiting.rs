//! `waiting`: many people rest in a delay; how soon a host is ready again, how much memory it takes, and how late people
//! leave whose time comes while it serves.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::{Context as _, Result, ensure};
use caravan_tests::{LAB_CONNECTIONS, Place, Served};
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let people: usize = if effort.quick { 100_000 } else { 1_000_000 };
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("long.yaml", canvas("long", "for: 30d"));
    users(&place, "users.csv", people)?;
    let lab = place.lab();
    let enter = ["run", "long.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url, "--wait", "0s"];
    let ran = place.run([&enter[..], &["--quiet", "--yes", "--no-lab-check"]].concat());
    ensure!(ran.code == Some(1), "{}{}", ran.stdout, ran.stderr);
    let mut ready = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..if effort.quick { 1 } else { 3 } {
        let began = Instant::now();
        let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
        while served.ask("GET", "/readyz", "", "").0 != 200 {
            ensure!(began.elapsed() < PATIENCE, "it is not ready");
        }
        ready.push(began.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(3));
        memory.push(peak_mb(served.child.id())?);
        ensure!(served.term() == Some(0), "it did not stop in good order");
    }
    // The same number again, whose time comes at one instant while the host serves.
    let due = SystemTime::now() + Duration::from_secs(if effort.quick { 20 } else { 120 });
    let at = jiff::Timestamp::from_second(i64::try_from(due.duration_since(UNIX_EPOCH)?.as_secs())?)?;
    place.write("due.yaml", canvas("due", &format!("until: {at}")));
    let enter = ["run", "due.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url, "--wait", "0s"];
    let ran = place.run([&enter[..], &["--quiet", "--yes", "--no-lab-check"]].concat());
    ensure!(ran.code == Some(1), "they should wait: {}{}", ran.stdout, ran.stderr);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let inside = || served.metric(&["caravan_inside{", "\"due\""]).unwrap_or(0);
    ensure!(inside() == people as u64, "{} wait", inside());
    let mut left = Vec::new();
    let limit = Instant::now() + PATIENCE;
    loop {
        let now = SystemTime::now();
        let gone = people as u64 - inside();
        left.push((now.duration_since(due).unwrap_or_default().as_secs_f64(), gone));
        if gone == people as u64 {
            break;
        }
        ensure!(Instant::now() < limit, "{gone} of {people} left");
        std::thread::sleep(Duration::from_millis(20));
    }
    let leaving = peak_mb(served.child.id())?;
    let late =
        |share: f64| left.iter().find(|(_, gone)| *gone as f64 >= people as f64 * share).map_or(f64::NAN, |at| at.0);
    let figures = vec![
        Figure::of("waiting", format!("{people} people in a delay: restart to ready"), "s", Goal::AtMost(2.0), ready),
        Figure::of(
            "waiting",
            "peak memory of the host that serves them, nothing due",
            "MB",
            Goal::AtMost(300.0),
            memory,
        ),
        Figure::of("waiting", "the same while all of them leave", "MB", Goal::AtMost(300.0), vec![leaving]),
        Figure::of("waiting", "all due at one instant: lateness, p50", "s", Goal::None, vec![late(0.5)]),
        Figure::of("waiting", "the same, p99", "s", Goal::None, vec![late(0.99)]),
        Figure::of("waiting", "people who leave per second", "", Goal::None, vec![people as f64 / late(1.0)]),
    ];
    ensure!(served.term() == Some(0), "it did not stop in good order");
    Ok(figures)
}

fn canvas(id: &str, delay: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\nentry: {{ trigger: {{ api: true }}, start: pause }}\nexit: [ {{ event: gone }} ]\n\
         steps:\n  pause: {{ delay: {{ {delay} }}, next: exit }}\n"
    )
}

fn users(place: &Place, name: &str, people: usize) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(place.path(name))?);
    writeln!(file, "external_id,email")?;
    for n in 0..people {
        writeln!(file, "p{n},p{n}@example.com")?;
    }
    Ok(file.flush()?)
}

/// The most memory that a process has had.
fn peak_mb(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kb / 1024.0)
}
