//! Python programs of others that the tests compare with: the partners' SDKs, another phone library.
use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

fn must(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let text = input.to_owned();
    // Written beside reading, so that neither side waits for the other with a full pipe.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {out}{err}", output.status);
    writer.join().expect("the writer").expect("all of the input");
    out.into_owned()
}

/// A Python with what `tests/sdk/requirements.txt` lists, made once beside the build's output.
fn interpreter() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = xtask::stage::target().join("sdk-venv");
        let python = folder.join("bin/python");
        let requirements = xtask::stage::root().join("tests/sdk/requirements.txt");
        let stamp = folder.join("installed");
        let wanted = std::fs::read(&requirements).expect("the list of packages");
        // Test programs run one after the other, so two never make it at the same time.
        if std::fs::read(&stamp).ok().as_deref() != Some(wanted.as_slice()) {
            must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), "");
            must(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements), "");
            std::fs::write(&stamp, wanted).expect("a stamp");
        }
        python
    })
}

/// Runs a program that came with these packages in a folder, and gives what it prints.
pub fn program(name: &str, arguments: &[&str], folder: &std::path::Path) -> String {
    must(Command::new(interpreter().with_file_name(name)).args(arguments).current_dir(folder), "")
}

/// Runs a script of `tests/sdk/` with these arguments and this input, and gives what it prints.
pub fn run(script: &str, arguments: &[&str], input: &str) -> String {
    must(&mut command(script, arguments), input)
}

/// The same for a script that trusts the authority in a file, and no other.
pub fn run_trusting(authority: &str, script: &str, arguments: &[&str]) -> String {
    // The second is read by the library `requests`, the first by all others.
    let trust = [("SSL_CERT_FILE", authority), ("REQUESTS_CA_BUNDLE", authority)];
    must(command(script, arguments).arg(authority).envs(trust), "")
}

fn command(script: &str, arguments: &[&str]) -> Command {
    let script = xtask::stage::root().join("tests/sdk").join(script);
    let mut command = Command::new(interpreter());
    command.arg(script).args(arguments);
    command
}
