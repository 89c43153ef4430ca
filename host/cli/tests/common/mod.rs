//! The binary as a person runs it.
#![allow(dead_code)] // Each test file uses some of it.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a command gave.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// From a finished process.
    pub fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// A folder that goes with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    /// One with the repository's examples.
    pub fn with_examples() -> Folder {
        let folder = Folder::new();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        for name in ["win-back.yaml", "connections.yaml", "users-sample.csv"] {
            std::fs::copy(examples.join(name), folder.path(name)).expect("an example");
        }
        folder
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Folder {
        std::fs::write(self.path(name), bytes).expect("a file");
        self
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Its files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The command, in this folder, without anything of the person's environment that it reads.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caravan"));
        command.args(args).current_dir(self.0.path());
        for variable in ["CARAVAN_LAB", "CARAVAN_STORE", "CARAVAN_LOG"] {
            command.env_remove(variable);
        }
        // Compiled connectors are shared by all tests: compiling them takes longer than the tests.
        command.env("CARAVAN_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("components"));
        command
    }

    /// Runs it.
    pub fn caravan(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("the command runs"))
    }
}
