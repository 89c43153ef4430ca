//! Stages with elapsed time, on stderr.
use anyhow::{Context as _, Result, bail};
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// The repository's top folder.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where Cargo puts its output.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs us.
///
/// What `cargo run` sets for us must not reach it: build scripts (ring's) would see other variables than in a build by
/// hand, and everything above them would be compiled again at each change of hands.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.starts_with(prefix));
        if ours || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Counts stages and says how long each took.
pub struct Stages {
    all: usize,
    now: usize,
    began: Instant,
}

impl Stages {
    /// So many stages to come.
    pub fn new(all: usize) -> Stages {
        Stages { all, now: 0, began: Instant::now() }
    }

    /// Begins a stage, does it, says how long it took.
    pub fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.now += 1;
        eprintln!("[{}/{}] {title} …", self.now, self.all.max(self.now));
        let began = Instant::now();
        let done = work().with_context(|| format!("while: {title}"))?;
        eprintln!("      done in {} ({} in all)", spell(began.elapsed()), spell(self.began.elapsed()));
        Ok(done)
    }
}

/// `1m 07s`, `3.2s`.
pub fn spell(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1}s", time.as_secs_f64())
    }
}

/// Runs a command; its output goes where ours goes.
pub fn must(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
