//! The emulators against the partner contracts, over real HTTP.

mod bench;
mod control;
mod criteo;
mod faults;
mod google;
mod google_errors;
mod google_members;
mod marketo;
mod marketo_errors;
mod meta;
mod meta_members;
mod meta_quota;
mod pinterest;
mod platform;
mod snapchat;
mod tiktok;
mod tiktok_files;
mod tiktok_members;
