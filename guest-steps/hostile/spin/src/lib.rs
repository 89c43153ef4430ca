//! Loops for ever.
//!
//! The host must stop it when its CPU budget is spent; other queues go on meanwhile.
use caravan_sdk::{Part, Report, Settings, Target, report};
use std::hint::black_box;

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    let mut turns = 0_u64;
    while black_box(true) {
        turns = black_box(turns.wrapping_add(1));
    }
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
