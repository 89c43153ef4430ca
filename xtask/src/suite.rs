//! `cargo xtask test`: everything, from a fresh clone.
use crate::{build, demo, tidy};
use anyhow::{Result, bail};
use std::process::Command;
use xtask::stage::{Stages, cargo, must, root};

/// Runs the suite. `--full` multiplies the random cases.
pub fn run(arguments: &[String]) -> Result<()> {
    let full = match arguments {
        [] => false,
        [flag] if flag == "--full" => true,
        [word, ..] => bail!(
            "`cargo xtask test` knows only --full, and was given `{}`",
            arguments.iter().find(|word| *word != "--full").unwrap_or(word)
        ),
    };
    let mut stages = Stages::new(6);
    others()?;
    stages.step("Tidy: formatting, file sizes, paths in the docs", tidy::run)?;
    build::guests(&mut stages)?;
    stages.step("Connectors: their own tests, natively", || {
        must(cargo().current_dir(root().join("guest-steps")).env_remove("CARGO_TARGET_DIR").args([
            "test",
            "--locked",
            "--quiet",
            "--target",
            host_triple(),
        ]))
    })?;
    build::host(&mut stages)?;
    stages.step("Building the tests", || must(cargo().args(["test", "--locked", "--workspace", "--no-run"])))?;
    stages.step("Unit, property, conformance, end to end, crash, hostile", || {
        let mut tests = cargo();
        tests.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
        if full {
            tests.env("CARAVAN_TEST_FULL", "1").env("PROPTEST_CASES", "2048");
        }
        must(&mut tests)
    })?;
    // Two partners in trouble, a kill in between, and the same totals: as a newcomer runs it, with fewer people.
    demo::run(&demo::Options { trouble: true, again: false, people: 60_000 })?;
    eprintln!("The whole suite is green.");
    Ok(())
}

/// The tests compare with Python and Node programs of others, and speak with a registry; where one is missing, Debian's package is installed.
fn others() -> Result<()> {
    let works = |command: &str, arguments: &[&str]| {
        Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let python = || works("python3", &["-c", "import ensurepip, venv"]);
    let node = || works("node", &["--version"]) && works("npm", &["--version"]);
    let registry = || works("docker-registry", &["--version"]);
    let mut packages = Vec::new();
    if !registry() {
        packages.push("docker-registry");
    }
    if !python() {
        packages.push("python3-venv");
    }
    if !node() {
        packages.extend(["nodejs", "npm"]);
    }
    if packages.is_empty() {
        return Ok(());
    }
    // Without root, or elsewhere than on Debian, this fails, and the words below say what to do.
    let install = [&["install", "-y", "-qq"], packages.as_slice()].concat();
    for arguments in [["update", "-qq"].as_slice(), &install] {
        if !Command::new("apt-get").args(arguments).status().is_ok_and(|status| status.success()) {
            break;
        }
    }
    if !python() || !node() || !registry() {
        bail!("the suite needs programs of others: install {} (the names of Debian's packages)", packages.join(", "));
    }
    Ok(())
}

/// This machine's triple, for which guests' native tests and fuzz targets are built.
pub(crate) fn host_triple() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}
