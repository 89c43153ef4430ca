//! `caravan doctor --server URL`: how a serving host is, as far as the key may see it.
use super::Remote;
use super::client::{Sent, part};
use crate::fail::{End, Problems};
use crate::out;
use crate::verbs::looked::{self, Looked};
use caravan_model::Code;
use http::Method;
use serde_json::Value;

/// Messages that wait for longer are worth a look, in milliseconds.
const LATE: u64 = 60_000;

impl Remote<'_> {
    pub(super) async fn doctor(&self) -> anyhow::Result<End> {
        let host = self.server.ask(Method::GET, "/host", Sent::Nothing).await?;
        let number = |name: &str| host[name].as_u64().unwrap_or_default();
        let text = |name: &str| host[name].as_str().unwrap_or_default().to_owned();
        let mut all = vec![Looked::of("host", Ok(format!("{}, {}", text("version"), text("state"))))];
        let waits = format!("{} wait", out::plural(number("inbox"), "message", "messages"));
        all.push(Looked::of(
            "inbox",
            if number("inbox_age") < LATE { Ok(waits) } else { Err(format!("{waits} for long")) },
        ));
        let held = out::plural(number("held"), "queue is held", "queues are held");
        all.push(Looked::of(
            "queues",
            if number("held") == 0 { Ok(held) } else { Err(format!("{held}: `queue list`")) },
        ));
        let alerts = |alerts: &Value| match alerts.as_array().map_or(0, Vec::len) {
            0 => Ok("none are open".to_owned()),
            n => Err(format!("{} open: `alert list`", out::plural(n as u64, "is", "are"))),
        };
        self.look(&mut all, "alerts", "/alerts", alerts).await?;
        let chain = |state: &Value| match state["broken"].is_null() {
            true => Ok("holds".to_owned()),
            false => Err("is broken: `audit verify`".to_owned()),
        };
        self.look(&mut all, "audit chain", "/audit/verify", chain).await?;
        let names = |listed: &Value| {
            let names = listed.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        if let Some(listed) = self.if_allowed(Method::GET, "/connections").await? {
            for name in names(&listed) {
                let found = self.if_allowed(Method::POST, &format!("/connections/{}/check", part(&name))).await;
                let found = match found {
                    Ok(None) => continue,
                    Ok(Some(report)) => connection(&report),
                    Err(error) => Err(error.to_string()),
                };
                all.push(Looked::of(format!("connection {name}"), found));
            }
        }
        looked::tell(self.global, &all)
    }

    async fn look(
        &self,
        all: &mut Vec<Looked>,
        what: &str,
        path: &str,
        judge: impl Fn(&Value) -> Result<String, String>,
    ) -> anyhow::Result<()> {
        if let Some(answer) = self.if_allowed(Method::GET, path).await? {
            all.push(Looked::of(what, judge(&answer)));
        }
        Ok(())
    }

    /// The answer; `None` where the key may not ask.
    async fn if_allowed(&self, method: Method, path: &str) -> anyhow::Result<Option<Value>> {
        match self.server.ask(method, path, Sent::Nothing).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match error.downcast_ref::<Problems>() {
                Some(problems) if problems.0.iter().all(|problem| problem.code == Code::NoRight) => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// What the checklist of a connection says.
fn connection(report: &Value) -> Result<String, String> {
    let accounts = report["accounts"].as_array().into_iter().flatten();
    let failed: Vec<&str> = accounts
        .flat_map(|account| account["findings"].as_array().into_iter().flatten())
        .filter(|finding| finding["state"] == "failed")
        .filter_map(|finding| finding["message"].as_str())
        .collect();
    match (failed.is_empty(), report["good"] == true) {
        (true, true) => Ok("good".to_owned()),
        (true, false) => Err("no account of it is switched on".to_owned()),
        (false, _) => Err(failed.join("; ")),
    }
}
