//! Caravan's connector for TikTok Custom Audiences, over the streaming calls (`segment/*`) of the Business API v1.3.
//!
//! One module per question: which [accounts](accounts), which [audiences](audiences), [check](check) the connection,
//! send [members](members); [classify](classify) reads every answer, because TikTok answers 200 to everything.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod members;

use caravan_sdk::{AccountPage, AudiencePage, Created, Destination, Fault, Finding, Part, Report, Settings, Target};

/// The connector.
pub struct TikTok;

impl Destination for TikTok {
    fn accounts(_settings: &Settings, _cursor: Option<&str>) -> Result<AccountPage, Fault> {
        accounts::list()
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
        _settings: &Settings,
        account: &str,
        name: &str,
        _marker: &str,
        _group: &str,
        _seed: Option<&Part>,
    ) -> Result<Created, Fault> {
        audiences::create(account, name)
    }

    fn check(_settings: &Settings, target: &Target) -> Result<Vec<Finding>, Fault> {
        Ok(check::findings(target))
    }

    fn sync(_settings: &Settings, target: &Target, part: &Part) -> Report {
        members::sync(target, part)
    }
}

caravan_sdk::destination!(TikTok, manifest = "manifest.json");
