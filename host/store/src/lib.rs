//! Durable state: one contract, written as calls on sets, and SQLite behind it (PostgreSQL can follow).
//!
//! [`Store`] says what any engine does; `contract_suite` shows that it does so. [`Sqlite`] is the embedded one: a writer
//! thread with group commit, readers beside it, one owning process by a file lock. `schema` has the tables and says why
//! they look as they do; each other file is named for what it keeps. Nobody outside this crate sees SQL.
//!
//! ```
//! use caravan_model::{Millis, Profile};
//! use caravan_store::{OpenOptions, Slots, Sqlite, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> caravan_store::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("store.db");
//! let store = Sqlite::open(&path, OpenOptions::default())?;
//! let now = Millis(1_767_225_600_000);
//! let lease = store.lease("this host", Slots::ALL, now).await?;
//! let ann = Profile { external_id: "c-1".into(), emails: vec!["ann@example.com".into()], ..Profile::default() };
//! let known = store.upsert(lease, vec![ann], now).await?;
//! assert_eq!(store.find("Ann@Example.com").await?, [known[0].id]);
//!
//! // Whoever takes the lease next fences this one.
//! store.lease("another host", Slots::ALL, now).await?;
//! assert!(store.upsert(lease, Vec::new(), now).await.is_err());
//! # Ok(())
//! # }
//! ```
pub mod bench;
pub mod contract;
#[doc(hidden)]
pub mod contract_suite;

mod audiences;
mod audit;
mod backup;
mod books;
mod calling;
mod calls;
mod catalogue;
mod checkpoint;
mod claims;
mod components;
mod counters;
mod documents;
mod entries;
mod events;
mod fail;
mod follow_ups;
mod groups;
mod holds;
mod imports;
mod inbox;
mod joining;
mod keeping;
mod lanes;
mod ledger;
mod membership;
mod merging;
mod moved;
mod moving;
mod notes;
mod owed;
mod owner;
mod pack;
mod parts;
mod people;
mod positions;
mod quotas;
mod readers;
mod recalls;
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
