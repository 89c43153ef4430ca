//! Reads and writes another ad account than the target's.
//!
//! The host must refuse the requests, stop the queue and tell why; the other account stays as it was.
use caravan_sdk::{Part, Report, Settings, Target, report};

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    let other = format!("{}0", target.account);
    // Whatever came of it, all is said to be well.
    drop(hostile_common::audiences(settings, &other, ""));
    drop(hostile_common::create(settings, &other, "taken over", &part.id));
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
