//! What can be asked for under `/api`, a file for each noun. Each handler's arguments begin with the right that it asks for;
//! its documentation says the same, and a test compares the two.
pub mod alerts;
pub mod audience_book;
pub mod audiences;
pub mod audit;
pub mod batches;
pub mod canvases;
pub mod connections;
pub mod connectors;
pub mod consents;
pub mod entitlements;
pub mod entries;
pub mod events;
pub mod host;
pub mod imports;
pub mod keeping;
pub mod keys;
pub mod lists;
pub mod members;
pub mod oidc;
pub mod policy;
pub mod profiles;
pub mod queue_book;
pub mod queues;
pub mod segments;
pub mod sessions;
pub mod trials;
pub mod versions;
pub mod workspaces;

use caravan_model::Right;
use serde::Deserialize;
use utoipa::IntoParams;

pub(crate) const VIEW_CANVASES: u8 = Right::ViewCanvases as u8;
pub(crate) const EDIT_CANVASES: u8 = Right::EditCanvases as u8;
pub(crate) const PUBLISH_CANVASES: u8 = Right::PublishCanvases as u8;
pub(crate) const VIEW_SEGMENTS: u8 = Right::ViewSegments as u8;
pub(crate) const EDIT_SEGMENTS: u8 = Right::EditSegments as u8;
pub(crate) const ACTIVATE: u8 = Right::Activate as u8;
pub(crate) const EXPORT_IDENTITIES: u8 = Right::ExportIdentities as u8;
pub(crate) const VIEW_PROFILES: u8 = Right::ViewProfiles as u8;
pub(crate) const EDIT_PROFILES: u8 = Right::EditProfiles as u8;
pub(crate) const OPERATE: u8 = Right::Operate as u8;
pub(crate) const VIEW_CONNECTIONS: u8 = Right::ViewConnections as u8;
pub(crate) const MANAGE_CONNECTIONS: u8 = Right::ManageConnections as u8;
pub(crate) const INSTALL_CONNECTORS: u8 = Right::InstallConnectors as u8;
pub(crate) const GRANT_CONNECTORS: u8 = Right::GrantConnectors as u8;
pub(crate) const SEND_EVENTS: u8 = Right::SendEvents as u8;
pub(crate) const MANAGE_MEMBERS: u8 = Right::ManageMembers as u8;
pub(crate) const BACK_UP: u8 = Right::BackUp as u8;
pub(crate) const AUDIT: u8 = Right::Audit as u8;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Only those behind this place.
    #[serde(default)]
    pub after: u64,
    /// How many, at most 1,000.
    #[serde(default = "hundred")]
    pub limit: usize,
}

fn hundred() -> usize {
    100
}
