//! Writes properly, but its report neither settles nor refuses the last row, and names no fault.
//!
//! The host must treat the report as a bug of the connector and lose no row.
use caravan_sdk::{Part, Report, Settings, Target, report};

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    let proper = hostile_common::proper(settings, target, part);
    match proper.fault {
        Some(_) => proper,
        None => report::settled(part.rows.saturating_sub(1)),
    }
}

hostile_common::hostile!(sync);
