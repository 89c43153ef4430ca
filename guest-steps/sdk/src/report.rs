//! Building the contract's `report`: what became of a part.
use crate::{Fault, Report};

/// Every one of `rows` rows was taken.
pub fn settled(rows: u32) -> Report {
    let settled = if rows == 0 { Vec::new() } else { vec![(0, rows)] };
    Report { settled, refused: Vec::new(), unnamed_refused: 0, pending: None, fault: None }
}

/// Every row was taken, but the partner says that it refused `unnamed` of them without naming which.
pub fn settled_but(rows: u32, unnamed: u32) -> Report {
    Report { unnamed_refused: unnamed.min(rows), ..settled(rows) }
}

/// Nothing was taken.
pub fn fault(fault: Fault) -> Report {
    Report { fault: Some(fault), ..settled(0) }
}

/// All or nothing.
pub fn from(rows: u32, outcome: Result<(), Fault>) -> Report {
    match outcome {
        Ok(()) => settled(rows),
        Err(why) => fault(why),
    }
}
