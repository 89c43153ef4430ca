//! Panics.
//!
//! The trap must hurt nobody else; the queue tells the message, which stands on the standard error.
use caravan_sdk::{Part, Report, Settings, Target};

fn sync(_settings: &Settings, _target: &Target, part: &Part) -> Report {
    panic!("no connector should do this with {} rows", part.rows)
}

hostile_common::hostile!(sync);
