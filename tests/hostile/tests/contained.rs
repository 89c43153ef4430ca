//! Partners that answer in bad faith, and bounds of a connection: each call ends in time with a verdict on the right one.
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use caravan_connectors::{BoundConnector, LabMap, LoadedComponent, Reach};
use caravan_model::port::{Ask, CallOutcome, Connector as _};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TAKEN: &str =
    r#"{"audience_id":"23850","session_id":1,"num_received":2,"num_invalid_entries":0,"invalid_entry_samples":{}}"#;

/// A partner whose answers are bytes of its own making.
struct Raw {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    /// Most requests that were answered at the same time.
    peak: Arc<AtomicUsize>,
}

/// What it says to each request: pieces, with a pause before each; after the last one it says it again, or hangs up.
#[derive(Clone, Default)]
struct Saying {
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    again: bool,
    hangs_up: bool,
}

impl Saying {
    fn at_once(answer: impl Into<Vec<u8>>) -> Saying {
        Saying { pieces: vec![answer.into()], ..Saying::default() }
    }
}

/// Reads one request to its end; false where the other side is gone.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return true;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return false,
            Ok(n) => all.extend_from_slice(&chunk[..n]),
        }
    }
}

impl Raw {
    async fn start(saying: Saying) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, peak, now) = (Arc::default(), Arc::default(), Arc::new(AtomicUsize::new(0)));
        let raw = Raw { address, requests: Arc::clone(&requests), peak: Arc::clone(&peak) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let saying = saying.clone();
                let (requests, peak, now): (Arc<AtomicUsize>, Arc<AtomicUsize>, _) =
                    (requests.clone(), peak.clone(), now.clone());
                tokio::spawn(async move {
                    while read_request(&mut stream).await {
                        requests.fetch_add(1, Ordering::SeqCst);
                        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let said = say(&mut stream, &saying).await;
                        now.fetch_sub(1, Ordering::SeqCst);
                        if !said || saying.hangs_up {
                            return;
                        }
                    }
                });
            }
        });
        raw
    }

    fn reach(&self) -> Reach {
        Reach::Lab(LabMap::new([(META, self.address.to_string())]).unwrap())
    }
}

/// False where nobody listens any more.
async fn say(stream: &mut TcpStream, saying: &Saying) -> bool {
    loop {
        for piece in &saying.pieces {
            tokio::time::sleep(saying.pause).await;
            if stream.write_all(piece).await.is_err() {
                return false;
            }
        }
        if !saying.again {
            return true;
        }
    }
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
}

fn deed(component: &Arc<LoadedComponent>, reach: Reach, deed: &str) -> BoundConnector {
    let mut binding = binding(component, reach);
    binding.settings.insert("deed".into(), deed.into());
    BoundConnector::new(component.clone(), binding).unwrap()
}

