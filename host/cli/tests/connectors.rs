//! A stranger's connector is installed, looked at, allowed, upgraded, rolled back and removed, and until somebody allows it
//! nothing of it is used.
mod common;
use common::{Folder, Ran};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[track_caller]
fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran
}

/// The connector for Meta with texts of its manifest changed, each into one of the same length.
fn version(changes: &[(&str, &str)]) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-steps/target/wasm32-wasip2/release/meta.wasm");
    let mut bytes = std::fs::read(file).expect("build the guests first: cargo xtask build-guests");
    for (from, to) in changes {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "{from}");
        places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    }
    bytes
}

const NEXT: (&str, &str) = ("\"version\": \"0.1.0\"", "\"version\": \"0.1.1\"");
const WIDER: (&str, &str) = (
    "\"path\": \"/{settings.api_version}/{audience}/users\"",
    "\"path\": \"/{settings.api_version}/{any}/users\"     ",
);

const ACME: (&str, &str) = ("\"name\": \"meta\"", "\"name\": \"acme\"");

fn ann(folder: &Folder, args: &[&str]) -> Ran {
    ann_alone(folder, &[args, &["--store", "s.caravan"]].concat())
}

fn states(folder: &Folder) -> Vec<(String, String)> {
    let list = good(ann(folder, &["connector", "list", "--json"])).json();
    let rows = list.as_array().expect("rows").iter().filter(|row| row["version"] != "");
    rows.map(|row| {
        (row["version"].as_str().unwrap_or_default().to_owned(), row["state"].as_str().unwrap_or_default().to_owned())
    })
    .collect()
}

fn pair(version: &str, state: &str) -> (String, String) {
    (version.to_owned(), state.to_owned())
}

#[test]
fn a_component_is_used_only_once_somebody_allowed_it() {
    let folder = Folder::with_examples();
    folder.write("stranger.wasm", version(&[ACME]));
    folder.write("connections.yaml", folder.read("connections.yaml").replace("connector: meta", "connector: acme"));
    let installed = good(ann(&folder, &["connector", "install", "stranger.wasm"]));
    assert!(installed.out.contains("waits for approval"), "{}", installed.out);
    assert_eq!(states(&folder), [pair("0.1.0", "waits for approval")]);
    let run = ["run", "win-back.yaml", "--users", "users-sample.csv"];
    let refused = ann(&folder, &run);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("CV054") && refused.err.contains("connector grant acme"), "{}", refused.err);
    let allowed = good(ann(&folder, &["connector", "grant", "acme", "--as-asked"]));
    assert!(allowed.out.contains("grants/acme.yaml") && !allowed.out.contains('!'), "{}", allowed.out);
    assert_eq!(states(&folder), [pair("0.1.0", "in use")]);
    let grant = folder.read("grants/acme.yaml");
    assert!(grant.contains("connector: acme@sha256:") && grant.contains("\"graph.facebook.com\": ["), "{grant}");
    good(ann(&folder, &["canvas", "validate", "win-back.yaml"]));
}

