//! The binary as its user runs it.
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use xtask::lab::Lab;

/// The binary that `cargo test` and `cargo xtask` build.
pub fn binary() -> PathBuf {
    // A test runs as target/debug/deps/NAME-HASH; the benchmark as target/debug/bench.
    let me = std::env::current_exe().unwrap_or_default();
    let near = me.ancestors().map(|folder| folder.join("caravan")).find(|path| path.is_file());
    near.unwrap_or_else(|| xtask::stage::target().join("debug/caravan"))
}

/// A component built from `guest-steps/`.
pub fn guest(name: &str) -> PathBuf {
    let file = xtask::stage::root().join("guest-steps/target/wasm32-wasip2/release").join(format!("{name}.wasm"));
    assert!(file.is_file(), "{name}.wasm is not built: run `cargo xtask build-guests`");
    file
}

/// Both partners at the lab, with one account each.
pub const LAB_CONNECTIONS: &str = r#"
format: 1
connections:
  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 } }
  lab-tiktok: { connector: tiktok, lab: true, accounts: { main: "7000000000000000001" } }
"#;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its words.
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It does not start.
    pub fn of(command: &mut Command) -> Ran {
        let output = command.output().expect("it starts");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Insists on an exit code.
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// A folder of one test, with its canvases, connections, people and stores.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A new, empty folder.
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the temporary folder");
        path
    }

    /// `caravan …` in this folder, with a compile cache of all tests together.
    pub fn caravan<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("CARAVAN_LAB").env("CARAVAN_CACHE", xtask::stage::target().join("test-cache"));
        command
    }

    /// Runs it to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(&mut self.caravan(arguments))
    }

    /// Makes synthetic people.
    pub fn people(&self, name: &str, count: u64, seed: u64) -> PathBuf {
        let path = self.path(name);
        let (count, seed) = (count.to_string(), seed.to_string());
        let out = path.to_string_lossy().into_owned();
        self.run(["lab", "people", "--count", &count, "--seed", &seed, "--out", &out]).expect(0);
        path
    }

    /// A lab of this test.
    pub fn lab(&self) -> Lab {
        Lab::start(&binary(), &["--quiet"]).expect("the lab starts")
    }
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
}

/// The partner's id of the only audience with this name at the lab.
///
/// # Errors
/// Where there is none, or more than one.
pub fn audience_named(lab: &Lab, name: &str) -> Result<String> {
    let all = lab.get("/_lab/audiences")?;
    let list = all.as_array().or_else(|| all["audiences"].as_array()).ok_or_else(|| anyhow!("no list: {all}"))?;
    let mut found: Vec<String> = Vec::new();
    for audience in list.iter().filter(|audience| audience["name"] == name) {
        let id = audience["audience"].as_str().or_else(|| audience["id"].as_str()).context("an audience without id")?;
        found.push(id.to_owned());
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        other => bail!("{} audiences named {name}: {all}", other.len()),
    }
}

/// What stands in an audience at the lab: key → values.
///
/// # Errors
/// Where the lab has no such audience.
pub fn keys_of(lab: &Lab, audience: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let members = lab.get(&format!("/_lab/audiences/{audience}/members"))?;
    let keys = members["keys"].as_object().ok_or_else(|| anyhow!("no keys: {members}"))?;
    let values = |list: &Value| {
        list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    Ok(keys.iter().map(|(key, list)| (key.clone(), values(list))).filter(|(_, set)| !set.is_empty()).collect())
}

/// Waits for something, for two minutes at most.
pub fn patient(what: &str, mut seen: impl FnMut() -> bool) {
    let began = Instant::now();
    while !seen() {
        assert!(began.elapsed() < Duration::from_secs(120), "waited two minutes in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A path as an argument.
pub fn word(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
