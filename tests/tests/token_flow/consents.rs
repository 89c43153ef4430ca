//! Consents of people: connect, expire, refresh, revoke, reconnect, disconnect.
use crate::{SECRET, place, run};
use caravan_tests::served::ask;
use caravan_tests::{Lab, Place, Ran, Served, state_of};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};
use std::time::Duration;
use xtask::totals;

/// One partner's consent at the lab.
pub struct Consenting {
    pub partner: &'static str,
    pub account: &'static str,
    /// Further lines of the audience in the canvas.
    pub kind: &'static str,
    /// Whether its tokens end by the clock, and are refreshed.
    pub refreshed: bool,
    /// Whether it has a way to end a consent by request.
    pub ends_by_request: bool,
}

/// How anything begins that the lab gives out and nobody may see.
pub const GIVEN: [&str; 6] = ["granted-0", "granted-refresh", "ya29.lab", "1//lab", "lab-lab-code", "lab-code-"];

impl Consenting {
    pub fn place(&self) -> Place {
        let place = place(self.partner, self.account, "");
        let text = std::fs::read_to_string(place.path("connections.yaml")).expect("written");
        let without = text.replace("    app: { id: app-1, secret: { file: app.secret } }\n", "");
        assert_ne!(text, without);
        place.write("connections.yaml", without);
        let canvas = std::fs::read_to_string(place.path("in.yaml")).expect("written");
        place.write("in.yaml", canvas.replace("name: People,", &format!("name: People,{}", self.kind)));
        place
    }

    /// A command of these tests that ends by itself.
    pub fn command(&self, place: &Place, words: &[&str]) -> Ran {
        let mut command = place.caravan(words.iter().copied().chain(["--store", "s.caravan"]));
        let ran = Ran::of(command.env("APP_SECRET", SECRET));
        self.assert_unseen(place, &[&ran.stdout, &ran.stderr]);
        ran
    }

    /// Connects in a browser that is this test.
    pub fn connect(&self, place: &Place, lab: &Lab) {
        let output = self.consented(place, lab);
        assert!(output.status.success(), "{output:?}");
    }

    /// How connecting ended.
    fn consented(&self, place: &Place, lab: &Lab) -> Output {
        let words = ["connection", "connect", "by-app", "--store", "s.caravan", "--lab", &lab.url, "--yes"];
        let mut command = place.caravan(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let url = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://")));
        let Some(url) = url else { panic!("{:?}", child.wait_with_output()) };
        assert!(!url.contains(SECRET), "{url}");
        let back = goes_to(&url);
        // A stranger's answer changes nothing.
        let (address, query) = split(&back);
        let strange = query.replace("state=", "state=x");
        assert_eq!(ask(&address, "GET", &strange, "", "").0, 400);
        assert_eq!(ask(&address, "GET", &query, "", "").0, 200);
        let rest: String = lines.map_while(Result::ok).collect();
        let output = child.wait_with_output().expect("it ends");
        self.assert_unseen(place, &[&rest, &String::from_utf8_lossy(&output.stderr)]);
        output
    }

    /// Neither the app's secret nor anything that the lab gave out stands in what was printed, or in any file.
    pub fn assert_unseen(&self, place: &Place, printed: &[&str]) {
        let hidden = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            GIVEN.iter().chain([&SECRET]).find(|secret| text.contains(**secret)).copied()
        };
        for text in printed {
            assert_eq!(hidden(text.as_bytes()), None, "{text}");
        }
        let mut files = 0;
        for file in std::fs::read_dir(place.path(".")).expect("the folder").map(|file| file.expect("a file").path()) {
            if file.is_file() && !file.ends_with("app.secret") {
                files += 1;
                let bytes = std::fs::read(&file).expect("read");
                assert_eq!(hidden(&bytes), None, "{} holds a secret", file.display());
            }
        }
        assert!(files > 3, "the store is among them");
    }

    pub fn run(&self, place: &Place, lab: &Lab, users: &str) -> Ran {
        let ran = run(place, lab, users);
        self.assert_unseen(place, &[&ran.stdout, &ran.stderr]);
        ran
    }

