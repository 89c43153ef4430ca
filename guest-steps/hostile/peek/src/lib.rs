//! Writes everything that it can see into its log: environment, arguments, target, settings, and what answers bring
//! back.
//!
//! Nothing that it logs may hold a secret, something of the host's machine, or a raw identifier.
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Part, Report, Settings, Target, log};

fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    for (name, value) in std::env::vars() {
        log::info(format!("peek env {name}={value}"));
    }
    log::info(format!("peek args {:?}", std::env::args().collect::<Vec<_>>()));
    log::info(format!("peek target {} {} {:?}", target.account, target.audience, target.audience_parts));
    log::info(format!("peek settings {}", target.settings));
    let path = hostile_common::path(settings, &["me", "adaccounts"]).query("fields", "id,name").query("limit", "1");
    match http::send(Request::get(hostile_common::HOST, path)) {
        Ok(answer) => {
            for (name, value) in &answer.headers {
                log::info(format!("peek header {name}: {}", String::from_utf8_lossy(value)));
            }
            log::info(format!("peek body {}", String::from_utf8_lossy(&answer.body)));
        }
        Err(error) => log::info(format!("peek error {error}")),
    }
    hostile_common::proper(settings, target, part)
}

hostile_common::hostile!(sync);
