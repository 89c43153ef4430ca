//! The bindings of both worlds, generated from `wit/`, and borrowed forms of what `sync` takes, so that
//! columns are copied once: from the part into the guest.
use caravan_model::manifest::World;
use caravan_model::{Action, Part, Target};
use wasmtime::component::{ComponentType, Lower};

/// The version of `caravan:connector` that this host serves.
pub const WIT_VERSION: &str = "0.1.0";

/// The functions that the world `destination` exports.
const DESTINATION: [&str; 6] = ["accounts", "audiences", "create-audience", "check", "sync", "follow-up"];
/// The functions that the world `source` exports.
const SOURCE: [&str; 4] = ["folders", "audiences", "check", "members"];

/// The functions that a world exports.
pub(crate) fn exports(world: World) -> &'static [&'static str] {
    match world {
        World::Destination => &DESTINATION,
        World::Source => &SOURCE,
    }
}

/// A world's name.
pub(crate) fn name(world: World) -> &'static str {
    match world {
        World::Destination => "destination",
        World::Source => "source",
    }
}

mod generated {
    #![allow(missing_docs, clippy::all)]
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "caravan:connector/destination@0.1.0",
        exports: { default: async },
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

/// The world `source`, whose words are those of `destination`.
mod generated_source {
    #![allow(missing_docs, clippy::all)]
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "caravan:connector/source@0.1.0",
        exports: { default: async },
        with: {
            "caravan:connector/types": crate::world::generated::caravan::connector::types,
            "caravan:connector/logging": crate::world::generated::caravan::connector::logging,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

pub(crate) use generated::DestinationPre;
pub(crate) use generated::caravan::connector::{logging, types as wit};
pub(crate) use generated_source::SourcePre;

/// `enum action`.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum SentAction {
    #[component(name = "add")]
    Add,
    #[component(name = "remove")]
    Remove,
}

impl From<Action> for SentAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Add => SentAction::Add,
            Action::Remove => SentAction::Remove,
        }
    }
}

/// `record target`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentTarget<'a> {
    account: &'a str,
    audience: &'a str,
    #[component(name = "audience-parts")]
    audience_parts: &'a [(String, String)],
    settings: &'a str,
}

impl<'a> From<&'a Target> for SentTarget<'a> {
    fn from(target: &'a Target) -> Self {
        SentTarget {
            account: &target.account,
            audience: &target.audience,
            audience_parts: &target.audience_parts,
            settings: &target.settings,
        }
    }
}

/// `record column`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentColumn<'a> {
    key: &'a str,
    text: &'a [u8],
    ends: &'a [u32],
}

/// `record flag-column`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentFlags<'a> {
    key: &'a str,
    values: &'a [u8],
}

/// `record part`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentPart<'a> {
    id: &'a str,
    action: SentAction,
    group: &'a str,
    rows: u32,
    #[component(name = "person-ends")]
    person_ends: &'a [u32],
    columns: Vec<SentColumn<'a>>,
    flags: Vec<SentFlags<'a>>,
}

impl<'a> From<&'a Part> for SentPart<'a> {
    fn from(part: &'a Part) -> Self {
        SentPart {
            id: &part.id,
            action: part.action.into(),
            group: &part.group,
            rows: part.rows,
            person_ends: &part.person_ends,
            columns: part
                .columns
                .iter()
                .map(|column| SentColumn { key: &column.key, text: &column.text, ends: &column.ends })
                .collect(),
            flags: part.flags.iter().map(|flag| SentFlags { key: &flag.key, values: &flag.values }).collect(),
        }
    }
}

/// A target as the generated functions take it.
pub(crate) fn owned_target(target: Target) -> wit::Target {
    wit::Target {
        account: target.account,
        audience: target.audience,
        audience_parts: target.audience_parts,
        settings: target.settings,
    }
}

/// A target as a source's functions take it: its account is the folder.
pub(crate) fn source_target(target: Target) -> wit::SourceTarget {
    wit::SourceTarget { folder: target.account, audience: target.audience, settings: target.settings }
}

/// A part as the generated functions take it.
pub(crate) fn owned_part(part: Part) -> wit::Part {
    wit::Part {
        id: part.id,
        action: match part.action {
            Action::Add => wit::Action::Add,
            Action::Remove => wit::Action::Remove,
        },
        group: part.group,
        rows: part.rows,
        person_ends: part.person_ends,
        columns: part
            .columns
            .into_iter()
            .map(|column| wit::Column { key: column.key, text: column.text, ends: column.ends })
            .collect(),
        flags: part.flags.into_iter().map(|flag| wit::FlagColumn { key: flag.key, values: flag.values }).collect(),
    }
}
