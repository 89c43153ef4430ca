//! Caravan's connector for Snapchat audience segments, over the Marketing API v1.
//!
//! One module per question: which [accounts](accounts), which [audiences](audiences), [check](check) the connection,
//! send [members](members); [classify](classify) reads every answer, because a good status may carry an error. A call
//! carries one type of identifier.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod members;

use caravan_sdk::{AccountPage, AudiencePage, Created, Destination, Fault, Finding, Part, Report, Settings, Target};

/// The connector.
pub struct Snapchat;

impl Destination for Snapchat {
    fn accounts(_settings: &Settings, cursor: Option<&str>) -> Result<AccountPage, Fault> {
        accounts::list(cursor)
    }

    fn audiences(
        _settings: &Settings,
        account: &str,
        query: &str,
        cursor: Option<&str>,
    ) -> Result<AudiencePage, Fault> {
        audiences::list(account, query, cursor)
    }

    fn create_audience(
        settings: &Settings,
        account: &str,
        name: &str,
        marker: &str,
        _group: &str,
        _seed: Option<&Part>,
    ) -> Result<Created, Fault> {
        audiences::create(settings, account, name, marker)
    }

    fn check(settings: &Settings, target: &Target) -> Result<Vec<Finding>, Fault> {
        Ok(check::findings(settings, target))
    }

    fn sync(_settings: &Settings, target: &Target, part: &Part) -> Report {
        members::sync(target, part)
    }
}

caravan_sdk::destination!(Snapchat, manifest = "manifest.json");
