//! Caravan's connector for audiences of Adobe Experience Platform: it reads their members into lists.
//!
//! A folder is a sandbox. Members come by export jobs: a full one first, then those who qualified or left since. One
//! module per question: which [folders and audiences](audiences), [check](check) the connection, export the
//! [members](members), read their [rows](rows); [api] reads every answer.
//!
//! Real profile exports are Parquet files, which this connector does not read: it says so, and names the way by files that a
//! destination hands over in a folder (`list import --from-files`), which the host reads itself. It reads JSON lines, as a data set's files in JSON and the lab give them.
pub mod api;
pub mod audiences;
pub mod check;
pub mod cursor;
pub mod members;
pub mod parts;
pub mod rows;

use caravan_sdk::{AudiencePage, Fault, Finding, FolderPage, MemberPage, Settings, Source, SourceTarget};

/// The connector.
pub struct ExperiencePlatform;

impl Source for ExperiencePlatform {
    fn folders(settings: &Settings, cursor: Option<&str>) -> Result<FolderPage, Fault> {
        audiences::folders(settings, cursor)
    }

    fn audiences(settings: &Settings, folder: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
        audiences::list(settings, folder, query, cursor)
    }

    fn check(settings: &Settings, target: &SourceTarget) -> Result<Vec<Finding>, Fault> {
        Ok(check::findings(settings, target))
    }

    fn members(settings: &Settings, target: &SourceTarget, cursor: Option<&str>) -> Result<MemberPage, Fault> {
        members::next(settings, target, cursor)
    }
}

caravan_sdk::source!(ExperiencePlatform, manifest = "manifest.json");
