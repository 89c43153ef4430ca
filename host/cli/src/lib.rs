//! The files that the command line reads: people and events, as streams. A library of their own, so that properties and
//! fuzzers reach what a stranger's file meets first.
pub mod users;
