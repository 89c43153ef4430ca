//! Node programs of others that the tests compare with: libraries that send events.
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {out}{err}", output.status);
    out.into_owned()
}

/// A folder with what `tests/sdk/package-lock.json` lists, made once beside the build's output.
fn packages() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = xtask::stage::target().join("sdk-node");
        let sources = xtask::stage::root().join("tests/sdk");
        let stamp = folder.join("installed");
        let wanted = std::fs::read(sources.join("package-lock.json")).expect("the list of packages");
        // Test programs run one after the other, so two never make it at the same time.
        if std::fs::read(&stamp).ok().as_deref() != Some(wanted.as_slice()) {
            std::fs::create_dir_all(&folder).expect("a folder");
            for file in ["package.json", "package-lock.json"] {
                std::fs::copy(sources.join(file), folder.join(file)).expect("a copy");
            }
            must(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--quiet"]).current_dir(&folder));
            std::fs::write(&stamp, wanted).expect("a stamp");
        }
        folder
    })
}

/// Runs a script of `tests/sdk/` with these arguments, and gives what it prints.
///
/// # Panics
/// It fails.
pub fn run(script: &str, arguments: &[&str]) -> String {
    let script = xtask::stage::root().join("tests/sdk").join(script);
    must(Command::new("node").arg(script).args(arguments).env("NODE_FOLDER", packages()))
}

/// Runs a script that must fail, and gives what it says on stderr.
///
/// # Panics
/// It does not fail.
pub fn fails(script: &str, arguments: &[&str]) -> String {
    let script = xtask::stage::root().join("tests/sdk").join(script);
    let mut command = Command::new("node");
    let output = command.arg(script).args(arguments).env("NODE_FOLDER", packages()).output().expect("node");
    assert!(!output.status.success(), "{command:?} did not fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
