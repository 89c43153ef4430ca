//! Caravan's connector for static lists of Adobe Marketo Engage, over its REST API.
//!
//! Marketo's lists take lead ids only, so a part is looked up first, and then written with one call. One module per
//! question: which [accounts](accounts), which [audiences](audiences), [check](check) the connection, who [is](leads) a
//! person, send [members](members); [classify](classify) reads every answer, because errors come inside a 200.
pub mod accounts;
pub mod api;
pub mod audiences;
pub mod check;
pub mod classify;
pub mod leads;
pub mod members;

use caravan_sdk::{AccountPage, AudiencePage, Created, Destination, Fault, Finding, Part, Report, Settings, Target};

/// The connector.
pub struct Marketo;

impl Destination for Marketo {
    fn accounts(settings: &Settings, _cursor: Option<&str>) -> Result<AccountPage, Fault> {
        accounts::list(settings)
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

caravan_sdk::destination!(Marketo, manifest = "manifest.json");
