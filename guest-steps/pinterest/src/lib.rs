//! Caravan's connector for Pinterest customer lists, over API v5.
//!
//! Two objects belong together at Pinterest: a *customer list* holds the records, and an *audience* over it makes them
//! targetable. Caravan's audience is the list; the audience's id is kept as one of its parts.
//!
//! One module per question: which [accounts](accounts), which [audiences](audiences), [make](create) one with its first
//! people, [check](check) the connection, send [members](members); [classify](classify) reads every answer.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod create;
pub mod members;

use caravan_sdk::{AccountPage, AudiencePage, Created, Destination, Fault, Finding, Part, Report, Settings, Target};

/// The connector.
pub struct Pinterest;

impl Destination for Pinterest {
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
        _settings: &Settings,
        account: &str,
        name: &str,
        marker: &str,
        group: &str,
        seed: Option<&Part>,
    ) -> Result<Created, Fault> {
        create::create(account, name, marker, group, seed)
    }

    fn check(_settings: &Settings, target: &Target) -> Result<Vec<Finding>, Fault> {
        Ok(check::findings(target))
    }

    fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
        members::sync(settings, target, part)
    }
}

caravan_sdk::destination!(Pinterest, manifest = "manifest.json");
