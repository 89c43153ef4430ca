//! Connectors in a real OCI registry on this machine: Debian's `docker-registry`, which `cargo xtask test` installs.
mod common;
use common::{Folder, Ran};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry over a folder, which ends with the test.
struct Registry {
    child: Child,
    at: String,
    blobs: PathBuf,
}

impl Registry {
    fn start(folder: &Folder) -> Registry {
        Registry::start_with(folder, "")
    }

    /// With more of a configuration.
    fn start_with(folder: &Folder, more: &str) -> Registry {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let root = folder.path("registry");
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            root.display()
        );
        folder.write("registry.yml", config);
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path("registry.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Debian's package docker-registry, which `cargo xtask test` installs");
        let told = child.stderr.take().expect("its errors");
        std::thread::spawn(move || BufReader::new(told).lines().for_each(drop));
        let by = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < by, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Registry { child, at: format!("localhost:{port}"), blobs: root.join("docker/registry/v2/blobs/sha256") }
    }

    /// The file of a blob.
    fn blob(&self, digest: &str) -> PathBuf {
        self.blobs.join(&digest[..2]).join(digest).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran
}

fn caravan(folder: &Folder, args: &[&str]) -> Ran {
    Ran::of(folder.command(args).output().expect("it runs"))
}

fn meta() -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-steps/target/wasm32-wasip2/release/meta.wasm");
    std::fs::read(file).expect("build the guests first: cargo xtask build-guests")
}

/// Spoils one byte in the middle of a file.
fn spoil(file: &Path) {
    let mut bytes = std::fs::read(file).expect("the registry's file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("spoilt");
}

#[test]
fn a_connector_is_pushed_installed_by_tag_and_by_digest_and_refused_once_the_registry_changed_it() {
    let folder = Folder::new();
    let registry = Registry::start(&folder);
    folder.write("meta.wasm", meta());
    let tag = format!("oci://{}/acme/ads:1.0", registry.at);
    let pushed = good(caravan(&folder, &["connector", "push", "meta.wasm", &tag, "--json"])).json();
    let exactly = pushed["exactly"].as_str().expect("a digest").to_owned();
    // Pushed again, nothing changes at the registry but the time in its config.
    good(caravan(&folder, &["connector", "push", "meta.wasm", &tag.replace("1.0", "again")]));
    let install =
        |from: &str, store: &str| caravan(&folder, &["connector", "install", from, "--store", store, "--json"]);
    let by_tag = good(install(&tag, "tag.caravan")).json();
    let by_digest = good(install(&exactly, "digest.caravan")).json();
    let digest = by_tag["digest"].as_str().expect("a digest").to_owned();
    assert_eq!((&by_tag["digest"], by_tag["name"].as_str()), (&by_digest["digest"], Some("meta")));
    let file = good(caravan(&folder, &["connector", "inspect", "./meta.wasm", "--json"])).json();
    assert_eq!(file["digest"].as_str(), Some(digest.as_str()), "the very bytes that were pushed");
    let listed = good(caravan(&folder, &["connector", "list", "--store", "tag.caravan"]));
    assert!(listed.out.contains("waits for approval"), "{}", listed.out);

    // The artifact is what the conventions say.
    let manifest =
        std::fs::read_to_string(registry.blob(exactly.rsplit(':').next().expect("digits"))).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");

    // Nothing of the name, and nothing that is no reference.
    let missing = install(&tag.replace("1.0", "9.9"), "x.caravan");
    assert!(missing.code == 2 && missing.err.contains("CV056"), "{}", missing.err);
    let wrong = install("oci://nowhere", "x.caravan");
    assert!(wrong.code == 2 && wrong.err.contains("CV090"), "{}", wrong.err);

    // The registry changes the component's bytes, then the manifest: neither is taken.
    let layer = registry.blob(&digest);
    let was = std::fs::read(&layer).expect("the layer");
    spoil(&layer);
    for from in [&tag, &exactly] {
        let refused = install(from, "x.caravan");
        assert!(refused.code == 2 && refused.err.contains("they were changed"), "{}", refused.err);
    }
    std::fs::write(&layer, was).expect("mended");
    let manifest = registry.blob(exactly.rsplit(':').next().expect("digits"));
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    std::fs::write(&manifest, text.replace("\"schemaVersion\":2", "\"schemaVersion\": 2")).expect("changed");
    let refused = install(&exactly, "x.caravan");
    assert!(refused.code == 2 && refused.err.contains("CV056"), "{}", refused.err);
    assert!(!folder.path("x.caravan").exists(), "nothing was kept");
}

#[test]
fn a_registry_that_asks_who_you_are_is_told_by_the_environment_or_by_stdin_and_by_nothing_that_others_see() {
    // `lea` with the password `pass-word`, as htpasswd writes it (bcrypt).
    const USERS: &str = "lea:$2b$05$abcdefghijklmnopqrstuulQElbHkP7vjLqXxb3Lzm18cJsfRyGH6\n";
    let folder = Folder::new();
    folder.write("users", USERS);
    let more = format!("auth:\n  htpasswd: {{ realm: registry, path: {} }}\n", folder.path("users").display());
    let registry = Registry::start_with(&folder, &more);
    folder.write("meta.wasm", meta());
    let tag = format!("oci://{}/acme/ads:1.0", registry.at);
    let run = |args: &[&str], variables: &[(&str, &str)], stdin: Option<&str>| {
        let mut command = folder.command(args);
        command.env_remove("CARAVAN_OCI_USER").env_remove("CARAVAN_OCI_PASSWORD").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut input = child.stdin.take().expect("stdin");
        // It may end without reading.
        let _ = input.write_all(stdin.unwrap_or_default().as_bytes());
        drop(input);
        Ran::of(child.wait_with_output().expect("it ends"))
    };
    let push = ["connector", "push", "meta.wasm", tag.as_str()];
    let install = ["connector", "install", tag.as_str(), "--store", "s.caravan"];
    let lea = [("CARAVAN_OCI_USER", "lea"), ("CARAVAN_OCI_PASSWORD", "pass-word")];
    // Nobody, the wrong password, and half of who it is.
    for (variables, code) in [
        (&[][..], "CV056"),
        (&[lea[0], ("CARAVAN_OCI_PASSWORD", "wrong")], "CV056"),
        (&lea[..1], "CV090"),
        (&lea[1..], "CV090"),
    ] {
        let ran = run(&push, variables, None);
        assert!(
            ran.code == 2 && ran.err.contains(code) && !ran.err.contains("pass-word"),
            "{variables:?}: {}",
            ran.err
        );
    }
    let ran = run(&install, &[], None);
    assert!(
        ran.code == 2 && ran.err.contains("does not let you in") && ran.err.contains("--password-stdin"),
        "{}",
        ran.err
    );
    good(run(&push, &lea, None));
    let by_stdin = [&install[..], &["--user", "lea", "--password-stdin"]].concat();
    for (said, code) in [("", "CV090"), ("wrong\n", "CV056")] {
        let ran = run(&by_stdin, &[], Some(said));
        assert!(ran.code == 2 && ran.err.contains(code) && !ran.err.contains("wrong"), "{said}: {}", ran.err);
    }
    // What is on stdin goes before what is in the environment.
    let ran = good(run(&by_stdin, &[("CARAVAN_OCI_PASSWORD", "stale")], Some("pass-word\n")));
    assert!(!ran.out.contains("pass-word") && !ran.err.contains("pass-word"), "{}{}", ran.out, ran.err);
    let again = good(run(&install, &lea, None));
    assert!(again.out.contains("meta"), "{}", again.out);
}
