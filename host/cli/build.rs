//! Puts the guests that are built into the binary: `connector: meta` then works wherever it is started from.
//!
//! A guest that is not built is left out, and `connector: meta` says how to build it.
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The connectors of this repository.
const NAMES: &[&str] =
    &["criteo", "experience-platform", "google", "marketo", "meta", "pinterest", "snapchat", "tiktok"];

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let folder = root.join("guest-steps/target/wasm32-wasip2/release");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let mut list = "&[\n".to_owned();
    for name in NAMES {
        let from = folder.join(format!("{}.wasm", name.replace('-', "_")));
        // A path that is not there counts as changed at every build; then its folder is watched instead.
        let watched = from.ancestors().find(|path| path.exists()).unwrap_or(&root);
        println!("cargo::rerun-if-changed={}", watched.display());
        let bytes = if from.exists() {
            let to = Path::new(&out).join(format!("{name}.wasm"));
            fs::copy(&from, &to).expect("the guest can be copied");
            format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")))")
        } else {
            "None".to_owned()
        };
        writeln!(list, "    Bundled {{ name: {name:?}, bytes: {bytes} }},").expect("memory");
    }
    list.push_str("]\n");
    fs::write(Path::new(&out).join("bundled.rs"), list).expect("the list can be written");
}
