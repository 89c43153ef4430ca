//! What the misbehaving test connectors share: everything that they do properly, at Meta's emulator.
//!
//! Each of them is an ordinary destination with an ordinary manifest; only its `sync` breaks a rule of the host's. What
//! a host owes to each is the doc of its crate.
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{
    Account, AccountPage, Action, Audience, AudiencePage, Created, Fault, Part, Report, Rows, Settings, Target, fault,
    report,
};
use serde_json::{Value, json};

#[doc(hidden)]
pub use caravan_sdk;

/// The only host that they may ask.
pub const HOST: &str = "graph.facebook.com";

/// A destination that does everything properly but `sync`, which is the given function.
#[macro_export]
macro_rules! hostile {
    ($sync:path) => {
        /// The connector.
        pub struct Hostile;

        impl caravan_sdk::Destination for Hostile {
            fn accounts(
                settings: &caravan_sdk::Settings,
                _cursor: Option<&str>,
            ) -> Result<caravan_sdk::AccountPage, caravan_sdk::Fault> {
                $crate::accounts(settings)
            }

            fn audiences(
                settings: &caravan_sdk::Settings,
                account: &str,
                query: &str,
                _cursor: Option<&str>,
            ) -> Result<caravan_sdk::AudiencePage, caravan_sdk::Fault> {
                $crate::audiences(settings, account, query)
            }

            fn create_audience(
                settings: &caravan_sdk::Settings,
                account: &str,
                name: &str,
                marker: &str,
                _group: &str,
                _seed: Option<&caravan_sdk::Part>,
            ) -> Result<caravan_sdk::Created, caravan_sdk::Fault> {
                $crate::create(settings, account, name, marker)
            }

            fn sync(
                settings: &caravan_sdk::Settings,
                target: &caravan_sdk::Target,
                part: &caravan_sdk::Part,
            ) -> caravan_sdk::Report {
                $sync(settings, target, part)
            }
        }

        caravan_sdk::destination!(Hostile, manifest = "manifest.json");
    };
}

/// `/v26.0/…`.
pub fn path(settings: &Settings, segments: &[&str]) -> Path {
    Path::new(std::iter::once(settings.text("api_version")).chain(segments.iter().copied()))
}

/// The ad accounts, first page.
///
/// # Errors
/// `unavailable`, whatever the reason.
pub fn accounts(settings: &Settings) -> Result<AccountPage, Fault> {
    let answer = ask(Request::get(HOST, path(settings, &["me", "adaccounts"]).query("fields", "id,name")))?;
    let accounts =
        items(&answer).iter().map(|item| Account { id: word(item, "id"), name: word(item, "name"), unusable: None });
    Ok(AccountPage { accounts: accounts.collect(), next: None })
}

/// The audiences of an account, first page.
///
/// # Errors
/// `unavailable`, whatever the reason.
pub fn audiences(settings: &Settings, account: &str, query: &str) -> Result<AudiencePage, Fault> {
    let answer = listed(settings, account)?;
    let audiences = items(&answer).iter().map(|item| Audience {
        id: word(item, "id"),
        name: word(item, "name"),
        kind: word(item, "subtype"),
        unusable: None,
        size: None,
    });
    Ok(AudiencePage { audiences: audiences.filter(|audience| audience.name.contains(query)).collect(), next: None })
}

/// Makes an audience, or adopts the one with the marker.
///
/// # Errors
/// `unavailable`, whatever the reason.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str) -> Result<Created, Fault> {
    let known = listed(settings, account)?;
    if let Some(found) = items(&known).iter().find(|item| word(item, "description") == marker) {
        return Ok(Created { audience: word(found, "id"), audience_parts: Vec::new(), adopted: true });
    }
    let source = "USER_PROVIDED_ONLY";
    let body = json!({"name": name, "subtype": "CUSTOM", "description": marker, "customer_file_source": source});
    let path = path(settings, &[account, "customaudiences"]);
    let answer = ask(Request::post(HOST, path).json(body.to_string()))?;
    Ok(Created { audience: word(&answer, "id"), audience_parts: Vec::new(), adopted: false })
}

/// Writes a part into an audience, which need not be the target's.
///
/// # Errors
/// `unavailable`, whatever the reason.
pub fn write(settings: &Settings, audience: &str, part: &Part) -> Result<(), Fault> {
    let rows = Rows::of(part)?;
    let schema: Vec<&str> = rows.columns().iter().map(|values| values.key()).collect();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let row = |row: usize| rows.columns().iter().map(|values| text(values.get(row))).collect::<Vec<_>>();
    let data: Vec<Vec<String>> = (0..rows.count()).map(row).collect();
    let body = json!({"payload": {"schema": schema, "data": data}}).to_string();
    let path = path(settings, &[audience, "users"]);
    let request = match part.action {
        Action::Add => Request::post(HOST, path),
        Action::Remove => Request::delete(HOST, path),
    };
    ask(request.json(body)).map(drop)
}

/// What a proper connector does.
pub fn proper(settings: &Settings, target: &Target, part: &Part) -> Report {
    report::from(part.rows, write(settings, &target.audience, part))
}

fn listed(settings: &Settings, account: &str) -> Result<Value, Fault> {
    let path = path(settings, &[account, "customaudiences"])
        .query("fields", "id,name,description,subtype")
        .query("limit", "200");
    ask(Request::get(HOST, path))
}

fn ask(request: Request<'_>) -> Result<Value, Fault> {
    let answer = http::send(request)?;
    match answer.json().filter(|_| answer.is_success()) {
        Some(body) => Ok(body),
        None => Err(fault::unavailable(None, fault::cause(answer.status.to_string(), "The partner refuses."))),
    }
}

fn items(answer: &Value) -> &[Value] {
    answer["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap_or_default().to_owned()
}
