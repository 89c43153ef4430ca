//! Apps, tokens and consents of a serving host, by the command line with a key: what the host seals nobody sees again.
use caravan_tests::served::ask;
use caravan_tests::{Place, Ran, Served};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

const SECRET: &str = "the-apps-own-secret";

const CONNECTIONS: &str = r#"
format: 1
connections:
  by-app: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
"#;

/// Neither what was given in nor what the lab gave out is printed.
fn assert_unseen(printed: &[&str]) {
    for text in printed {
        let seen = [SECRET, "granted-0", "granted-refresh"].into_iter().find(|secret| text.contains(secret));
        assert_eq!(seen, None, "{text}");
    }
}

/// Where the lab's person is sent back to.
fn goes_to(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("the lab's address");
    let (address, path) = rest.split_once('/').expect("a path");
    let (status, answer) = ask(address, "GET", &format!("/{path}"), "", "");
    assert_eq!(status, 302, "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "));
    line.expect("a place to go").to_owned()
}

#[test]
fn apps_tokens_and_consents_are_looked_after_on_a_serving_host_by_the_command_line() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    let key = |rights: &str| {
        let made = place.run(["key", "add", rights, "--rights", rights, "--store", "s.caravan", "--json"]).expect(0);
        made.json()["key"].as_str().expect("a key").to_owned()
    };
    let (admin, viewer) = (key("admin"), key("viewer"));
    let public = [("CARAVAN_PUBLIC_URL", "https://caravan.example")];
    let host = Served::with(&place, &lab, "127.0.0.1:0", &[], &public);
    let command = |key: &str, words: &[&str]| {
        let mut command = place.caravan([words, &["--server", &host.url]].concat());
        command.env("CARAVAN_KEY", key).env("APP_SECRET", SECRET);
        command
    };
    let on = |key: &str, words: &[&str]| {
        let ran = Ran::of(&mut command(key, words));
        assert_unseen(&[&ran.stdout, &ran.stderr]);
        ran
    };
    let set = ["connector", "app", "set", "snapchat", "--client-id", "app-1", "--client-secret-env", "APP_SECRET"];
    let denied = on(&viewer, &set).expect(2).stderr;
    assert!(denied.contains("CV093"), "{denied}");
    let none = on(&admin, &["connector", "app", "show", "snapchat"]).expect(2).stderr;
    assert!(none.contains("CV066"), "{none}");
    on(&admin, &set).expect(0);
    let app = on(&viewer, &["connector", "app", "show", "snapchat", "--json"]).expect(0).json();
    assert_eq!((&app["client_id"], &app["secret"]), (&json!("app-1"), &json!("sealed")), "{app}");
    let nothing = on(&viewer, &["connection", "show", "by-app", "--json"]).expect(0).json();
    assert!(nothing["sealed"].is_null(), "{nothing}");

    // A person lets the app in; the command waits for them.
    let mut asking = command(&admin, &["connection", "connect", "by-app"]);
    let mut child = asking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let url = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://"))).expect("an address");
    let back = goes_to(&url);
    let query = back.strip_prefix("https://caravan.example").expect("the public URL");
    assert_eq!(host.ask("GET", query, "", "").0, 200);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let shown = on(&viewer, &["connection", "show", "by-app", "--json"]).expect(0).json();
    assert_eq!(
        (&shown["sealed"]["kind"], &shown["sealed"]["lacks"]),
        (&json!("a person's consent, which is refreshed"), &json!([])),
        "{shown}"
    );

    // A token by hand replaces it only where somebody says so; then everything is ended and forgotten.
    let token = |words: &[&str]| {
        let mut child = command(&admin, words);
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("it starts");
        child.stdin.take().expect("piped").write_all(SECRET.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_unseen(&[&said]);
        (output.status.code(), said)
    };
    let (code, refused) = token(&["connection", "token", "by-app", "--token-stdin"]);
    assert!(code == Some(2) && refused.contains("would replace"), "{refused}");
    let (code, service) = token(&["connection", "token", "by-app", "--service-account-stdin", "--yes"]);
    assert!(code == Some(2) && service.contains("takes no service accounts"), "{service}");
    assert_eq!(token(&["connection", "token", "by-app", "--token-stdin", "--yes"]).0, Some(0));
    let shown = on(&viewer, &["connection", "show", "by-app", "--json"]).expect(0).json();
    assert_eq!(shown["sealed"]["kind"], "a token by hand", "{shown}");
    on(&admin, &["connection", "disconnect", "by-app", "--yes"]).expect(0);
    on(&admin, &["connector", "app", "remove", "snapchat", "--yes"]).expect(0);
    on(&admin, &["connector", "app", "remove", "snapchat", "--yes"]).expect(2);
    let notes = on(&admin, &["audit", "list", "--limit", "1000", "--json"]).json().to_string();
    for verb in
        ["connector.app.set", "connector.app.remove", "connection.connect", "connection.token", "connection.disconnect"]
    {
        assert!(notes.contains(&format!("\"{verb}\"")), "{verb}: {notes}");
    }
    assert_eq!(host.term(), Some(0));
}
