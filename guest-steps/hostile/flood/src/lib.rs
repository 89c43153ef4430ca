//! Asks the partner far more often than one call may, with requests that are each allowed.
//!
//! The host must refuse whatever exceeds its number of requests per call, stop the queue and tell why.
use caravan_sdk::{Part, Report, Settings, Target, report};

const REQUESTS: u32 = 10_000;

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    for _ in 0..REQUESTS {
        drop(hostile_common::audiences(settings, &target.account, ""));
    }
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
