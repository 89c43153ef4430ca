//! The bindings of the world `destination`, generated from `wit/`, and the words that cross it: `model` ⇄ guest.
use caravan_model::port::{AccountInfo, Answer, AudienceInfo, Finding, FindingState};
use caravan_model::{Action, AudienceState, Cause, Fault, Part, Refusal, Report, Target};

/// The package version that this host serves.
pub const WIT_VERSION: &str = "0.1.0";

mod generated {
    #![allow(missing_docs, clippy::all)]
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "caravan:connector/destination@0.1.0",
        ownership: Borrowing { duplicate_if_necessary: true },
        exports: { default: async },
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

pub(crate) use generated::caravan::connector::{logging, types as wit};
pub(crate) use generated::{Destination, DestinationPre, DestinationIndices};