#[test]
fn what_nobody_allowed_takes_no_bundled_name_and_whoever_allows_it_is_told_what_changes_hands() {
    let folder = Folder::with_examples();
    let eve = ("\"name\": \"Caravan\"", "\"name\": \"Eve Ads\"");
    folder.write("stranger.wasm", version(&[NEXT, WIDER, eve]));
    let installed = good(ann(&folder, &["connector", "install", "stranger.wasm"]));
    assert!(installed.out.contains("! `meta` is the name of a bundled connector"), "{}", installed.out);
    // The bundled one goes on as before.
    let run = ["run", "win-back.yaml", "--users", "users-sample.csv", "--json"];
    good(ann(&folder, &run));
    let loads = |folder: &Folder| {
        let chain = good(ann(folder, &["audit", "list", "--json"])).json();
        chain.as_array().expect("notes").iter().filter(|note| note["verb"] == "connector.load").count()
    };
    assert_eq!(loads(&folder), 0, "nothing of a stranger was loaded");
    let taken = [
        "it takes the name of the bundled `meta` 0.1.0",
        "would go through it: lab-meta",
        "! another publisher says so of itself: Caravan",
        "→ Eve Ads",
        "+ may POST https://graph.facebook.com/{settings.api_version}/{any}/users",
    ];
    let looked = good(ann(&folder, &["connector", "inspect", "meta"])).out;
    taken.iter().for_each(|words| assert!(looked.contains(words), "{words}: {looked}"));
    // What of a route the stranger fills in freely stands out, and nothing of a route is kept back.
    for words in [
        "! POST https://graph.facebook.com/{settings.api_version}/{any}/users: changes members, and neither",
        "may stand in the query as after, fields",
        "query: after=*, fields=*, limit={any}",
        "body: application/json",
    ] {
        assert!(looked.contains(words), "{words}: {looked}");
    }
    assert!(!looked.contains("\nAllowed\n"), "{looked}");
    let json = good(ann(&folder, &["connector", "inspect", "meta", "--json"])).json();
    assert_eq!(json["takes_over"]["connections"], serde_json::json!(["lab-meta"]), "{json}");
    let granted = good(ann(&folder, &["connector", "grant", "meta", "--as-asked"])).out;
    taken.iter().for_each(|words| assert!(granted.contains(words), "{words}: {granted}"));
    let looked = good(ann(&folder, &["connector", "inspect", "meta"])).out;
    assert!(looked.contains("\nAllowed\n  all that it asks for") && looked.contains("wall_ms: 300000"), "{looked}");
    good(ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv", "--json", "--again"]));
    assert_eq!(loads(&folder), 1, "now it is the stranger's");
    // One command goes back to what is inside the program.
    good(ann(&folder, &["connector", "rollback", "meta"]));
    good(ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv", "--json", "--again"]));
    assert_eq!(loads(&folder), 1);
    assert_eq!(ann(&folder, &["connector", "rollback", "meta"]).code, 2, "there is nothing before");
}

#[test]
fn what_a_reviewed_grant_leaves_out_is_denied_with_the_line_that_would_allow_it() {
    let folder = Folder::with_examples();
    folder.write("stranger.wasm", version(&[]));
    good(ann(&folder, &["connector", "install", "stranger.wasm"]));
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    let text = folder.read("grants/meta.yaml");
    let less = text.lines().map(|line| if line.starts_with("send:") { "send: [\"FN\", \"PASSPORT\"]" } else { line });
    folder.write("less.yaml", less.collect::<Vec<_>>().join("\n"));
    let given = good(ann(&folder, &["connector", "grant", "meta", "--file", "less.yaml"]));
    assert!(given.err.contains("PASSPORT") && given.err.contains("no effect"), "{}", given.err);
    assert!(given.out.contains("send: [EMAIL]"), "{}", given.out);
    let ran = ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv", "--json"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let queues = ann(&folder, &["queue", "list", "--json"]);
    assert!(queues.out.contains("CV060") && queues.out.contains("send: ["), "{}", queues.out);
}

#[test]
fn an_upgrade_that_asks_for_no_more_goes_through_and_one_command_goes_back() {
    let folder = Folder::new();
    folder.write("1.wasm", version(&[])).write("2.wasm", version(&[NEXT]));
    good(ann(&folder, &["connector", "install", "1.wasm"]));
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    good(ann(&folder, &["connector", "install", "2.wasm"]));
    let tried = good(ann(&folder, &["connector", "upgrade", "meta", "--only", "shop"]));
    assert!(tried.out.contains("asks for the same as before"), "{}", tried.out);
    assert_eq!(states(&folder), [pair("0.1.0", "in use"), pair("0.1.1", "allowed, not in use; pinned by shop")]);
    good(ann(&folder, &["connector", "rollback", "meta"]));
    good(ann(&folder, &["connector", "upgrade", "meta"]));
    assert_eq!(states(&folder), [pair("0.1.0", "in use before"), pair("0.1.1", "in use")]);
    good(ann(&folder, &["connector", "rollback", "meta"]));
    assert_eq!(states(&folder), [pair("0.1.0", "in use"), pair("0.1.1", "kept")]);
    assert_eq!(ann(&folder, &["connector", "rollback", "meta"]).code, 2, "there is nothing before");
}

#[test]
fn an_upgrade_that_widens_waits_for_a_grant_while_the_version_before_goes_on() {
    let folder = Folder::new();
    folder.write("1.wasm", version(&[])).write("2.wasm", version(&[NEXT, WIDER]));
    let grant = ["connector", "grant", "meta", "--as-asked"];
    good(ann(&folder, &["connector", "install", "1.wasm"]));
    good(ann(&folder, &grant));
    good(ann(&folder, &["connector", "install", "2.wasm"]));
    let waits = ann(&folder, &["connector", "upgrade", "meta"]);
    assert_eq!(waits.code, 1, "{}\n{}", waits.out, waits.err);
    assert!(
        waits.out.contains("+ may now POST https://graph.facebook.com/{settings.api_version}/{any}/users"),
        "{}",
        waits.out
    );
    assert_eq!(states(&folder), [pair("0.1.0", "in use"), pair("0.1.1", "waits for approval")]);
    good(ann(&folder, &grant));
    good(ann(&folder, &["connector", "upgrade", "meta"]));
    assert_eq!(states(&folder), [pair("0.1.0", "in use before"), pair("0.1.1", "in use")]);
}

/// `tests/tests/approval.rs` shows that another member can.
#[test]
fn where_the_policy_wants_somebody_else_nobody_allows_alone_what_they_installed_under_whatever_name() {
    let folder = Folder::with_examples();
    folder.write("1.wasm", version(&[]));
    folder.write("policy.yaml", "format: 1\nconnectors: { approval: other }\n");
    good(ann(&folder, &["connector", "install", "1.wasm"]));
    let grant = ["connector", "grant", "meta", "--as-asked"];
    // While anybody may: it is in use, with less than it asks for.
    good(ann(&folder, &grant));
    let text = folder.read("grants/meta.yaml");
    let less = text.lines().map(|line| if line.starts_with("send:") { "send: [\"FN\"]" } else { line });
    folder.write("less.yaml", less.collect::<Vec<_>>().join("\n"));
    good(ann(&folder, &["connector", "grant", "meta", "--file", "less.yaml"]));
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    // Once it is in use nothing waits, and it is theirs all the same; what the environment calls them changes nothing.
    let alone = ann(&folder, &grant);
    assert!(alone.code == 2 && alone.err.contains("CV054") && alone.err.contains("somebody else"), "{}", alone.err);
    let mut command = folder.command(&[&grant[..], &["--store", "s.caravan"]].concat());
    for variable in ["USER", "USERNAME", "LOGNAME"] {
        command.env(variable, "bob");
    }
    let as_bob = Ran::of(command.output().expect("it runs"));
    assert!(as_bob.code == 2 && as_bob.err.contains("CV054") && !as_bob.err.contains("bob"), "{}", as_bob.err);
    // A path goes round no approval, but at the lab.
    let by_path = |lab: &str, file: &str| {
        let meta = format!("{{ connector: ./{file}, {lab} accounts: {{ main: act_1 }} }}");
        let tiktok = "{ connector: tiktok, lab: true, accounts: { main: \"7001\" } }";
        let text = format!("format: 1\nconnections:\n  lab-meta: {meta}\n  lab-tiktok: {tiktok}\n");
        folder.write("connections.yaml", text);
        ann(&folder, &["canvas", "validate", "win-back.yaml"])
    };
    folder.write("2.wasm", version(&[NEXT, WIDER]));
    let round = by_path("secret: { env: HOME },", "2.wasm");
    assert!(round.code != 0 && round.err.contains("CV054"), "{}\n{}", round.out, round.err);
    assert!(round.err.contains("connector install") && round.err.contains("lab: true"), "{}", round.err);
    good(by_path("lab: true,", "2.wasm"));
    // What was installed and granted may be named by its path, with what it was granted.
    good(by_path("secret: { env: HOME },", "1.wasm"));
}

#[test]
fn a_connection_is_pinned_to_versions_of_its_own_connector_alone() {
    let folder = Folder::with_examples();
    folder.write("1.wasm", version(&[])).write("acme.wasm", version(&[ACME]));
    let installed = |file: &str| -> String {
        let json = good(ann(&folder, &["connector", "install", file, "--json"])).json();
        format!("{}@sha256:{}", json["name"].as_str().expect("a name"), json["digest"].as_str().expect("a digest"))
    };
    let (meta, acme) = (installed("1.wasm"), installed("acme.wasm"));
    good(ann(&folder, &["connector", "grant", "acme", "--as-asked"]));
    let refused = ann(&folder, &["connector", "pin", "lab-meta", &acme]);
    assert!(refused.code == 2 && refused.err.contains("uses the connector `meta`"), "{}", refused.err);
    good(ann(&folder, &["connector", "pin", "lab-meta", &meta]));
    // One that was pinned while it named another connector is told, and not sent through that one.
    good(ann(&folder, &["connector", "pin", "later", &acme]));
    folder.write("connections.yaml", folder.read("connections.yaml").replace("lab-tiktok:", "later:"));
    folder.write("win-back.yaml", folder.read("win-back.yaml").replace("lab-tiktok", "later"));
    let told = ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv"]);
    let words = "`later` is pinned to a version of the connector `acme`, and names `tiktok`";
    assert!(told.code == 2 && told.err.contains(words), "{}\n{}", told.out, told.err);
}

#[test]
fn an_upgrade_that_only_moves_where_secrets_go_waits_and_its_grant_names_the_place() {
    let moved = ("/v26.0/oauth/access_token", "/v26.0/oauth/access_other");
    let folder = Folder::new();
    folder.write("1.wasm", version(&[])).write("2.wasm", version(&[NEXT, moved]));
    good(ann(&folder, &["connector", "install", "1.wasm"]));
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    let named = |path: &str| format!("\"graph.facebook.com{path}\"");
    let grant = folder.read("grants/meta.yaml");
    assert!(grant.lines().any(|line| line.starts_with("tokens: [") && line.contains(&named(moved.0))), "{grant}");
    good(ann(&folder, &["connector", "install", "2.wasm"]));
    let waits = ann(&folder, &["connector", "upgrade", "meta"]);
    assert_eq!(waits.code, 1, "{}\n{}", waits.out, waits.err);
    let place = format!("refresh tokens and signed assertions to https://graph.facebook.com{}", moved.1);
    assert!(waits.out.contains(&place), "{}", waits.out);
    assert_eq!(states(&folder), [pair("0.1.0", "in use"), pair("0.1.1", "waits for approval")]);
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    let grant = folder.read("grants/meta.yaml");
    assert!(grant.contains(&named(moved.1)) && !grant.contains(&named(moved.0)), "{grant}");
    good(ann(&folder, &["connector", "upgrade", "meta"]));
    assert_eq!(states(&folder), [pair("0.1.0", "in use before"), pair("0.1.1", "in use")]);
}

#[test]
fn a_pinned_connector_is_not_removed() {
    let folder = Folder::new();
    folder.write("1.wasm", version(&[]));
    let digest = good(ann(&folder, &["connector", "install", "1.wasm", "--json"])).json()["digest"].clone();
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    let named = format!("meta@sha256:{}", digest.as_str().expect("a digest"));
    good(ann(&folder, &["connector", "pin", "shop", &named]));
    let refused = ann(&folder, &["connector", "uninstall", "meta", "--yes"]);
    assert!(refused.code == 2 && refused.err.contains("shop pinned to it"), "{}", refused.err);
    good(ann(&folder, &["connector", "pin", "shop"]));
    good(ann(&folder, &["connector", "uninstall", "meta", "--yes"]));
    assert!(states(&folder).is_empty());
}

#[test]
fn a_folder_installs_what_can_be_used_and_says_what_cannot() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("new")).expect("a folder");
    folder.write("new/bad.wasm", b"\0asm no component").write("new/good.wasm", version(&[]));
    folder.write("new/other.wasm", version(&[("\"wit\": \"0.1.0\"", "\"wit\": \"0.9.0\"")]));
    let ran = ann(&folder, &["connector", "install", "new"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    assert!(ran.err.contains("bad.wasm") && ran.err.contains("CV050"), "{}", ran.err);
    assert!(
        ran.err.contains("built for caravan:connector@0.9.0, this host serves caravan:connector@0.1.0"),
        "{}",
        ran.err
    );
    assert_eq!(states(&folder), [pair("0.1.0", "waits for approval")]);
}

#[test]
fn a_watched_folder_installs_what_comes_into_it_and_nothing_of_that_is_used_before_somebody_allows_it() {
    let folder = Folder::with_examples();
    std::fs::create_dir(folder.path("drop")).expect("a folder");
    let args = ["connector", "install", "drop", "--watch", "--store", "s.caravan"];
    let mut watching = folder.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it watches");
    let comes = |name: &str, bytes: Vec<u8>| {
        folder.write("coming", bytes);
        std::fs::rename(folder.path("coming"), folder.path("drop").join(name)).expect("it is there at once");
    };
    let until = |expected: &[(String, String)]| {
        let by = Instant::now() + Duration::from_secs(120);
        loop {
            let seen = ann(&folder, &["connector", "list", "--json"]);
            // Until the first one comes there is no store.
            if seen.code == 0 {
                let mut states = states(&folder);
                states.sort();
                if states == expected {
                    return;
                }
            }
            assert!(Instant::now() < by, "{}\n{}", seen.out, seen.err);
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    comes("acme.wasm", version(&[ACME]));
    until(&[pair("0.1.0", "waits for approval")]);
    // Also under a name of the program's own.
    comes("meta.wasm", version(&[NEXT, WIDER]));
    until(&[pair("0.1.0", "waits for approval"), pair("0.1.1", "waits for approval")]);
    // The same place with other bytes is another version.
    comes("acme.wasm", version(&[ACME, NEXT]));
    until(&[pair("0.1.0", "kept"), pair("0.1.1", "waits for approval"), pair("0.1.1", "waits for approval")]);
    watching.kill().and_then(|()| watching.wait()).expect("it ends");
    good(ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv"]));
    let chain = good(ann(&folder, &["audit", "list", "--json"])).json();
    let verbs: Vec<&str> = chain.as_array().expect("notes").iter().filter_map(|note| note["verb"].as_str()).collect();
    assert_eq!(verbs.iter().filter(|verb| **verb == "connector.install").count(), 3, "{chain}");
    assert!(!verbs.contains(&"connector.load") && !verbs.contains(&"connector.grant"), "{chain}");
    folder.write("connections.yaml", folder.read("connections.yaml").replace("connector: meta", "connector: acme"));
    let refused = ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv", "--again"]);
    assert!(refused.code == 2 && refused.err.contains("CV054"), "{}", refused.err);
}

#[test]
fn compiled_code_that_was_touched_is_compiled_anew() {
    let folder = Folder::with_examples();
    let cache = folder.path("cache");
    let run = || {
        let args = ["dry-run", "win-back.yaml", "--step", "meta", "--users", "users-sample.csv"];
        let mut command = folder.command(&args);
        command.env("CARAVAN_CACHE", &cache).env("XDG_DATA_HOME", folder.path("data"));
        good(Ran::of(command.output().expect("it runs")))
    };
    run();
    let kept = || -> Vec<_> {
        let entries = std::fs::read_dir(&cache).expect("a cache");
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.extension().is_some()).collect()
    };
    let file = kept().pop().expect("one compiled connector");
    let good_code = std::fs::read(&file).expect("its code");
    let mut touched = good_code.clone();
    let middle = touched.len() / 2;
    touched[middle] ^= 1;
    std::fs::write(&file, touched).expect("touched");
    let again = run();
    assert!(again.err.contains("does not carry our tag"), "{}", again.err);
    assert_eq!(std::fs::read(&file).expect("its code").len(), good_code.len());
    assert!(!run().err.contains("our tag"));
}

/// A key, and a policy that wants its signatures.
fn signing(folder: &Folder, signatures: &str) -> String {
    let made = good(ann_alone(folder, &["connector", "keygen", "acme.key", "--json"])).json();
    let public = made["public"].as_str().expect("a public key").to_owned();
    let text =
        format!("format: 1\nconnectors:\n  signatures: {signatures}\n  keys: [{{ name: Acme, key: \"{public}\" }}]\n");
    folder.write("policy.yaml", text);
    public
}

fn ann_alone(folder: &Folder, args: &[&str]) -> Ran {
    Ran::of(folder.command(args).output().expect("it runs"))
}

#[test]
fn where_signatures_are_required_only_what_a_known_key_signed_is_installed_taken_up_and_loaded() {
    let folder = Folder::with_examples();
    let public = signing(&folder, "require");
    assert_eq!(ann_alone(&folder, &["connector", "keygen", "acme.key"]).code, 2, "a key is never written over");
    folder.write("plain.wasm", version(&[])).write("next.wasm", version(&[NEXT]));
    good(ann(&folder, &["connector", "install", "next.wasm"]));
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    // Unsigned: neither installed nor, where it was before, allowed.
    let refused = ann(&folder, &["connector", "install", "plain.wasm"]);
    assert!(refused.code == 2 && refused.err.contains("CV055"), "{}", refused.err);
    let refused = ann(&folder, &["connector", "grant", "meta", "--as-asked"]);
    assert!(refused.code == 2 && refused.err.contains("CV055"), "{}", refused.err);
    // Signed by a known key: installed, and the chain says by whom.
    let signed = ["connector", "sign", "plain.wasm", "--key", "acme.key", "--out", "signed.wasm"];
    let said = good(ann_alone(&folder, &signed));
    assert!(said.out.contains(&public), "{}", said.out);
    let installed = good(ann(&folder, &["connector", "install", "signed.wasm", "--json"])).json();
    assert_eq!(installed["signed_by"][0], "Acme");
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    good(ann(&folder, &["canvas", "validate", "win-back.yaml"]));
    let chain = good(ann(&folder, &["audit", "list", "--json"])).json();
    let noted = chain.as_array().expect("notes").iter().filter(|note| note["verb"] == "connector.install");
    let by: Vec<_> = noted.map(|note| note["details"]["signed_by"].to_string()).collect();
    assert_eq!(by, ["[]", "[\"Acme\"]"], "{chain}");
    // Changed after it was signed: whatever byte of code or manifest it is.
    let mut tampered = std::fs::read(folder.path("signed.wasm")).expect("the signed file");
    let at = tampered.windows(NEXT.0.len()).position(|bytes| bytes == NEXT.0.as_bytes()).expect("its version");
    tampered[at..at + NEXT.1.len()].copy_from_slice(NEXT.1.as_bytes());
    folder.write("tampered.wasm", tampered);
    let refused = ann(&folder, &["connector", "install", "tampered.wasm"]);
    assert!(refused.code == 2 && refused.err.contains("changed after it was signed"), "{}", refused.err);
    // A key that is taken out of the policy counts no longer, at the next load.
    let other = public.replace(&public[8..12], if &public[8..12] == "0000" { "1111" } else { "0000" });
    folder.write("policy.yaml", folder.read("policy.yaml").replace(&public, &other));
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    let refused = ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv"]);
    assert!(refused.code == 2 && refused.err.contains("CV055"), "{}", refused.err);
}

#[test]
fn a_key_that_counts_for_one_connector_cannot_upgrade_another() {
    let folder = Folder::new();
    let public = signing(&folder, "require");
    let policy = folder.read("policy.yaml").replace("name: Acme,", "name: Acme, for: [acme],");
    folder.write("policy.yaml", policy.replace("for: [acme]", "for: []"));
    let empty = ann(&folder, &["policy", "set", "policy.yaml"]);
    assert!(empty.code == 2 && empty.err.contains("counts for no connector"), "{}", empty.err);
    folder.write("policy.yaml", policy);
    for (changes, file) in [(&[ACME][..], "acme"), (&[][..], "meta"), (&[NEXT][..], "meta-2")] {
        folder.write(&format!("{file}.wasm"), version(changes));
        good(ann_alone(&folder, &["connector", "sign", &format!("{file}.wasm"), "--key", "acme.key"]));
    }
    // The first version came in while nobody was asked for a signature.
    good(ann(&folder, &["connector", "install", "meta.wasm"]));
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    good(ann(&folder, &["connector", "install", "meta-2.wasm"]));
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    let installed = good(ann(&folder, &["connector", "install", "acme.wasm", "--json"])).json();
    assert_eq!(installed["signed_by"][0], "Acme", "{public}");
    for act in [&["connector", "upgrade", "meta"][..], &["connector", "install", "meta-2.wasm"]] {
        let refused = ann(&folder, act);
        assert!(refused.code == 2 && refused.err.contains("CV055"), "{}", refused.err);
        assert!(
            refused.err.contains("signed by Acme, whose key counts for connectors of other names"),
            "{}",
            refused.err
        );
    }
}

#[test]
fn a_policy_that_warns_uses_what_nobody_signed_and_says_so() {
    let folder = Folder::with_examples();
    signing(&folder, "warn");
    folder.write("plain.wasm", version(&[NEXT]));
    good(ann(&folder, &["connector", "install", "plain.wasm"]));
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    let granted = good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    assert!(granted.err.contains("no signature by a key of the policy"), "{}", granted.err);
    let run = good(ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv"]));
    assert!(run.err.contains("no signature by a key of the policy"), "{}", run.err);
    let chain = good(ann(&folder, &["audit", "list", "--json"])).json();
    let loads = chain.as_array().expect("notes").iter().filter(|note| note["verb"] == "connector.load");
    assert_eq!(loads.count(), 1, "{chain}");
    folder.write("policy.yaml", "format: 1\nconnectors: { signatures: require }\n");
    let refused = ann(&folder, &["policy", "set", "policy.yaml"]);
    assert!(refused.code == 2 && refused.err.contains("no key counts"), "{}", refused.err);
    folder.write("policy.yaml", "format: 1\nconnectors: { signatures: off }\n");
    good(ann(&folder, &["policy", "set", "policy.yaml"]));
    let run = good(ann(&folder, &["run", "win-back.yaml", "--users", "users-sample.csv"]));
    assert!(!run.err.contains("no signature"), "{}", run.err);
}

#[test]
fn a_newer_version_that_asks_the_partner_for_something_else_is_told_apart_before_it_is_taken_up() {
    let folder = Folder::new();
    // The same but for its number; then one whose code writes another word into the body.
    folder.write("1.wasm", version(&[])).write("2.wasm", version(&[NEXT]));
    good(ann(&folder, &["connector", "install", "1.wasm"]));
    good(ann(&folder, &["connector", "grant", "meta", "--as-asked"]));
    let compare = ["connector", "upgrade", "meta", "--compare"];
    assert_eq!(ann(&folder, &compare).code, 2, "there is nothing to compare with yet");
    good(ann(&folder, &["connector", "install", "2.wasm"]));
    let same = good(ann(&folder, &["connector", "upgrade", "meta", "--compare", "--json"])).json();
    assert!(same["batches"].as_u64() > Some(4) && same["differ"] == serde_json::json!([]), "{same}");
    folder.write("3.wasm", version(&[NEXT, ("{\"payload\":{\"schema\":", "{\"payload\":{\"schemi\":")]));
    good(ann(&folder, &["connector", "install", "3.wasm"]));
    let differs = ann(&folder, &compare);
    assert_eq!(differs.code, 1, "{}\n{}", differs.out, differs.err);
    assert!(differs.out.contains("/schemi: nothing → ") && differs.out.contains("/schema: "), "{}", differs.out);
    assert_eq!(states(&folder)[0], pair("0.1.0", "in use"), "nothing was taken up");
}
