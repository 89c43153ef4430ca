//! What a Caravan connector is written with.
//!
//! A connector is a type that implements [`Destination`], a `manifest.json`, and one line that joins them:
//!
//! ```
//! use caravan_sdk::{Destination, Part, Report, Rows, Settings, Target, http, report};
//!
//! struct Acme;
//!
//! impl Destination for Acme {
//!     fn sync(_settings: &Settings, target: &Target, part: &Part) -> Report {
//!         report::from(part.rows, send(target, part))
//!     }
//! }
//!
//! fn send(target: &Target, part: &Part) -> Result<(), caravan_sdk::Fault> {
//!     let rows = Rows::of(part)?;
//!     let path = http::Path::new(["v1", "audiences", &target.audience]);
//!     let request = http::Request::post("api.acme.example", path).json(format!("{{\"count\":{}}}", rows.count()));
//!     http::send(request)?;
//!     Ok(())
//! }
//! // In a connector's `lib.rs`: caravan_sdk::destination!(Acme, manifest = "manifest.json");
//! # fn main() {}
//! ```
//!
//! The contract is `wit/v0.1/connector.wit`; items here name the part of it that they stand for. Everything but the
//! transport also works on the machine that builds the connector, so a connector's logic is tested natively, with
//! [`testing`] in the partner's place.
mod adapter;
mod copy;
pub mod fault;
mod finding;
pub mod http;
pub mod json;
pub mod log;
pub mod report;
mod rows;
mod settings;
mod sink;
mod source;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

/// What `wit-bindgen` makes of the world `destination`. For the macro; connectors use the names re-exported above it.
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "destination",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_destination",
        default_bindings_module: "caravan_sdk::bindings",
        additional_derives: [PartialEq],
        additional_derives_ignore: ["stream-error"],
    });
}

/// The same of the world `source`. Types and imports are those of [`bindings`].
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, clippy::all)]
pub mod source_bindings {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "source",
        generate_all,
        with: {
            "caravan:connector/types@0.1.0": crate::bindings::caravan::connector::types,
            "caravan:connector/logging@0.1.0": crate::bindings::caravan::connector::logging,
        },
        pub_export_macro: true,
        export_macro_name: "export_source",
        default_bindings_module: "caravan_sdk::source_bindings",
    });
}

/// A count of a judgement by this reason: the rows that it names were not processed, and the host sends them again.
pub const SEND_AGAIN: &str = "send-again";

#[doc(hidden)]
pub use adapter::Adapter;
pub use adapter::Destination;
pub use bindings::caravan::connector::types::{
    Account, AccountPage, Action, Audience, AudienceFault, AudiencePage, AudienceState, Cause, Column, Created, Fault,
    Finding, FindingState, FlagColumn, Folder, FolderPage, Judgement, Later, MemberPage, Members, Part, Refusal,
    Report, SourceTarget, Target, Wait,
};
pub use finding::finding;
pub use rows::{Rows, Values};
pub use settings::Settings;
pub use sink::Sink;
pub use source::Source;
#[doc(hidden)]
pub use source::SourceAdapter;
