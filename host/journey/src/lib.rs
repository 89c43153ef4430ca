//! The pure journey: reading and checking canvases, the step machine, filters, sealing and retry.
//!
//! Nothing here knows a clock, a store or an async runtime: time, membership and randomness are parameters.
//!
//! * [`document`] reads and writes canvases and connections, with code, line, path and cure for each mistake;
//! * [`validate`] says what is wrong with a canvas before anyone enters it;
//! * [`plan`] turns a sound canvas into steps by number; [`walk`] moves one person through it until they rest;
//! * [`entry`] says who enters and who leaves, [`filter`] who fulfils a condition, [`lot`] who gets which variant;
//! * [`segments`] are rules that filters mention by name, [`schedule`] says when a clock lets people in;
//! * [`webhook`] makes the bodies that webhook steps send;
//! * [`policy`] says what a workspace's policy denies to labelled data, [`entitlements`] are written into its text;
//! * [`sealing`] says which operations of a lane are sent, [`pacing`] when a call may go, [`retry`] what follows when one
//!   fails.
//!
//! ```
//! use caravan_journey::{document, plan::{CompiledCanvas, Target}, walk::Rest, Person, Scene};
//! use caravan_model::{Millis, Profile, StepIx};
//!
//! let text = "
//! format: 1
//! canvas: hello
//! entry: { trigger: { event: signed_up }, start: pause }
//! steps:
//!   pause: { delay: { for: 2d }, next: exit }
//! ";
//! let canvas = document::read_canvas("hello.yaml", text).unwrap().value;
//! let plan = CompiledCanvas::new(&canvas).unwrap();
//! let profile = Profile::default();
//! let person = Person { profile: &profile, events: &[] };
//! let walk = plan.walk(plan.start, &person, &Scene::at(Millis(0))).unwrap();
//! assert_eq!(walk.rest, Rest::Delay { step: StepIx(0), due: Millis(48 * 3_600_000) });
//! assert_eq!(plan.after_delay(StepIx(0)).0, Target::Exit);
//! ```
pub mod compare;
mod compile;
pub mod delay;
pub mod document;
pub mod entitlements;
pub mod entry;
pub mod filter;
pub mod lot;
pub mod pacing;
pub mod person;
pub mod plan;
pub mod policy;
pub mod retry;
pub mod schedule;
pub mod sealing;
pub mod segments;
pub mod suggest;
pub mod update;
pub mod validate;
pub mod walk;
pub mod webhook;

pub use delay::day_start;
pub use jiff::tz::TimeZone;
pub use person::{Groups, NoGroups, Person, Scene};
