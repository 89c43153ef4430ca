//! Building a line of a connection's checklist.
use crate::{Finding, FindingState};

/// What was looked at, how it stands, and that in words; without a cure or a link, which are set beside it where there
/// are any: `Finding { cure: Some(…), ..finding(…) }`.
pub fn finding(subject: &str, state: FindingState, message: &str) -> Finding {
    Finding { subject: subject.to_owned(), state, message: message.to_owned(), cure: None, link: None }
}
