//! `path`: people entered → accepted by the partner, durable, on SQLite, Meta with seven fields, as `caravan run` does it.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::{Context as _, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use xtask::lab::Lab;

const CONNECTIONS: &str = "format: 1\nconnections:\n  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 }, default_country: FR }\n";

const CANVAS: &str = r#"
format: 1
canvas: path
audiences:
  all: { connection: lab-meta, account: main, name: "Path", if_missing: create }
entry: { trigger: { event: lapsed }, start: sync }
steps:
  sync:
    audience_sync: { audience: all, action: add, match: [email, phone, first_name, last_name, city, zip, country] }
    next: exit
"#;

/// What one run cost.
struct Cost {
    cpu_us: f64,
    wall_us: f64,
    peak_mb: f64,
}

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let rounds = if effort.quick { 1 } else { 5 };
    let folder = tempfile::tempdir_in(xtask::stage::target())?;
    std::fs::write(folder.path().join("connections.yaml"), CONNECTIONS)?;
    std::fs::write(folder.path().join("canvas.yaml"), CANVAS)?;
    let (mut cpu, mut wall, mut peak, mut share) = (vec![], vec![], vec![], vec![]);
    for round in 0..rounds {
        let cost = run(folder.path(), 100_000, &["--no-lab-check"])?;
        cpu.push(cost.cpu_us);
        wall.push(cost.wall_us);
        peak.push(cost.peak_mb);
        let bare = bare_store(folder.path(), 100_000, round)?;
        share.push(bare / cost.cpu_us);
    }
    let base = crate::table::median(&wall);
    let checked = run(folder.path(), 100_000, &[])?;
    let mut figures = vec![
        Figure::of("path", "CPU per person, 100,000 people, entered to accepted", "µs", Goal::AtMost(25.0), cpu)
            .because("normalising phones, profiles as JSON between intake and sealing, the component call"),
        Figure::of("path", "wall per person, 100,000 people", "µs", Goal::None, wall),
        Figure::of("path", "bare store's own calls against the whole path", "", Goal::AtLeast(0.4), share)
            .because("reading the file, identifiers (1.6 µs), loading profiles anew when sealing, the component call"),
        Figure::of("path", "peak memory, 100,000 people", "MB", Goal::AtMost(300.0), peak)
            .because("chunks of 10,000 profiles under way between intake, sealing and the call"),
    ];
    figures.push(Figure::of(
        "path",
        "CPU per person, with the check against the lab",
        "µs",
        Goal::None,
        vec![checked.cpu_us],
    ));
    figures.push(Figure::of(
        "path",
        "peak memory, with the check against the lab",
        "MB",
        Goal::None,
        vec![checked.peak_mb],
    ));
    if !effort.quick {
        let million = run(folder.path(), 1_000_000, &["--no-lab-check"])?;
        let ratio = vec![million.wall_us / base];
        figures.push(
            Figure::of("path", "time per person, 1 M against 100 k, ordered ids", "", Goal::AtMost(1.2), ratio)
                .because("indexes that grow with the people"),
        );
        figures.push(Figure::of("path", "peak memory, 1 M people", "MB", Goal::None, vec![million.peak_mb]));
    }
    Ok(figures)
}

/// One `caravan run`, with the lab in another process.
fn run(folder: &Path, people: u64, flags: &[&str]) -> Result<Cost> {
    let binary = xtask::stage::target().join("debug/caravan");
    let users = users(&binary, folder, people)?;
    let lab = Lab::start(&binary, &["--quiet"])?;
    let store = folder.join("path.caravan");
    for leftover in ["path.caravan", "path.caravan-wal", "path.caravan-shm", "path.caravan.lock"] {
        match std::fs::remove_file(folder.join(leftover)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let before = children_cpu_us()?;
    let began = Instant::now();
    let mut child = Command::new(&binary)
        .current_dir(folder)
        .args(["run", "canvas.yaml", "--json", "--lab", &lab.url])
        .args(flags)
        .arg("--users")
        .arg(&users)
        .arg("--store")
        .arg(&store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0.0f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(peak_mb(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = began.elapsed();
    if !status.success() {
        bail!("caravan run ended with {status}");
    }
    // Only now the lab is waited for, so that its time is not among the children's yet.
    let cpu = children_cpu_us()? - before;
    drop(lab);
    let each = |us: f64| us / people as f64;
    Ok(Cost { cpu_us: each(cpu), wall_us: each(wall.as_micros() as f64), peak_mb: peak })
}

fn users(binary: &Path, folder: &Path, people: u64) -> Result<PathBuf> {
    let file = folder.join(format!("people-{people}.csv"));
    if !file.exists() {
        let made = Command::new(binary)
            .args(["lab", "people", "--count", &people.to_string(), "--out"])
            .arg(&file)
            .stderr(Stdio::null())
            .status()?;
        if !made.success() {
            bail!("caravan lab people ended with {made}");
        }
    }
    Ok(file)
}

/// The store's own calls for as many people, CPU µs per person.
fn bare_store(folder: &Path, people: u64, round: usize) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = folder.join(format!("bare-{round}.caravan"));
    let timings = runtime.block_on(caravan_store::bench::bench_calls(&store, people as usize))?;
    Ok(timings.total().cpu.as_secs_f64() * 1e6 / people as f64)
}

/// User and system time of all children that were waited for.
fn children_cpu_us() -> Result<f64> {
    ticks(13, 14)
}

/// Two fields of /proc/self/stat after the command's name, which are in ticks of 10 ms.
fn ticks(user: usize, system: usize) -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat has no name")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |at: usize| -> Result<f64> { Ok(fields.get(at).context("/proc/self/stat is too short")?.parse()?) };
    Ok((field(user)? + field(system)?) * 10_000.0)
}

/// The most memory that a process has had, so far.
fn peak_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}
