//! Bytes that are made to hurt whoever reads or compiles them: each is refused with a code, quickly, and in no way that
//! takes this process along.
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use caravan_connectors::{Compiler, Outline, Sandbox, SandboxOptions};
use caravan_model::Code;
use proptest::prelude::*;
use std::time::Duration;
use support::*;

fn leb(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(bytes.len()), bytes].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
}

fn custom(data: &[u8]) -> Vec<u8> {
    let name = b"caravan:manifest";
    section(0, &[&leb(name.len())[..], name, data].concat())
}

/// A component that exports what a destination does, with no code behind it.
fn destination(manifest: &[u8]) -> Vec<u8> {
    let names = ["accounts", "audiences", "create-audience", "check", "sync", "follow-up"];
    let export = |name: &&str| [&[0][..], &leb(name.len()), name.as_bytes(), &[1, 0, 0]].concat();
    let exports: Vec<u8> = names.iter().flat_map(export).collect();
    component(&[custom(manifest), section(11, &[&leb(names.len())[..], &exports].concat())])
}

/// A component that imports so many names, each of another version of the contract.
fn importing(many: usize) -> Vec<u8> {
    // An import: its name, an instance, of the type that stands first.
    let import = |at: usize| {
        let name = format!("caravan:connector/types@0.0.{at}");
        [&[0][..], &leb(name.len()), name.as_bytes(), &[5, 0]].concat()
    };
    let imports: Vec<u8> = (0..many).flat_map(import).collect();
    // A type section with an instance type that declares nothing.
    component(&[section(7, &[1, 0x42, 0]), section(10, &[&leb(many)[..], &imports].concat())])
}

/// A component in a component in a component.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))
}

/// A section of one type: a component type that declares a component type that declares …
fn deep_type(depth: usize) -> Vec<u8> {
    let types = [[0x41, 1, 1].repeat(depth), vec![0x41, 0]].concat();
    section(7, &[&[1], &types[..]].concat())
}

fn code(bytes: &[u8]) -> Code {
    Outline::read(bytes).expect_err("it must be refused").code
}

#[test]
fn bytes_made_to_hurt_are_refused_before_anything_is_compiled() {
    let meta = guest("meta");
    let manifest = include_bytes!("../../../guest-steps/meta/manifest.json");
    let template = include_str!("../../../guest-steps/template/manifest.json");
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let huge = format!("{{\"manifest\": 1, \"name\": \"{}\"}}", "a".repeat(2 << 20));
    let many = String::from_utf8_lossy(manifest).replacen(
        "\"hosts\": [",
        &format!("\"hosts\": [{}", "\"a.example\",".repeat(90_000)),
        1,
    );
    let bomb = template.replace("/v1/audiences/{audience}/members", "/{any}{any}{any}{any}{any}{any}x");
    assert!(Outline::read(&destination(template.as_bytes())).is_ok() && bomb != template);
    for (what, bytes, wanted) in [
        ("nothing", Vec::new(), Code::NotAComponent),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), Code::NotAComponent),
        ("another version", b"\0asm\x0e\0\x01\0".to_vec(), Code::NotAComponent),
        ("machine code", b"\x7fELF\x02\x01\x01".to_vec(), Code::NotAComponent),
        ("an empty component", component(&[]), Code::BadManifest),
        (
            "a section that ends behind the bytes",
            component(&[vec![4, 0xff, 0xff, 0xff, 0xff, 0x0f]]),
            Code::NotAComponent,
        ),
        ("a length that does not end", component(&[vec![0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]]), Code::NotAComponent),
        ("a section of no kind", component(&[section(99, b"x")]), Code::BadManifest),
        ("two hundred deep", nested(200), Code::NotAComponent),
        ("types a hundred thousand deep", component(&[deep_type(100_000), custom(manifest)]), Code::WrongWorld),
        ("five thousand names", importing(5_000), Code::NotAComponent),
        ("half a component", meta[..meta.len() / 2].to_vec(), Code::NotAComponent),
        ("a component and rubbish", [meta.clone(), b"rubbish".to_vec()].concat(), Code::NotAComponent),
        ("more than 64 MiB", vec![0; (64 << 20) + 1], Code::NotAComponent),
        ("a huge manifest", component(&[custom(huge.as_bytes())]), Code::BadManifest),
        ("a manifest of 90,000 hosts", component(&[custom(many.as_bytes())]), Code::BadManifest),
        ("a manifest a hundred thousand deep", component(&[custom(&deep)]), Code::BadManifest),
        ("a path of six {any}", destination(bomb.as_bytes()), Code::BadManifest),
        ("a manifest in no text", component(&[custom(b"\xff\xfe")]), Code::BadManifest),
        ("two manifests", component(&[custom(b"{}"), custom(b"[]")]), Code::BadManifest),
        ("a manifest without a component", component(&[custom(manifest)]), Code::WrongWorld),
    ] {
        assert_eq!(code(&bytes), wanted, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed in a component's bytes, reading its outline gives an answer.
    #[test]
    fn a_touched_component_is_read_or_refused(at in 0usize..250_000, with in prop::collection::vec(any::<u8>(), 1..40)) {
        let mut bytes = guest("meta");
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at.min(end)..end, with);
        if let Err(problem) = Outline::read(&bytes) {
            prop_assert!([Code::NotAComponent, Code::WrongWorld, Code::BadManifest].contains(&problem.code));
        }
    }

    /// Whatever stands in the manifest, reading it gives an answer.
    #[test]
    fn any_manifest_is_read_or_refused(json in ".{0,300}") {
        prop_assert!(Outline::read(&component(&[custom(json.as_bytes())])).is_err());
    }
}

fn with_compiler(script: &str) -> SandboxOptions {
    let mut compiler = Compiler::new("/bin/sh".into(), ["-c".into(), script.into()]);
    // Who hangs is not waited for long; the others may be slow.
    compiler.time = Duration::from_millis(if script.contains("sleep") { 500 } else { 60_000 });
    SandboxOptions { compiler: Some(compiler), ..SandboxOptions::default() }
}

#[cfg(unix)]
#[test]
fn a_compiler_that_hangs_dies_or_lies_costs_one_component_and_nothing_else() {
    for (script, words) in [
        ("exec sleep 60", "longer than"),
        ("kill -SEGV $$", "without a word"),
        ("echo these bytes are bad >&2; exit 2", "these bytes are bad"),
        ("cat", "cannot be compiled"),
        ("head -c 100000 /dev/zero", "cannot be compiled"),
    ] {
        let sandbox = Sandbox::new(with_compiler(script)).unwrap();
        let problem = sandbox.load(&guest("template")).expect_err(script);
        assert_eq!(problem.code, Code::NotAComponent, "{script}");
        assert!(problem.message.contains(words), "{script}: {problem}");
    }
}

#[cfg(unix)]
#[test]
fn a_compiler_sees_nothing_of_this_process_and_has_its_memory_bounded() {
    let sandbox =
        Sandbox::new(with_compiler("env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; ulimit -v >&2; exit 2")).unwrap();
    let problem = sandbox.load(&guest("template")).expect_err("it compiles nothing");
    assert!(problem.message.contains("4194304"), "{problem}");
    for variable in ["HOME", "CARGO", "USER", "CARAVAN"] {
        assert!(!problem.message.contains(variable), "{variable}: {problem}");
    }
}
