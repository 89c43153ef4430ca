//! `cargo xtask demo`: one command from a fresh clone to 100,000 people in two partners' audiences.
use crate::build;
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use xtask::{
    lab::Lab,
    stage::{Stages, must, root, target},
    totals,
};

/// What was asked for.
pub struct Options {
    /// Break things on the way.
    pub trouble: bool,
    /// Let people in anew whom an earlier demo let in.
    pub again: bool,
    /// How many people.
    pub people: u64,
}

impl Options {
    /// Reads the flags.
    pub fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options { trouble: false, again: false, people: 100_000 };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            match flag.as_str() {
                "--trouble" => options.trouble = true,
                "--again" => options.again = true,
                "--people" => {
                    let number = rest.next().ok_or_else(|| anyhow!("--people wants a number"))?;
                    options.people = number.parse().with_context(|| format!("--people {number} is no number"))?;
                }
                other => bail!("the demo has no flag `{other}`: --trouble, --again, --people N"),
            }
        }
        Ok(options)
    }
}

/// The folder that the demo keeps.
fn folder() -> PathBuf {
    target().join("demo")
}

/// Runs the demo.
pub fn run(options: &Options) -> Result<()> {
    let first = !build::binary().exists();
    if first {
        eprintln!(
            "Caravan's demo. The first build compiles wasmtime and SQLite: about {} on two cores, only once.",
            build::FIRST_BUILD
        );
    }
    let mut stages = Stages::new(if options.trouble { 6 } else { 5 });
    build::guests(&mut stages)?;
    let binary = build::host(&mut stages)?;
    std::fs::create_dir_all(folder())?;
    let people = people(&mut stages, &binary, options.people)?;
    if options.trouble {
        trouble(&mut stages, &binary, &people)
    } else {
        smooth(&mut stages, &binary, &people, options)
    }
}

/// Makes the people, once.
fn people(stages: &mut Stages, binary: &Path, count: u64) -> Result<PathBuf> {
    let file = folder().join(format!("people-{count}.csv"));
    stages.step(&format!("Making {count} people who do not exist ({})", shown(&file)), || {
        if !file.exists() {
            // Into place by a rename, so that an interrupted demo leaves no half file.
            let half = file.with_extension("half");
            let count = count.to_string();
            must(Command::new(binary).args(["lab", "people", "--quiet", "--count", &count, "--out"]).arg(&half))?;
            std::fs::rename(&half, &file)?;
        }
        Ok(())
    })?;
    Ok(file)
}

/// The command that takes the people through the canvas.
fn caravan_run(binary: &Path, lab: &Lab, people: &Path, store: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(root()).args(["run", "examples/win-back.yaml"]);
    // As a person would type them, because the summary repeats them.
    command.arg("--users").arg(shown(people)).arg("--store").arg(shown(store)).args(["--lab", &lab.url]);
    command.env("CARAVAN_CALLED", "cargo caravan");
    command
}

fn smooth(stages: &mut Stages, binary: &Path, people: &Path, options: &Options) -> Result<()> {
    let state = folder().join("lab.json");
    let lab = stages.step("Starting the lab: Meta and TikTok on this machine", || {
        Lab::start(binary, &["--quiet", "--state", &state.to_string_lossy()])
    })?;
    let store = folder().join("win-back.caravan");
    stages.step("Running examples/win-back.yaml", || {
        let mut command = caravan_run(binary, &lab, people, &store);
        if options.again {
            command.arg("--again");
        }
        eprintln!("      $ {}", spell(&command));
        must(&mut command)
    })?;
    lab.stop()?;
    eprintln!("The store stays at {}; run the demo again to see that nobody enters twice.", shown(&store));
    Ok(())
}

