//! What the end-to-end tests share: the binary, labs in processes of their own, sets of members, sinks for mails and
//! webhooks, and an oracle that shares no code with the host.
pub mod endpoint;
pub mod host;
pub mod node;
pub mod oracle;
pub mod people;
pub mod python;
pub mod served;
pub mod sinks;
pub mod states;
pub mod steady;

pub use endpoint::{EndpointServer, Got};
pub use host::{LAB_CONNECTIONS, Place, Ran, audience_named, binary, guest, keys_of, patient, word};
pub use served::{KEY, Served};
pub use states::{state_of, words_of};
pub use xtask::lab::Lab;