    /// Connect, expire, refresh, revoke, reconnect, disconnect.
    fn flows(&self) {
        let (place, lab) = (self.place(), Place::new().lab());
        let app =
            ["connector", "app", "set", self.partner, "--client-id", "app-1", "--client-secret-env", "APP_SECRET"];
        let missing = ["connection", "connect", "by-app", "--lab", &lab.url];
        let none = self.command(&place, &missing);
        assert!(none.code == Some(2) && none.stderr.contains("CV066"), "{none:?}");
        self.command(&place, &app).expect(0);
        let shown = self.command(&place, &["connector", "app", "show", self.partner]).expect(0);
        assert!(shown.stdout.contains("app-1"), "{shown:?}");

        // Connected, with a token that lives for a moment where it can be refreshed.
        if self.refreshed {
            lab.post("/_lab/settings", &json!({"token_seconds": 3})).expect("settings");
        }
        self.connect(&place, &lab);
        let accounts = ["connection", "accounts", "by-app", "--lab", &lab.url];
        let shown = self.command(&place, &accounts).expect(0);
        assert!(shown.stdout.contains(self.account), "the account is among those of the consent: {shown:?}");
        let ran = self.run(&place, &lab, "a.csv").expect(0);
        assert_eq!(totals::of_status(&ran.json(), "synced"), 1, "{ran:?}");

        // Expired: it is refreshed before a call goes out with it.
        if self.refreshed {
            std::thread::sleep(Duration::from_secs(4));
            lab.post("/_lab/settings", &json!({"token_seconds": 3_000})).expect("settings");
            let ran = self.run(&place, &lab, "b.csv").expect(0);
            assert_eq!(totals::of_status(&ran.json(), "synced"), 2, "{ran:?}");
        } else {
            if self.partner == "meta" {
                // Meta's ends by the clock and has no refresh: people wait, with Meta's own word for it.
                lab.post("/_lab/settings", &json!({"token_seconds": 1})).expect("settings");
                self.connect(&place, &lab);
                std::thread::sleep(Duration::from_secs(2));
                let ran = self.run(&place, &lab, "b.csv");
                assert!(state_of(&ran.json()).starts_with("held-unauthorized"), "{ran:?}");
                assert!(ran.stdout.contains("The token has expired"), "190 with 463: {ran:?}");
                lab.post("/_lab/settings", &json!({"token_seconds": 3_000})).expect("settings");
                self.connect(&place, &lab);
            }
            let ran = self.run(&place, &lab, "b.csv").expect(0);
            assert_eq!(totals::of_status(&ran.json(), "synced"), 2, "{ran:?}");
        }

        // Revoked at the partner: people wait, and the words say what to do.
        let revoke = format!("/_lab/consents?partner={}", self.partner);
        lab.post(&revoke, &json!({"revoke": true})).expect("revoked");
        let ran = self.run(&place, &lab, "c.csv");
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(state_of(&ran.json()).starts_with("held-unauthorized"), "{ran:?}");
        if self.refreshed {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains("no longer takes the consent"), "{said}");
        }

        // Reconnected, after a question: name, audience and the one who waits are what they were.
        let asked = self.command(&place, &missing);
        assert!(asked.code == Some(2) && asked.stderr.contains("nobody can be asked"), "{asked:?}");
        self.connect(&place, &lab);
        let ran = self.run(&place, &lab, "c.csv").expect(0);
        assert_eq!(totals::of_status(&ran.json(), "synced"), 3, "{ran:?}");
        let shown = self.command(&place, &["connection", "show", "by-app"]).expect(0);
        assert!(shown.stdout.contains("consent"), "{shown:?}");

        let end = ["connection", "disconnect", "by-app", "--lab", &lab.url, "--yes"];
        let ended = self.command(&place, &end).expect(0);
        assert_eq!(
            ended.stdout.contains("at the partner\n") && !ended.stdout.contains("too"),
            self.ends_by_request,
            "{ended:?}"
        );
        let shown = self.command(&place, &["connection", "show", "by-app"]).expect(0);
        assert!(shown.stdout.contains("nothing is sealed"), "{shown:?}");
    }
}

