//! Connectors in a real OCI registry on this machine: Debian's `docker-registry`, which `cargo xtask test` installs.
mod common;
use common::{Folder, Ran};
use std::io::{BufRead as _, BufReader};
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
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let root = folder.path("registry");
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:{port}\n",
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
