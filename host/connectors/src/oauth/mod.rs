//! Tokens at a partner's own endpoints, in the partner's own words: sending, reading, consent of people, service accounts.
pub(crate) mod answer;
pub(crate) mod assertion;
pub(crate) mod consent;
pub(crate) mod place;
pub(crate) mod send;

pub use consent::{Begun, ConsentDesk};
