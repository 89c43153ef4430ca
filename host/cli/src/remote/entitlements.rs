//! Slots of partners on a serving host.
use super::Remote;
use super::client::{Sent, part};
use crate::args::EntitlementVerb;
use crate::fail::End;
use crate::verbs::entitlement::tell;
use http::Method;
use serde_json::json;

impl Remote<'_> {
    pub(super) async fn entitlement(&self, verb: EntitlementVerb) -> anyhow::Result<End> {
        let anyway = self.global.yes;
        let slot = |partner: &str| format!("/entitlements/slots/{}?anyway={anyway}", part(partner));
        let (method, path, sent) = match verb {
            EntitlementVerb::List => (Method::GET, "/entitlements".to_owned(), Sent::Nothing),
            EntitlementVerb::Add { partner } => (Method::PUT, slot(&partner), Sent::Nothing),
            EntitlementVerb::Remove { partner } => (Method::DELETE, slot(&partner), Sent::Nothing),
            EntitlementVerb::Purchases { purchases } => {
                let path = format!("/entitlements/purchases?anyway={anyway}");
                (Method::PUT, path, Sent::Json(json!({"purchases": purchases})))
            }
        };
        tell(self.global, &self.server.ask(method, &path, sent).await?)
    }
}
