//! The words of Caravan, shared by all rooms: ids, profiles, canvases, filters, connections, manifests, batches,
//! outcomes, statuses and error codes, and the ports between the pure core and the world.
//!
//! Nothing here acts: no clock, no async runtime, no store.
//!
//! ```
//! use caravan_model::{Duration, Millis};
//! let entered = Millis(1_000);
//! let due = entered.after("2d".parse::<Duration>().unwrap());
//! assert_eq!(due, Millis(1_000 + 48 * 3_600_000));
//! ```
mod access;
pub mod alert;
pub mod batch;
pub mod canvas;
pub mod changes;
mod charge;
pub mod code;
pub mod connection;
mod credential;
mod entitlements;
pub mod exchange;
pub mod fault;
pub mod filter;
mod group;
pub mod id;
mod identities;
pub mod manifest;
pub mod mask;
mod message;
pub mod policy;
pub mod port;
pub mod profile;
pub mod reasons;
pub mod status;
pub mod time;
pub mod told;
pub mod usage;
pub mod webhook;

pub use access::{Key, Member, Pass, Right, Rights, Role, is_member_address};
pub use alert::{AlertKind, Channel, Severity, Subscription};
pub use batch::{Action, Column, FlagColumn, Part, Target};
pub use canvas::Canvas;
pub use charge::Charge;
pub use code::{Code, Problem};
pub use connection::{Connection, Connections, KeptConnection};
pub use credential::Credential;
pub use exchange::{Exchange, exchanges_of};
pub use fault::{AudienceState, Cause, Effect, Fault, Refusal, Report};
pub use filter::Filter;
pub use group::{Group, GroupChange, GroupKind, Segment, is_group_name};
pub use id::{
    CanvasId, Digest, EntryId, LaneId, PartId, ProfileId, SliceId, Slot, StepId, StepIx, SubscriptionId, VersionId,
    VisitId, slot_of,
};
pub use identities::{Hashed, Identities, IdentitySource, Sources, SpelledSource};
pub use manifest::Manifest;
pub use message::{Called, Message};
pub use policy::Policy;
pub use profile::{Consent, Event, Profile};
pub use status::{Reason, Status};
pub use time::{Duration, Millis};
pub use told::Told;