/// The same people with and without trouble must end the same.
fn trouble(stages: &mut Stages, binary: &Path, people: &Path) -> Result<()> {
    let run_folder = folder().join("trouble");
    if run_folder.exists() {
        std::fs::remove_dir_all(&run_folder)?;
    }
    std::fs::create_dir_all(&run_folder)?;
    let lab = stages.step("Running without trouble first, for comparison", || {
        let lab = Lab::start(binary, &["--quiet"])?;
        let mut command = caravan_run(binary, &lab, people, &run_folder.join("smooth.caravan"));
        let output = command.arg("--json").stderr(Stdio::null()).output()?;
        std::fs::write(run_folder.join("smooth.json"), &output.stdout)?;
        if !output.status.success() {
            bail!("the run without trouble ended with {}", output.status);
        }
        Ok(lab)
    })?;
    drop(lab);
    let smooth: Value = read(&run_folder.join("smooth.json"))?;

    let lab = stages.step(
        "Running with trouble: TikTok throttles, the process is killed, Meta's token dies and is mended",
        || {
            let lab = Lab::start(binary, &["--quiet"])?;
            lab.post("/_lab/faults", &json!({"partner": "tiktok", "fault": "throttle", "after_calls": 2, "count": 3}))?;
            let store = run_folder.join("trouble.caravan");
            let said = run_folder.join("trouble.json");

            let mut child = start(caravan_run(binary, &lab, people, &store).args(["--wait", "5m"]), None)?;
            wait_until("the first batches arrive", &mut child, || Ok(writes(&lab, "meta")? >= 2))?;
            child.kill()?;
            child.wait()?;
            eprintln!("      killed with SIGKILL in mid-flight; Meta's token dies now; starting again");
            lab.post("/_lab/faults", &json!({"partner": "meta", "fault": "dead-token"}))?;

            let mut child =
                start(caravan_run(binary, &lab, people, &store).args(["--wait", "5m", "--json"]), Some(&said))?;
            wait_until("Meta refuses the dead token", &mut child, || Ok(refused(&lab, "meta")? >= 1))?;
            std::thread::sleep(Duration::from_secs(1));
            eprintln!("      Meta's queue is held, TikTok's goes on; mending the token");
            let faults = lab.get("/_lab/faults")?;
            for fault in faults.as_array().or_else(|| faults["faults"].as_array()).into_iter().flatten() {
                if fault["fault"] == "dead-token" {
                    lab.delete(&format!("/_lab/faults?id={}", fault["id"]))?;
                }
            }
            let status = child.wait()?;
            if !status.success() {
                bail!("the run with trouble ended with {status}; its store is {}", shown(&store));
            }
            let troubled: Value = read(&said)?;
            compare(&smooth, &troubled)?;
            Ok(lab)
        },
    )?;
    // At the lab that took the members, so that they are checked there.
    stages.step("The summary of the troubled run", || {
        must(&mut caravan_run(binary, &lab, people, &run_folder.join("trouble.caravan")))
    })?;
    eprintln!("The same totals, with and without trouble.");
    Ok(())
}

/// Every count by step, status and reason must be the same.
fn compare(smooth: &Value, troubled: &Value) -> Result<()> {
    let (calm, rough) = (totals::by_step(smooth), totals::by_step(troubled));
    if calm.is_empty() || calm != rough || totals::accounted(smooth) != totals::accounted(troubled) {
        bail!("the totals differ\n  without trouble {calm:?}\n  with trouble    {rough:?}");
    }
    eprintln!("      the same totals: {} entered, every step, status and reason equal", smooth["entered"]);
    Ok(())
}

fn start(command: &mut Command, stdout: Option<&Path>) -> Result<Child> {
    if let Some(file) = stdout {
        command.stdout(std::fs::File::create(file)?);
    }
    Ok(command.spawn()?)
}

/// Waits for something at the lab while the process lives.
fn wait_until(what: &str, child: &mut Child, mut seen: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !seen()? {
        if let Some(status) = child.try_wait()? {
            bail!("the run ended ({status}) before {what}");
        }
        if began.elapsed() > Duration::from_secs(120) {
            bail!("waited two minutes in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn writes(lab: &Lab, partner: &str) -> Result<u64> {
    let calls = lab.get("/_lab/calls")?;
    Ok(calls["partners"][partner]["writes"].as_u64().unwrap_or(0))
}

fn refused(lab: &Lab, partner: &str) -> Result<u64> {
    let calls = lab.get("/_lab/calls")?;
    Ok(calls["partners"][partner]["refused"].as_u64().unwrap_or(0))
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", shown(file)))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", shown(file)))
}

/// A path as people type it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn spell(command: &Command) -> String {
    let words = command.get_args().map(|word| shown(Path::new(word)));
    std::iter::once("caravan".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
