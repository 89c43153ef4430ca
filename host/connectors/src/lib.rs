//! The WebAssembly sandbox: load, manifest, grants, limits, egress, secrets, call.
//!
//! A connector is a stranger. It runs in a fresh instance per call, within bounds of memory, computing time, requests
//! and bytes; it reaches only granted hosts, methods and routes, with the step's own account and audience; it sees no
//! token. This crate loads its component ([`Sandbox::load`]), binds it to a connection ([`BoundConnector`]), and
//! serves the port [`Connector`](caravan_model::port::Connector).
//!
//! ```no_run
//! use caravan_connectors::{Binding, BoundConnector, Grant, LabMap, LocalVault, Reach, Sandbox, SandboxOptions};
//! use std::sync::Arc;
//!
//! fn lab_meta(bytes: &[u8], vault: LocalVault) -> Result<BoundConnector, caravan_model::Problem> {
//!     let sandbox = Sandbox::new(SandboxOptions::default())?;
//!     let component = sandbox.load(bytes)?;
//!     let binding = Binding {
//!         connection: "lab-meta".into(),
//!         grant: Grant::as_asked(component.manifest()),
//!         settings: Default::default(),
//!         accounts: Some(vec!["act_1".into()]),
//!         vault: Arc::new(vault),
//!         reach: Reach::Lab(LabMap::new([("graph.facebook.com", "127.0.0.1:4001")])?),
//!     };
//!     BoundConnector::new(component, binding)
//! }
//! ```
mod bound;
mod cache;
mod call;
mod compiler;
mod component;
mod desk;
mod egress;
mod grant;
mod log;
mod mac;
mod messenger;
mod oauth;
pub mod oci;
mod outline;
mod sandbox;
mod scrub;
mod seal;
mod section;
mod signature;
mod state;
mod switch;
mod vault;
mod verdict;
mod webhooks;
mod words;
mod world;

pub use bound::{Binding, BoundConnector};
pub use compiler::{Compiler, compile};
pub use component::LoadedComponent;
pub use egress::book::RouteBook;
pub use egress::lock::{LockError, LockReader};
pub use egress::proxy::Proxy;
pub use egress::reach::{LabMap, Reach, Transport};
pub use egress::trust::{NameService, Trust};
pub use grant::{Grant, GrantFile, Limits};
pub use messenger::{LocalMessenger, MessengerSettings};
pub use oauth::{Begun, ConsentDesk};
pub use oci::OciReference;
pub use outline::{Capability, Difference, Outline};
pub use sandbox::{GuestMemory, Sandbox, SandboxOptions, TICK};
pub use seal::{Book, Safe, SealKey, SealPlace};
pub use signature::{PublicKey, SigningKey, is_signed, signers};
pub use switch::{Change, Switch};
pub use vault::{LAB_TOKEN, LocalVault, read as secret_of};
pub use webhooks::{IDEMPOTENCY_KEY, LocalWebhooks};
pub use world::WIT_VERSION;
