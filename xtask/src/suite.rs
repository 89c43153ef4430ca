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
        _ => bail!("`cargo xtask test` knows only --full"),
    };
    let mut stages = Stages::new(6);
    python()?;
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

/// The tests compare with Python programs of others; where Python cannot make environments, Debian's package is installed.
fn python() -> Result<()> {
    let there =
        || Command::new("python3").args(["-c", "import ensurepip, venv"]).output().is_ok_and(|o| o.status.success());
    if there() {
        return Ok(());
    }
    // Without root, or elsewhere than on Debian, this fails, and the words below say what to do.
    for arguments in [["update", "-qq"].as_slice(), &["install", "-y", "-qq", "python3-venv"]] {
        if !Command::new("apt-get").args(arguments).status().is_ok_and(|status| status.success()) {
            break;
        }
    }
    if !there() {
        bail!("the suite needs python3 with venv, for the partners' own SDKs: install it (Debian: python3-venv)");
    }
    Ok(())
}

/// The triple that the guests' native tests are built for.
fn host_triple() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}
