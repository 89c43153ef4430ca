//! The partners' own SDKs work against the lab for listing, creating, adding and removing.
use caravan_tests::{Place, keys_of};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {out}{err}", output.status);
    out.into_owned()
}

/// A Python with the SDKs, made once beside the build's output.
fn python() -> PathBuf {
    let folder = xtask::stage::target().join("sdk-venv");
    let python = folder.join("bin/python");
    let requirements = xtask::stage::root().join("tests/sdk/requirements.txt");
    let stamp = folder.join("installed");
    let wanted = std::fs::read(&requirements).expect("the list of SDKs");
    if std::fs::read(&stamp).ok().as_deref() != Some(wanted.as_slice()) {
        must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        must(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    python
}

fn speaks(python: &Path, partner: &str, key: &str) {
    let lab = Place::new().lab();
    let addresses = lab.get("/").expect("addresses");
    let address = addresses["partners"][partner].as_str().expect("an address").to_owned();
    let script = xtask::stage::root().join("tests/sdk").join(format!("{partner}.py"));
    let said = must(Command::new(python).arg(script).arg(address));
    let said: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("JSON");
    let audience = said["audience"].as_str().expect("an audience");
    let expected: BTreeSet<String> =
        said["hashes"].as_array().expect("hashes").iter().filter_map(|hash| hash.as_str().map(str::to_owned)).collect();
    let found = keys_of(&lab, audience).expect("members");
    assert_eq!(found.get(key), Some(&expected), "{partner}: {:?}", found.keys());
}

#[test]
fn official_sdks_work_against_the_lab() {
    let python = python();
    speaks(&python, "meta", "EMAIL");
    speaks(&python, "tiktok", "EMAIL_SHA256");
}
