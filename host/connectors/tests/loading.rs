//! Loading: what is refused and in which words, and what loading and instantiating cost.
mod support;

use caravan_connectors::{Sandbox, SandboxOptions};
use caravan_model::Code;
use std::time::Instant;
use support::*;

fn problem(bytes: &[u8]) -> caravan_model::Problem {
    sandbox().load(bytes).expect_err("it must not load")
}

#[test]
fn bytes_that_are_no_component_are_refused() {
    for bytes in [&b"hello"[..], b"", b"\0asm\x01\0\0\0", &guest("meta")[..5000]] {
        let problem = problem(bytes);
        assert_eq!(problem.code, Code::NotAComponent, "{problem}");
        assert!(problem.cure.is_some_and(|cure| cure.contains("wasm32-wasip2")));
    }
}

/// The guest with its manifest's text changed, wherever it stands; both texts have one length.
fn with_manifest(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = guest("meta");
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from.as_bytes()).collect();
    assert!(!places.is_empty(), "the manifest has no `{from}`");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn a_component_for_another_contract_says_which_and_what_to_do() {
    let problem = problem(&with_manifest("\"wit\": \"0.1.0\"", "\"wit\": \"0.9.0\""));
    assert_eq!(problem.code, Code::WrongWorld);
    assert!(
        problem.message.contains("caravan:connector@0.9.0")
            && problem.message.contains("this host serves caravan:connector@0.1.0"),
        "{problem}"
    );
    assert!(problem.cure.is_some());
}

#[test]
fn a_manifest_that_cannot_be_used_is_refused() {
    for (from, to) in [
        ("\"manifest\": 1", "\"manifest\": 7"),
        ("\"actions\":", "\"axtions\":"),
        ("{audience}/users", "{adience}x/users"),
    ] {
        let problem = problem(&with_manifest(from, to));
        assert_eq!(problem.code, Code::BadManifest, "{problem}");
    }
    let problem = problem(&with_manifest("caravan:manifest", "caravan:maniFest"));
    assert_eq!(problem.code, Code::BadManifest);
    assert!(problem.message.contains("no section"), "{problem}");
}

#[test]
fn a_cached_component_loads_within_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    let options = SandboxOptions {
        cache_dir: Some(folder.path().join("compiled")),
        cache_key: Some([7; 32]),
        ..SandboxOptions::default()
    };
    let bytes = guest("meta");
    let began = Instant::now();
    Sandbox::new(options.clone()).unwrap().load(&bytes).unwrap();
    let fresh = began.elapsed();
    let files: Vec<_> = std::fs::read_dir(folder.path().join("compiled")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let sandbox = Sandbox::new(options).unwrap();
    let cached = (0..5)
        .map(|_| {
            let began = Instant::now();
            sandbox.load(&bytes).unwrap();
            began.elapsed()
        })
        .min()
        .unwrap();
    println!("compiled {fresh:?}, cached {cached:?}");
    assert!(cached.as_millis() <= 20, "{cached:?}");
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let options = SandboxOptions {
        cache_dir: Some(folder.path().to_owned()),
        cache_key: Some([7; 32]),
        ..SandboxOptions::default()
    };
    Sandbox::new(options).unwrap().load(&guest("meta")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_file_in_the_cache_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let options =
        SandboxOptions { cache_dir: Some(cache.clone()), cache_key: Some([7; 32]), ..SandboxOptions::default() };
    Sandbox::new(options.clone()).unwrap().load(&guest("meta")).unwrap();
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, b"no code").unwrap();
    Sandbox::new(options).unwrap().load(&guest("meta")).unwrap();
    assert!(std::fs::metadata(&file).unwrap().len() > 1000);
}
