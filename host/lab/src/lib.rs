//! Caravan's lab: faithful emulators of the partners' APIs on loopback, with their authentication, ids, limits,
//! error bodies and membership semantics, fault dials for tests, and a generator of synthetic people.
//!
//! * [`Lab`] serves one control address and one address per partner over HTTP/1.1 on 127.0.0.1.
//! * [`InProcess`] answers the same requests without a socket; a dry run uses it, since it must make no connection.
//! * [`people`] makes any number of synthetic people, the same ones for the same seed.
//!
//! What each emulator does comes from the partner contracts: the comments name the section they
//! follow. Where the contract marks a fact as unsure, the emulator takes the stricter reading and says so.

mod call;
mod consent;
mod control;
mod criteo;
mod faults;
mod form;
mod google;
mod ids;
mod lab;
mod ledger;
mod marketo;
mod meta;
pub mod people;
mod pinterest;
mod platform;
mod quota;
mod reply;
mod rows;
mod serve;
mod settings;
mod shelf;
mod snapchat;
mod snapshot;
mod tiktok;
mod tls;
mod tokens;
mod values;
mod windows;
mod world;

pub use lab::{InProcess, Lab, LabError, LabOptions};
