//! Allocates without end.
//!
//! The host must not give it more than its memory cap; it traps then, and the queue tells why.
use caravan_sdk::{Part, Report, Settings, Target, report};
use std::hint::black_box;

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    while black_box(true) {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
