//! Identity: a person's fields become the identifiers that a partner compares.
//!
//! Pure: no clock, no async, no store. Values are normalised by the closed list of [`Rule`]s, hashed as the
//! manifest says, and appended to packed columns; what cannot be used has a reason, and is never hashed.
//!
//! - [`normalise()`]: one value by one rule.
//! - [`Plan`]: a manifest's match keys chosen by the words of a step; [`ColumnBuilder`] appends people to a
//!   [`ColumnSet`].
//! - [`recorded`]: a person's identifiers as sent, in the compact form that membership keeps.
//!
//! ```
//! use caravan_identity::{Place, Unusable, normalise};
//! use caravan_model::manifest::Rule;
//! let place = Place::default();
//! assert_eq!(normalise(Rule::PhoneDigits, "0044 (0)20 7946 0958", place).unwrap(), "442079460958");
//! assert_eq!(normalise(Rule::GenderMf, "non-binary", place), Err(Unusable::NotMOrF));
//! ```
mod amount;
mod birth;
mod columns;
mod country;
mod country_names;
mod device;
mod digest;
mod email;
mod gender;
mod memo;
mod name;
mod normalise;
mod phone;
mod place;
mod plan;
pub mod recorded;
mod source;
mod state;
mod text;
mod unusable;
mod zip;

pub use caravan_model::manifest::{Field, Hash, Rule};
pub use columns::{ColumnBuilder, ColumnSet, MAX_ROWS, Person};
pub use country::Alpha2;
pub use digest::{hash, hash_into};
pub use normalise::{identifier, identifier_into, normalise, normalise_into};
pub use place::Place;
pub use plan::{Complaint, Plan, PlanError, PlannedKey, check_mapping};
pub use source::{At, KeySource, raw_keys};
pub use unusable::Unusable;
