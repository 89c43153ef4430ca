//! Writes into another audience than the target's.
//!
//! The host must refuse the request, stop the queue and tell why; the other audience stays as it was.
use caravan_sdk::{Part, Report, Settings, Target, report};

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    let other = format!("{}0", target.audience);
    // Whatever came of it, all is said to be well.
    drop(hostile_common::write(settings, &other, part));
    report::settled(part.rows)
}

hostile_common::hostile!(sync);
