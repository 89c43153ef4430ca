//! Journey and runner on simulated time, over the real store: long outages, faults at the partner, deaths of the
//! process around any write. All that happens follows from a seed, which is printed; `CARAVAN_SEED` repeats one.
#[path = "../common/mod.rs"]
mod common;

mod again;
mod answers;
mod calls;
mod days;
mod deaths;
mod deeds;
mod groups;
mod judged;
mod machine;
mod oracle;
mod outages;
mod owed;
mod partner;
mod stops;
mod store;
mod stream;
mod time;
mod walk;
mod world;
