//! The policy of a serving host's workspace: what it would refuse, and a new one that holds at once.
use super::bench::{BODY, Workbench};
use crate::policies::{self, PolicyFile};
use caravan_api::bench::PolicyKept;
use caravan_model::port::Connectors as _;
use serde_json::json;

impl Workbench {
    /// What a policy would refuse.
    pub(super) async fn policy_against_live(&self, text: String) -> anyhow::Result<(PolicyKept, PolicyFile)> {
        let file = policies::read_text(BODY, text)?;
        let mapped = |name: &str| self.host().identities(name);
        let found = policies::refusals(self.runner().store(), &file.policy, &mapped).await?;
        let refuses =
            found.refused.iter().map(|(canvas, problems)| json!({"canvas": canvas, "problems": problems})).collect();
        Ok((PolicyKept { kept: false, refuses, unseen: found.unseen }, file))
    }

    pub(super) async fn keep_policy(&self, who: String, text: String, anyway: bool) -> anyhow::Result<PolicyKept> {
        let (mut told, file) = self.policy_against_live(text).await?;
        let workspace = self.runner().store().workspace();
        self.installation().may_say(workspace, &file.policy).await?;
        told.kept = anyway || told.refuses.as_array().is_none_or(Vec::is_empty);
        if told.kept {
            let details = json!({"sha256": file.digest()});
            self.runner().acting(who.clone()).put(vec![file.document()], "policy.set", "policy", details).await?;
            self.runner().refresh();
            if workspace == self.installation().keeper() {
                self.installation().spread(&who).await?;
            }
        }
        Ok(told)
    }
}
