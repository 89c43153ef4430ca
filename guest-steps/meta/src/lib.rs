//! Caravan's connector for Meta (Facebook) Custom Audiences, over the Graph API v26.0.
//!
//! One module per question: which [accounts](accounts), which [audiences](audiences), [check](check) the connection,
//! send [members](members); [classify](classify) reads every answer, because Meta's HTTP statuses do not tell what
//! happened.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod members;

use caravan_sdk::{AccountPage, AudiencePage, Created, Destination, Fault, Finding, Part, Report, Settings, Target};

/// The connector.
pub struct Meta;

impl Destination for Meta {
    fn accounts(settings: &Settings, cursor: Option<&str>) -> Result<AccountPage, Fault> {
        accounts::list(settings, cursor)
    }

    fn audiences(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
        audiences::list(settings, account, query, cursor)
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

    fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
        members::sync(settings, target, part)
    }
}

caravan_sdk::destination!(Meta, manifest = "manifest.json");