async fn within(connector: &BoundConnector, deadline: Duration) -> CallOutcome {
    let mut context = context();
    context.deadline = deadline;
    connector.call(context, Ask::Sync { target: settled_target(connector), part: part(2) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_drips_its_answer_byte_by_byte_is_left_at_the_deadline() {
    let component = load("meta");
    let whole = answer("", &" ".repeat(100_000)).into_bytes();
    let body_begins = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head_at_once: Vec<Vec<u8>> =
        std::iter::once(whole[..body_begins].to_vec()).chain(whole[body_begins..].iter().map(|b| vec![*b])).collect();
    let bytes = whole.iter().map(|byte| vec![*byte]).collect();
    for (what, pieces) in [("body", head_at_once), ("head", bytes)] {
        let peer = Raw::start(Saying { pieces, pause: Duration::from_millis(20), ..Saying::default() }).await;
        let connector = BoundConnector::new(component.clone(), binding(&component, peer.reach())).unwrap();
        let began = Instant::now();
        let outcome = within(&connector, Duration::from_millis(700)).await;
        assert!(began.elapsed() < Duration::from_secs(7), "{what}: {:?}", began.elapsed());
        let (class, words) = fault(&outcome);
        assert!(class == "unavailable" && words.contains("CV062"), "{what}: {class} {words}");
        assert!(report(&outcome).settled.is_empty(), "{what}: nothing is known of the rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_headers_and_bodies_and_compressed_answers_end_the_call_and_settle_nothing() {
    let component = load("meta");
    let many = |n: usize| answer(&"x-flood: 1\r\n".repeat(n), TAKEN);
    let long = |n: usize| answer(&format!("x-flood: {}\r\n", "a".repeat(n)), TAKEN);
    let chunks = Saying {
        pieces: vec![
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            [&b"100000\r\n"[..], &vec![b' '; 0x10_0000], b"\r\n"].concat().repeat(20),
        ],
        ..Saying::default()
    };
    for (what, saying, class) in [
        ("100 headers", Saying::at_once(many(100)), Some("stopped")),
        ("10,000 headers", Saying::at_once(many(10_000)), None),
        ("a header of 40,000 bytes", Saying::at_once(long(40_000)), Some("stopped")),
        ("a header of 4 MB", Saying::at_once(long(4 << 20)), None),
        ("a body of 20 MB", chunks, None),
        (
            "a compressed body",
            Saying::at_once(answer("content-encoding: gzip\r\n", "\u{1f}\u{8b}\u{8}")),
            Some("unavailable"),
        ),
        ("two lengths", Saying::at_once(answer("content-length: 3\r\n", TAKEN)), None),
        ("a length that is none", Saying::at_once("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), None),
        ("no HTTP", Saying::at_once("220 mail.example ESMTP\r\n"), None),
    ] {
        let peer = Raw::start(Saying { hangs_up: true, ..saying }).await;
        let connector = BoundConnector::new(component.clone(), binding(&component, peer.reach())).unwrap();
        let outcome = within(&connector, Duration::from_secs(20)).await;
        let (was, words) = fault(&outcome);
        let right = class.map_or(["stopped", "unavailable"].contains(&was), |class| class == was);
        assert!(right && report(&outcome).settled.is_empty(), "{what}: {was} {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_answers_no_later_request() {
    let component = load("meta");
    let poison = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
    let peer = Raw::start(Saying::at_once(answer("", TAKEN) + poison)).await;
    let connector = BoundConnector::new(component.clone(), binding(&component, peer.reach())).unwrap();
    for call in 1..=4 {
        let outcome = within(&connector, Duration::from_secs(20)).await;
        assert_eq!(report(&outcome).settled, [(0, 2)], "call {call}: {outcome:?}");
        assert_eq!(peer.requests.load(Ordering::SeqCst), call);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let component = load("meta");
    for to in ["http://169.254.169.254/latest/meta-data", "https://collector.attacker.example/", "/v26.0/9/users"] {
        let words = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let peer = Raw::start(Saying::at_once(words)).await;
        let connector = BoundConnector::new(component.clone(), binding(&component, peer.reach())).unwrap();
        let outcome = within(&connector, Duration::from_secs(20)).await;
        assert_eq!((outcome.requests.len(), &outcome.requests[0].outcome), (1, &Ok(307)), "{to}");
        assert!(report(&outcome).fault.is_some() && report(&outcome).settled.is_empty(), "{to}: {outcome:?}");
        assert_eq!(peer.requests.load(Ordering::SeqCst), 1, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_request_that_failed_is_the_transports_and_else_the_connectors() {
    let component = load("hostile_deeds");
    let fails = Raw::start(Saying { hangs_up: true, ..Saying::at_once("HTTP/1.1 200") }).await;
    let outcome = within(&deed(&component, fails.reach(), "crash-after"), Duration::from_secs(20)).await;
    let (class, words) = fault(&outcome);
    assert!(class == "unavailable" && words.contains("CV062"), "{class} {words}");
    let works = Raw::start(Saying::at_once(answer("", TAKEN))).await;
    let outcome = within(&deed(&component, works.reach(), "crash-after"), Duration::from_secs(20)).await;
    let (class, words) = fault(&outcome);
    assert!(class == "bug" && words.contains("which went well: true"), "{class} {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_the_connector_leaves_half_written_is_its_bug_and_never_the_partners_outage() {
    let component = load("hostile_deeds");
    // Both larger and smaller than what the host reads whole before it dials; and one that blames the partner for it.
    for deed_of in ["half-body-then-trap", "half-small-body-then-trap", "half-body-then-blame"] {
        // Ten times: it must not hang on who is faster, the transport or the end of the call.
        for _ in 0..10 {
            let peer = Raw::start(Saying::at_once(answer("", TAKEN))).await;
            let outcome = within(&deed(&component, peer.reach(), deed_of), Duration::from_secs(20)).await;
            let (class, words) = fault(&outcome);
            assert!(class == "bug" && !words.contains("CV062"), "{deed_of}: {class} {words}");
            assert!(report(&outcome).settled.is_empty(), "{deed_of}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lateness_is_the_partners_where_it_was_waited_for_and_else_the_connectors() {
    let component = load("hostile_deeds");
    let drips = |pause: u64| {
        let whole = answer("", &" ".repeat(100_000)).into_bytes();
        let begins = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = whole[begins..].iter().map(|byte| vec![*byte]);
        let pieces = std::iter::once(whole[..begins].to_vec()).chain(body).collect();
        Saying { pieces, pause: Duration::from_millis(pause), ..Saying::default() }
    };
    // The partner answers at once, or drips; whoever the call waits for is told.
    for (what, saying, class, code) in [
        ("drip-body", Saying::at_once(answer("", TAKEN)), "stopped", "CV061"),
        ("drip-small-body", Saying::at_once(answer("", TAKEN)), "stopped", "CV061"),
        ("doze", Saying::at_once(answer("", TAKEN)), "stopped", "CV061"),
        ("doze", drips(20), "stopped", "CV061"),
        // It crashes while more of an answer is to come, after an answer that came, and where none comes.
        ("impatient", drips(1_300), "unavailable", "CV062"),
        ("impatient", Saying::at_once(answer("", TAKEN)), "bug", "crashed"),
        ("proper", drips(100), "unavailable", "CV062"),
    ] {
        let peer = Raw::start(saying).await;
        let began = Instant::now();
        let outcome = within(&deed(&component, peer.reach(), what), Duration::from_millis(1_500)).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: {:?}", began.elapsed());
        let (was, words) = fault(&outcome);
        assert!(was == class && words.contains(code), "{what}: {was} {words}");
        assert!(report(&outcome).settled.is_empty(), "{what}");
    }
}

/// gzip of one block that is not compressed, so that no library is needed.
fn gzip(text: &[u8]) -> Vec<u8> {
    let crc = !text.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let length = u16::try_from(text.len()).unwrap();
    let head = [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head[..], text, &crc.to_le_bytes(), &u32::from(length).to_le_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_echoed_compressed_does_not_reach_the_guest_and_a_bomb_is_never_unpacked() {
    let component = load("hostile_deeds");
    let echo = gzip(br#"{"data":[],"echo":"lab-token"}"#);
    // 64 MiB of zeros in 64 KiB: four times what an answer may have.
    let bomb = include_bytes!("data/zeros.gz").to_vec();
    let chunked = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
    for (what, head, body) in [
        ("said", "content-encoding: gzip\r\n", echo.clone()),
        ("said in capitals", "Content-Encoding: GZip\r\n", echo.clone()),
        ("said behind another", "content-encoding: identity\r\ncontent-encoding: gzip\r\n", echo.clone()),
        ("said in a list", "content-encoding: identity, gzip\r\n", echo.clone()),
        ("not said", "", echo.clone()),
        ("said as another", "content-encoding: br\r\n", echo.clone()),
        ("a bomb", "content-encoding: gzip\r\n", bomb.clone()),
        ("a bomb that is not said", "", bomb),
        ("in transfer", "transfer-encoding: gzip, chunked\r\n", chunked(&echo)),
    ] {
        let length = match head.contains("chunked") {
            true => String::new(),
            false => format!("content-length: {}\r\n", body.len()),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}{length}\r\n");
        let peer = Raw::start(Saying::at_once([head.as_bytes(), &body].concat())).await;
        let outcome = within(&deed(&component, peer.reach(), "dump"), Duration::from_secs(20)).await;
        let log = outcome.log.join("\n");
        assert!(!log.contains("body ") && !log.contains("lab-token"), "{what}: {log}");
        let (class, words) = fault(&outcome);
        assert!(class == "unavailable" || class == "bug", "{what}: {class} {words}");
        assert!(peer.requests.load(Ordering::SeqCst) >= 1, "{what}");
        let refused =
            |one: &caravan_model::port::RequestRecord| one.outcome.as_ref().is_err_and(|w| w.contains("compressed"));
        assert!(what == "in transfer" || outcome.requests.iter().any(refused), "{what}: {:?}", outcome.requests);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_echoed_in_pieces_and_in_other_forms_does_not_reach_the_guest() {
    let component = load("hostile_deeds");
    // "Bearer lab-token" in base64, the token as it is, percent-encoded, and cut between two chunks.
    let echo = r#"{"data":[],"echo":"QmVhcmVyIGxhYi10b2tlbg== lab-token lab%2Dtoken @"}"#;
    let (first, second) = echo.split_at(echo.find("-token").unwrap());
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-echo: lab-token\r\ntransfer-encoding: chunked\r\n\r\n";
    let pieces = [head.to_owned() + &chunk(first), chunk(second) + "0\r\n\r\n"].map(String::into_bytes).to_vec();
    let saying = Saying { pieces, pause: Duration::from_millis(50), ..Saying::default() };
    let peer = Raw::start(saying).await;
    let outcome = within(&deed(&component, peer.reach(), "dump"), Duration::from_secs(20)).await;
    let log = outcome.log.join("\n");
    for leak in ["lab-token", "2Dtoken", "GxhYi10b2tl", "bGFiLXRva2Vu"] {
        assert!(log.contains("body ") && !log.contains(leak), "{leak}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_instances_beyond_the_grant_are_refused_and_told() {
    let component = load("hostile_deeds");
    let peer = Peer::meta().await;
    for (what, tables, instances) in
        [("tables of more than 1 elements", 1, 200), ("more than 1 core instances", 100_000, 1)]
    {
        let mut binding = binding(&component, peer.lab(META));
        binding.settings.insert("deed".into(), "proper".into());
        (binding.grant.limits.table_elements, binding.grant.limits.instances) = (tables, instances);
        let connector = BoundConnector::new(component.clone(), binding).unwrap();
        let (class, words) = fault(&sync(&connector, 2).await);
        assert!(class == "stopped" && words.contains("CV061") && words.contains(what), "{what}: {class} {words}");
    }
    assert!(peer.received().is_empty());
    assert!(report(&sync(&deed(&component, peer.lab(META), "proper"), 2).await).fault.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_bytes_of_a_whole_call_are_bounded_by_the_grant_and_told() {
    let bounded = |name: &str, reach: Reach, limit: &dyn Fn(&mut caravan_connectors::Limits)| {
        let component = load(name);
        let mut binding = binding(&component, reach);
        if name == "hostile_deeds" {
            binding.settings.insert("deed".into(), "sleep".into());
        }
        limit(&mut binding.grant.limits);
        BoundConnector::new(component, binding).unwrap()
    };
    // Waiting for nothing, far within the caller's deadline.
    let peer = Peer::meta().await;
    let sleeps = bounded("hostile_deeds", peer.lab(META), &|limits| limits.wall_ms = 300);
    let began = Instant::now();
    let (class, words) = fault(&within(&sleeps, Duration::from_secs(600)).await);
    assert!(class == "stopped" && words.contains("CV061") && words.contains("wall_ms: 600"), "{class} {words}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    // A partner that is waited for within the same time is the partner's matter.
    let slow = Raw::start(Saying { pause: Duration::from_secs(600), ..Saying::at_once(answer("", TAKEN)) }).await;
    let waits = bounded("meta", slow.reach(), &|limits| limits.wall_ms = 300);
    let (class, words) = fault(&within(&waits, Duration::from_secs(600)).await);
    assert!(class == "unavailable" && words.contains("CV062"), "{class} {words}");
    // Each request is small; together they are not.
    let answers = bounded("hostile_flood", peer.lab(META), &|limits| {
        (limits.requests, limits.received_bytes) = (10_000, 2_000);
    });
    let (class, words) = fault(&within(&answers, Duration::from_secs(60)).await);
    assert!(class == "stopped" && words.contains("received_bytes: 4000"), "{class} {words}");
    let few = peer.received().len();
    assert!((2..2_000).contains(&few), "{few} requests");
    let sends = bounded("meta", peer.lab(META), &|limits| limits.sent_bytes = 20);
    let (class, words) = fault(&within(&sends, Duration::from_secs(60)).await);
    assert!(class == "stopped" && words.contains("sent_bytes: 40"), "{class} {words}");
    assert!(report(&sync(&bounded("meta", peer.lab(META), &|_| {}), 2).await).fault.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_no_more_calls_at_once_than_granted_and_the_rest_waits_within_its_deadline() {
    let component = load("meta");
    let slow = Saying { pause: Duration::from_millis(150), ..Saying::at_once(answer("", TAKEN)) };
    let peer = Raw::start(slow).await;
    let mut binding = binding(&component, peer.reach());
    binding.grant.limits.calls = 2;
    let connector = Arc::new(BoundConnector::new(component, binding).unwrap());
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let connector = connector.clone();
            tokio::spawn(async move { within(&connector, Duration::from_secs(20)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Two are under way, four wait before it.
    let late = within(&connector, Duration::from_millis(20)).await;
    let (class, words) = fault(&late);
    assert!(class == "unavailable" && words.contains("calls: 4") && late.requests.is_empty(), "{class} {words}");
    for call in calls {
        assert_eq!(report(&call.await.unwrap()).settled, [(0, 2)]);
    }
    assert_eq!((peer.peak.load(Ordering::SeqCst), peer.requests.load(Ordering::SeqCst)), (2, 6));
}
