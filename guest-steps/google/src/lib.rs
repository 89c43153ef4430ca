//! Caravan's connector for Google Customer Match, over the Data Manager API v1; accounts are listed through the Google Ads
//! API, which has nothing else for a new product.
//!
//! One module per question: which [accounts](accounts), which [audiences](audiences), [check](check) the connection,
//! send [members](members), ask what [became](follow_up) of them; [classify](classify) reads every refusal, because the
//! reason in a detail decides, not the HTTP status.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod follow_up;
pub mod members;

use caravan_sdk::{
    AccountPage, AudiencePage, Created, Destination, Fault, Finding, Later, Part, Report, Settings, Target,
};

/// The connector.
pub struct Google;

impl Destination for Google {
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
        group: &str,
        _seed: Option<&Part>,
    ) -> Result<Created, Fault> {
        audiences::create(settings, account, name, marker, group)
    }

    fn check(settings: &Settings, target: &Target) -> Result<Vec<Finding>, Fault> {
        Ok(check::findings(settings, target))
    }

    fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
        members::sync(settings, target, part)
    }

    fn follow_up(settings: &Settings, _target: &Target, reference: &str) -> Result<Later, Fault> {
        follow_up::ask(settings, reference)
    }
}

caravan_sdk::destination!(Google, manifest = "manifest.json");
