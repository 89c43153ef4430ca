//! The HTTP edge of a host that serves: events stream in by the tracking API of the field ([`tracking`]), and whoever
//! runs the host sees how it is ([`health`], [`metrics`]).
//!
//! Everything that is answered with a success is durable. Mistakes are answered as RFC 9457 problems with a code of ours,
//! the place and the cure.
pub mod bench;
mod caller;
pub mod doc;
mod doors;
pub mod health;
mod input;
pub mod keys;
pub mod metrics;
pub mod nouns;
pub mod problem;
pub mod provider;
mod routes;
pub mod secret;
pub mod server;
pub mod tracking;
mod workspace;

pub use bench::Bench;
pub use keys::WriteKeys;
pub use problem::Refused;
pub use provider::{Asked, Provider};
pub use server::{Server, ServerOptions};
pub use tracking::read_message;
pub use workspace::Workspace;
