//! `cargo xtask bench`: builds, then hands over to the `bench` program of `tests/`, which knows the rooms.
use crate::build;
use anyhow::Result;
use xtask::stage::{Stages, cargo, must};

/// Runs the benchmark with these arguments.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut stages = Stages::new(3);
    build::guests(&mut stages)?;
    build::host(&mut stages)?;
    stages.step("Measuring", || {
        must(
            cargo()
                .args(["run", "--quiet", "--locked", "--package", "caravan-bench", "--bin", "bench", "--"])
                .args(arguments),
        )
    })
}
