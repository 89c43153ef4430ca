//! Durable state: one contract, written as calls on sets, and SQLite behind it (PostgreSQL can follow).
pub mod contract;

mod audiences;
mod audit;
mod books;
mod checkpoint;
mod counters;
mod entries;
mod events;
mod fail;
mod lanes;
mod ledger;
mod membership;
mod owner;
mod pack;
mod parts;
mod people;
mod positions;
mod readers;
mod records;
mod rests;
mod schema;
mod settlement;
mod slices;
mod sqlite;
mod trace;
mod versions;
mod words;
mod writer;

pub use contract::*;
pub use sqlite::{OpenOptions, Sqlite};
