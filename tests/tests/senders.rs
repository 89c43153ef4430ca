//! What the libraries that send events ask of a host: packed bodies, pages of other origins, bounds, and "later".
use caravan_tests::{KEY, LAB_CONNECTIONS, Lab, Place, Served, node, patient, python};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::process::Stdio;

const CANVAS: &str = "format: 1\ncanvas: win-back\nentry: { trigger: { event: Lapsed }, start: pause }\n\
                      steps:\n  pause: { delay: { for: 30d }, next: exit }\n";
const KEYED: &str = "authorization: Basic ay0wZjJjOg==\r\n";
const LIMIT: usize = 500 * 1_024;

fn scene() -> (Place, Lab) {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    (place, lab)
}

/// Serves with this `[intake]` of a configuration.
fn serve(place: &Place, lab: &Lab, intake: &str) -> Served {
    place.write("keys", KEY);
    place.write(
        "caravan.toml",
        format!(
            "[intake]\n{intake}\n[workspaces.default]\nstore = \"s.caravan\"\ncanvases = [\"canvas.yaml\"]\n\
             write_keys = \"keys\"\n"
        ),
    );
    let mut command = place.caravan(["serve", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"]);
    Served::spawn(command.stdout(Stdio::piped()))
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// A batch of people who enter, blank up to so many bytes.
fn batch(name: &str, people: usize, bytes: usize) -> String {
    let one = |n| format!(r#"{{"type":"track","userId":"{name}{n}","event":"Lapsed","messageId":"{name}{n}"}}"#);
    let messages: Vec<String> = (0..people).map(one).collect();
    let text = format!(r#"{{"batch":[{}]}}"#, messages.join(","));
    format!("{text}{}", " ".repeat(bytes.saturating_sub(text.len())))
}

fn inside(served: &Served) -> u64 {
    served.metric(&["caravan_inside{", "win-back"]).unwrap_or(0)
}

#[test]
fn segments_library_for_python_works_when_it_packs_what_it_sends() {
    let (place, lab) = scene();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    python::run("stream.py", &[&served.url, KEY, "0", "2000", "gzip"], "");
    patient("all are inside", || inside(&served) == 2_000);
    assert_eq!(served.metric(&["caravan_messages{", "unreadable"]), Some(0));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn segments_library_for_browsers_works_from_a_page_that_is_allowed_to_send() {
    let (place, lab) = scene();
    let shop = "https://shop.acme.example";
    let served = serve(&place, &lab, &format!("origins = [\"{shop}\"]"));
    node::run("browser.mjs", &[&served.url, KEY, shop, "single", "20"]);
    patient("all are inside", || inside(&served) == 20);
    node::run("browser.mjs", &[&served.url, KEY, shop, "batching", "30"]);
    patient("those who are new, too", || inside(&served) == 30);
    patient("everything was taken in", || served.metric(&["caravan_messages{", "taken-in"]) == Some(2 * (20 + 30) + 2));
    let other = node::fails("browser.mjs", &[&served.url, KEY, "https://other.example", "single", "1"]);
    assert!(other.contains("not handed over"), "{other}");
    assert_eq!(served.ask("GET", "/v1/projects/unknown/settings", "", "").0, 404);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn pages_of_every_origin_may_send_where_nothing_else_is_configured() {
    let (place, lab) = scene();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let asked = "origin: https://shop.acme.example\r\naccess-control-request-method: POST\r\n\
                 access-control-request-headers: authorization\r\n";
    let (status, answer) = served.ask("OPTIONS", "/v1/t", asked, "");
    let answer = answer.to_lowercase();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("access-control-allow-origin: *") && answer.contains("allow-headers: authorization"));
    // The API of people is for no other page.
    let (_, answer) = served.ask("OPTIONS", "/api/members", asked, "");
    assert!(!answer.to_lowercase().contains("access-control-allow-origin"), "{answer}");
    // Any call by its first letter, with the key in its body.
    for (path, body) in [
        ("t", r#""userId": "u1", "event": "Lapsed""#),
        ("i", r#""userId": "u1", "traits": {"plan": "pro"}"#),
        ("p", r#""userId": "u1""#),
        ("s", r#""userId": "u1""#),
        ("g", r#""userId": "u1", "groupId": "g1""#),
        ("a", r#""userId": "u1", "previousId": "anonymous-1""#),
        ("b", r#""batch": [{"type": "page", "userId": "u1"}]"#),
    ] {
        let (status, answer) =
            served.ask("POST", &format!("/v1/{path}"), "", format!(r#"{{"writeKey": "{KEY}", {body}}}"#));
        assert_eq!(status, 200, "{path}: {answer}");
    }
    assert_eq!(served.send("/v1/x", "{}").0, 404);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn a_request_has_five_hundred_kilobytes_at_most_packed_or_not_and_more_is_a_problem_body() {
    let (place, lab) = scene();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let gzip = format!("{KEYED}content-encoding: gzip\r\n");
    let (most, over) = (batch("a", 100, LIMIT), batch("b", 100, LIMIT + 1));
    assert_eq!(served.send("/v1/batch", &most).0, 200);
    assert_eq!(served.ask("POST", "/v1/batch", &gzip, packed(&most)).0, 200);
    // The last one is beyond what is read at all; the bomb has 64 MB in 64 kB.
    let (far, bomb) = (batch("c", 100, 3 * LIMIT), packed(&" ".repeat(64 << 20)));
    let requests: [(&str, &[u8]); 5] = [
        (KEYED, over.as_bytes()),
        (&gzip, &packed(&over)),
        (&gzip, &bomb),
        (KEYED, far.as_bytes()),
        (&gzip, &[b'x'; 3 * LIMIT]),
    ];
    for (at, (headers, body)) in requests.into_iter().enumerate() {
        let (status, answer) = served.ask("POST", "/v1/batch", headers, body);
        assert_eq!(status, 413, "{at}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("\"cure\":\"send "), "{at}: {answer}");
    }
    let (status, answer) = served.ask("POST", "/v1/batch", &gzip, "{}");
    assert!(status == 400 && answer.contains("cannot be unpacked"), "{answer}");
    let brotli = format!("{KEYED}content-encoding: br\r\n");
    let (status, answer) = served.ask("POST", "/v1/batch", &brotli, "{}");
    assert!(status == 415 && answer.contains("application/problem+json"), "{answer}");
    patient("the two that fit were one", || inside(&served) == 100);
    assert_eq!(served.term(), Some(0));
}

/// Sends batches from several sides until one is put off, then everything that was put off, until all was taken in.
fn overrun(served: &Served) {
    let put_off = std::sync::atomic::AtomicU64::new(0);
    let sent = std::thread::scope(|all| {
        let put_off = &put_off;
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                all.spawn(move || {
                    let mut sent = 0;
                    for round in 0..20_000 {
                        if round >= 3 && put_off.load(std::sync::atomic::Ordering::Relaxed) > 0 {
                            break;
                        }
                        let body = batch(&format!("s{sender}-{round}-"), 500, 0);
                        loop {
                            let (status, answer) = served.send("/v1/batch", &body);
                            match status {
                                200 => break,
                                429 => assert!(answer.contains("retry-after: 10"), "{answer}"),
                                _ => panic!("{answer}"),
                            }
                            put_off.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            std::thread::sleep(std::time::Duration::from_millis(20));
                        }
                        sent += 500;
                    }
                    sent
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("a sender")).sum::<u64>()
    });
    let times = put_off.into_inner();
    assert!(times > 0, "nobody was put off in {sent} messages");
    patient("everybody is inside", || inside(served) == sent);
    assert_eq!(served.metric(&["caravan_messages{", "put-off-request"]), Some(times));
    assert_eq!(served.metric(&["caravan_messages{", "taken-in"]), Some(sent));
}

#[test]
fn senders_are_put_off_while_too_many_messages_wait_and_nothing_is_lost() {
    let (place, lab) = scene();
    let served = serve(&place, &lab, "most_waiting = 1");
    overrun(&served);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn senders_are_put_off_while_the_oldest_message_waits_too_long_and_nothing_is_lost() {
    let (place, lab) = scene();
    let served = serve(&place, &lab, "longest_wait = \"0s\"");
    overrun(&served);
    assert_eq!(served.term(), Some(0));
}
