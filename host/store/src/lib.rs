//! Durable state: one contract, written as calls on sets, and SQLite behind it (PostgreSQL can follow).
pub mod contract;

pub use contract::*;
