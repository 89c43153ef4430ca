//! Logs without end.
//!
//! The host must keep a bounded number of lines and bytes of them, and stop it when its budget is spent.
use caravan_sdk::{Part, Report, Settings, Target, log, report};
use std::hint::black_box;

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    let line = "chatter ".repeat(1024);
    while black_box(true) {
        log::info(&line);
        eprintln!("{line}");
    }
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
