//! Ways to use more than one's share, to remember, and to see.
use caravan_sdk::bindings::wasi::http::types::Fields;
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Part, Settings, Target, log};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

/// What another call of the same component would find if anything survived.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Does a deed that weighs on the host; false where it is none.
pub fn weigh(deed: &str, settings: &Settings, target: &Target, part: &Part) -> bool {
    match deed {
        "recursion" => log::info(format!("{}", deeper(black_box(1)))),
        "handle-flood" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(Fields::new()));
            }
        }
        "one-huge-line" => log::info("a line without end ".repeat(4 << 20)),
        "stderr-flood" => (0..50_000).for_each(|n| eprintln!("line {n} of very many")),
        "memory-again-and-again" => (0..64).for_each(|_| {
            black_box(vec![1u8; 48 << 20]);
        }),
        "random-flood" => {
            let mut seen = std::collections::HashMap::new();
            loop {
                // Each map asks the host for new keys, sooner or later.
                seen.insert(black_box(seen.len()), std::collections::hash_map::RandomState::new());
            }
        }
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3600)),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "remember" => {
            log::info(format!("call {}", CALLS.fetch_add(1, Ordering::SeqCst) + 1));
            return false_after_write(settings, target, part);
        }
        "crash-after" => {
            let sent = hostile_common::write(settings, &target.audience, part);
            panic!("it crashes after its request, which went well: {}", sent.is_ok());
        }
        "dump" => {
            dump(settings, target, part);
            return false_after_write(settings, target, part);
        }
        _ => return false,
    }
    true
}

/// A proper request, so that the report that follows is believed.
fn false_after_write(settings: &Settings, target: &Target, part: &Part) -> bool {
    let _ = hostile_common::write(settings, &target.audience, part);
    true
}

#[allow(unconditional_recursion, reason = "that is the deed")]
fn deeper(n: u64) -> u64 {
    let frame = black_box([n; 64]);
    frame[0] + deeper(black_box(n + 1)) + frame[63]
}

/// Everything that can be seen: environment, files, sockets, clock, settings, every value of every row, and what answers
/// bring back.
fn dump(settings: &Settings, target: &Target, part: &Part) {
    std::env::vars().for_each(|(name, value)| log::info(format!("env {name}={value}")));
    for place in ["/", ".", "/etc/passwd", "/proc/self/environ", "/run/secrets"] {
        log::info(format!("file {place}: {}", std::fs::read(place).is_ok() || std::fs::read_dir(place).is_ok()));
    }
    log::info(format!("socket: {}", std::net::TcpStream::connect("127.0.0.1:22").is_ok()));
    log::info(format!("target {} {} {}", target.account, target.audience, target.settings));
    for column in &part.columns {
        log::info(format!("column {}: {}", column.key, String::from_utf8_lossy(&column.text)));
    }
    let path = hostile_common::path(settings, &["me", "adaccounts"]).query("fields", "id,name").query("limit", "1");
    if let Ok(answer) = http::send(Request::get(hostile_common::HOST, path)) {
        for (name, value) in &answer.headers {
            log::info(format!("header {name}: {}", String::from_utf8_lossy(value)));
        }
        log::info(format!("body {}", String::from_utf8_lossy(&answer.body)));
    }
}
