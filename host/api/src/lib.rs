//! The HTTP edge of a host that serves: events stream in by the tracking API of the field ([`tracking`]), and whoever
//! runs the host sees how it is ([`health`], [`metrics`]).
//!
//! Everything that is answered with a success is durable. Mistakes are answered as RFC 9457 problems with a code of ours,
//! the place and the cure.
pub mod health;
pub mod keys;
pub mod metrics;
pub mod problem;
pub mod server;
pub mod tracking;

pub use keys::WriteKeys;
pub use server::{Server, ServerOptions};
pub use tracking::read_message;
