//! Asks this machine: by addresses, and by a host that its manifest names and that resolves to it.
//!
//! The host must refuse every one of these before it connects, stop the queue and tell why. A log line `reached …` means
//! that it did not.
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Part, Report, Settings, Target, log, report};

/// Addresses of the machine, of its cloud's metadata service, and forms that mean the same; the last is in the manifest.
const HOSTS: [&str; 8] = [
    "127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "2130706433",
    "169.254.169.254",
    "localhost",
];

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    for host in HOSTS {
        match http::send(Request::get(host, Path::new(["_lab", "calls"]))) {
            Ok(answer) => log::error(format!("reached {host}: {}", answer.status)),
            Err(error) => log::info(format!("{host}: {error}")),
        }
    }
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
