//! Builds the guests, then the host, which embeds them.
use anyhow::{Context as _, Result, bail};
use std::{path::PathBuf, process::Command};
use xtask::stage::{Stages, cargo, must, root, target};

/// The guests' target.
const WASM: &str = "wasm32-wasip2";

/// Installs the wasm target where rustup lacks it.
pub fn wasm_target() -> Result<()> {
    let listed = Command::new("rustup").current_dir(root()).args(["target", "list", "--installed"]).output();
    let Ok(listed) = listed else {
        // Without rustup the toolchain comes from a package; the build says by itself if the target is missing.
        return Ok(());
    };
    if !String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.trim() == WASM) {
        must(Command::new("rustup").current_dir(root()).args(["target", "add", WASM]))
            .with_context(|| format!("the target {WASM} is needed for the connectors"))?;
    }
    Ok(())
}

/// Takes paths of this machine out of the components, so that the same sources give the same digest in every folder.
/// Joined with the flags of `guest-steps/.cargo/config.toml`.
fn without_paths() -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let places = [(root().to_string_lossy().into_owned(), "/caravan"), (home.unwrap_or_default(), "/cargo")];
    let flags = places.iter().filter(|(path, _)| !path.is_empty());
    let flags: Vec<String> =
        flags.map(|(path, name)| format!("{:?}", format!("--remap-path-prefix={path}={name}"))).collect();
    format!("target.{WASM}.rustflags=[{}]", flags.join(","))
}

/// Builds all components in `guest-steps/`.
pub fn guests(stages: &mut Stages) -> Result<()> {
    stages.step("Building the connectors (WebAssembly components)", || {
        wasm_target()?;
        // The guests' folder has its own Cargo configuration and target folder.
        let mut build = cargo();
        build.current_dir(root().join("guest-steps")).env_remove("CARGO_TARGET_DIR");
        must(build.args(["build", "--release", "--locked", "--quiet", "--config", &without_paths()]))
    })
}

/// Builds the binary and says where it is.
pub fn host(stages: &mut Stages) -> Result<PathBuf> {
    let binary = binary();
    let title = if binary.exists() {
        "Building the host".to_owned()
    } else {
        format!("Building the host for the first time: about {} on two cores, once", FIRST_BUILD)
    };
    stages.step(&title, || must(cargo().args(["build", "--locked", "--package", "caravan"])))?;
    if !binary.exists() {
        bail!("the build ended well, but {} is not there", binary.display());
    }
    Ok(binary)
}

/// Measured on two cores with an empty target folder, idle and busy: `cargo build --package caravan`.
pub const FIRST_BUILD: &str = "5 to 13 minutes";

/// Where the binary is.
pub fn binary() -> PathBuf {
    target().join("debug").join("caravan")
}
