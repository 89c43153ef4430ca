//! Does the one thing that its setting `deed` names: a request that no rule allows, a report that cannot be true, or a
//! way to use more than its share. Whatever it does, its report then claims that all went well, unless the deed is the
//! report.
mod asks;
mod burdens;
mod drips;

use caravan_sdk::{Part, Refusal, Report, Settings, Target, log, report};

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    let deed = settings.text("deed");
    if deed == "half-body-then-blame" {
        return report::fault(drips::blame(target));
    }
    let done = asks::ask(deed, settings, target, part)
        || burdens::weigh(deed, settings, target, part)
        || drips::drip(deed, target);
    if done {
        return report::settled(part.rows);
    }
    let sent = hostile_common::proper(settings, target, part);
    match deed {
        "proper" => sent,
        "settles-too-much" => Report { settled: vec![(0, part.rows + 1)], ..sent },
        "settles-twice" => Report { settled: vec![(0, part.rows), (0, 1)], ..sent },
        "settles-backwards" => Report { settled: vec![(part.rows, 0)], ..sent },
        "refuses-a-stranger" => Report { refused: vec![refusal(part.rows + 7)], ..sent },
        "settles-and-refuses" => Report { refused: vec![refusal(0)], ..sent },
        "refuses-more-than-all" => Report { unnamed_refused: u32::MAX, ..sent },
        "says-nothing" => Report { settled: Vec::new(), ..sent },
        other => {
            log::error(format!("there is no deed {other}"));
            sent
        }
    }
}

fn refusal(row: u32) -> Refusal {
    Refusal { row, code: "x".repeat(100_000), message: "y".repeat(100_000) }
}

hostile_common::hostile!(sync);