/// Address, and path with query, of a URL.
fn split(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let at = rest.find('/').expect("a path");
    (rest[..at].to_owned(), rest[at..].to_owned())
}

/// Where a page sends the browser.
fn goes_to(url: &str) -> String {
    let (address, path) = split(url);
    let (status, answer) = ask(&address, "GET", &path, "", "");
    assert_eq!(status, 302, "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "));
    line.expect("a place to go").to_owned()
}

#[test]
fn metas_consent_lives_ends_and_comes_back() {
    Consenting { partner: "meta", account: "act_1", kind: "", refreshed: false, ends_by_request: false }.flows();
}

#[test]
fn googles_consent_lives_ends_and_comes_back() {
    let kind = " kind: CONTACT_ID,";
    Consenting { partner: "google", account: "1000000001", kind, refreshed: true, ends_by_request: true }.flows();
}

#[test]
fn tiktoks_consent_lives_ends_and_comes_back() {
    Consenting { partner: "tiktok", account: "7000000000000000001", kind: "", refreshed: false, ends_by_request: true }
        .flows();
}

#[test]
fn pinterests_consent_lives_ends_and_comes_back() {
    let kind = " kind: EMAIL,";
    Consenting { partner: "pinterest", account: "549755000000", kind, refreshed: true, ends_by_request: false }.flows();
}

#[test]
fn snapchats_consent_lives_ends_and_comes_back() {
    let account = "8adc3db7-8148-4fbf-999c-000000000001";
    Consenting { partner: "snapchat", account, kind: "", refreshed: true, ends_by_request: false }.flows();
}

#[test]
fn criteos_consent_lives_ends_and_comes_back() {
    Consenting { partner: "criteo", account: "1", kind: "", refreshed: true, ends_by_request: false }.flows();
}

#[test]
fn a_serving_host_takes_a_code_at_its_public_url_once_and_for_whoever_asked() {
    let account = "8adc3db7-8148-4fbf-999c-000000000001";
    let snapchat = Consenting { partner: "snapchat", account, kind: "", refreshed: true, ends_by_request: false };
    let (place, lab) = (snapchat.place(), Place::new().lab());
    let made = place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let head = format!("authorization: Bearer {}\r\n", made["key"].as_str().expect("a key"));
    let public = [("CARAVAN_PUBLIC_URL", "https://caravan.example")];
    let host = Served::with(&place, &lab, "127.0.0.1:0", &["in.yaml"], &public);
    let app = json!({"client_id": "app-1", "client_secret": SECRET}).to_string();
    assert_eq!(host.ask("PUT", "/api/connectors/snapchat/app", &head, &app).0, 200);
    let (status, asked) = host.ask("POST", "/api/connections/by-app/connect", &head, "{}");
    assert_eq!(status, 200, "{asked}");
    let asked: serde_json::Value = serde_json::from_str(body(&asked)).expect("JSON");
    let back = goes_to(asked["open"].as_str().expect("an address"));
    let query = back.strip_prefix("https://caravan.example").expect("the public URL");
    assert_eq!(host.ask("GET", &query.replace("state=", "state=x"), "", "").0, 422, "a stranger's");
    let (status, answer) = host.ask("GET", query, "", "");
    assert!(status == 200 && answer.contains("by-app is connected"), "{answer}");
    assert_ne!(host.ask("GET", query, "", "").0, 200, "a question is answered once");
    // What works is replaced only by somebody who says so.
    let (status, refused) = host.ask("POST", "/api/connections/by-app/connect", &head, "{}");
    assert!(status >= 400 && refused.contains("replace"), "{refused}");
    let (status, ended) = host.ask("DELETE", "/api/connections/by-app/token", &head, "");
    assert_eq!(status, 200, "{ended}");
    snapchat.assert_unseen(&place, &[&answer, &refused, &ended]);
    assert_eq!(host.term(), Some(0));
}

