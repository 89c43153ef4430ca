//! Spans of a serving host arrive at a collector, with digest, part and attempt, and without a person or a secret.
use caravan_tests::{KEY, LAB_CONNECTIONS, Place, Served, patient};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

const CANVAS: &str = r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry: { trigger: { event: Lapsed }, start: sync }
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email] }, next: exit }
"#;

/// A collector: what was posted, head and body.
fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || take(stream, &kept));
        }
    });
    (address, heard)
}

fn take(stream: TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            kept.lock().ok()?.extend(line.as_bytes());
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        kept.lock().ok()?.extend(body);
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

#[test]
fn spans_of_calls_requests_and_chunks_arrive_at_a_collector() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let (lab, (address, heard)) = (place.lab(), collector());
    let serve =
        ["serve", "canvas.yaml", "--store", "s.caravan", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"];
    let mut command = place.caravan(serve);
    command.env("CARAVAN_WRITE_KEYS", KEY).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address).stdout(Stdio::piped());
    let served = Served::spawn(&mut command);
    let event = r#"{"userId":"p-secret","event":"Lapsed","context":{"traits":{"email":"p.secret@example.com"}}}"#;
    assert_eq!(served.send("/v1/track", event).0, 200);
    patient("they are sent", || served.metric(&["caravan_visits", "synced"]) == Some(1));
    served.ask("GET", "/api/profiles/p-secret", "", "");
    // What is left goes with the host.
    assert_eq!(served.term(), Some(0));
    let heard = heard.lock().expect("spans").clone();
    let has = |words: &str| heard.windows(words.len()).any(|part| part == words.as_bytes());
    for words in [
        "POST /v1/traces",
        "partner.call",
        "digest",
        "attempt",
        "lab-meta",
        "http.request",
        "/api/profiles/{identifier}",
        "inbox.chunk",
    ] {
        assert!(has(words), "{words}");
    }
    assert!(!has("p-secret") && !has("p.secret@example.com") && !has(KEY), "no person and no key");
}