#[test]
fn nobody_is_sent_to_a_partner_whose_way_back_others_can_listen_to() {
    let account = "8adc3db7-8148-4fbf-999c-000000000001";
    let snapchat = Consenting { partner: "snapchat", account, kind: "", refreshed: true, ends_by_request: false };
    let (place, lab) = (snapchat.place(), Place::new().lab());
    let made = place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let head = format!("authorization: Bearer {}\r\n", made["key"].as_str().expect("a key"));
    for (public, expected) in
        [("http://caravan.example", 422), ("http://127.0.0.1:8480", 200), ("http://localhost", 200)]
    {
        let host = Served::with(&place, &lab, "127.0.0.1:0", &["in.yaml"], &[("CARAVAN_PUBLIC_URL", public)]);
        let app = json!({"client_id": "app-1", "client_secret": SECRET}).to_string();
        assert_eq!(host.ask("PUT", "/api/connectors/snapchat/app", &head, &app).0, 200);
        let (status, said) = host.ask("POST", "/api/connections/by-app/connect", &head, "{}");
        assert_eq!(status, expected, "{public}: {said}");
        assert_eq!(said.contains("CV033") && said.contains("https://"), expected == 422, "{said}");
        assert_eq!(host.term(), Some(0));
    }
}

#[test]
fn a_consent_that_lacks_a_scope_sends_nothing_and_says_so() {
    let kind = " kind: EMAIL,";
    let pinterest =
        Consenting { partner: "pinterest", account: "549755000000", kind, refreshed: true, ends_by_request: false };
    let (place, lab) = (pinterest.place(), Place::new().lab());
    lab.post("/_lab/consents?partner=pinterest", &json!({"answer": "narrow"})).expect("a person");
    let app = ["connector", "app", "set", "pinterest", "--client-id", "a", "--client-secret-env", "APP_SECRET"];
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    pinterest.command(&place, &app).expect(0);
    let output = pinterest.consented(&place, &lab);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("lacks ads:write"), "{output:?}");
    let ran = pinterest.run(&place, &lab, "a.csv").expect(2);
    assert!(ran.stderr.contains("CV035") && ran.stderr.contains("lacks ads:write"), "{ran:?}");
    let shown = pinterest.command(&place, &["connection", "show", "by-app"]).expect(1);
    assert!(shown.stdout.contains("LACKS   ads:write"), "{shown:?}");
}

#[test]
fn a_token_by_hand_goes_before_the_files_and_is_sealed() {
    let meta = Consenting { partner: "meta", account: "act_1", kind: "", refreshed: false, ends_by_request: false };
    let (place, lab) = (meta.place(), Place::new().lab());
    let text = std::fs::read_to_string(place.path("connections.yaml")).expect("written");
    place.write("connections.yaml", text + "    secret: { env: NEVER_SET }\n");
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    place.write("app.secret", "my-own-token-0123");
    let words = ["connection", "token", "by-app", "--token-stdin", "--store", "s.caravan", "--lab", &lab.url];
    let typed = || std::fs::File::open(place.path("app.secret")).expect("it is there");
    let asked = Ran::of(place.caravan(words).stdin(typed()));
    assert!(asked.code == Some(2) && asked.stderr.contains("the token that the connections file names"), "{asked:?}");
    Ran::of(place.caravan(words).arg("--yes").stdin(typed())).expect(0);
    let ran = meta.run(&place, &lab, "a.csv").expect(0);
    assert_eq!(totals::of_status(&ran.json(), "synced"), 1, "{ran:?}");
    for file in std::fs::read_dir(place.path(".")).expect("the folder").map(|file| file.expect("a file").path()) {
        if file.is_file() && !file.ends_with("app.secret") {
            let bytes = std::fs::read(&file).expect("read");
            assert!(!String::from_utf8_lossy(&bytes).contains("my-own-token-0123"), "{}", file.display());
        }
    }
    // Another key opens nothing, and says so.
    std::fs::remove_file(place.path("caravan.key")).expect("it was beside the store");
    let shown = meta.command(&place, &["connection", "show", "by-app"]).expect(2);
    assert!(shown.stderr.contains("CV065"), "{shown:?}");
}

/// The body of an answer.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
