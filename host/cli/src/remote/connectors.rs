//! Connectors on a serving host.
use super::client::{Sent, part};
use super::{Remote, in_file, not_there};
use crate::args::{ConnectorVerb, OciLoginArgs, QueueVerb, ScopeArgs};
use crate::fail::{End, usage};
use crate::verbs::connector::oci;
use crate::{bundle, files};
use http::Method;
use serde_json::json;
use std::path::Path;

impl Remote<'_> {
    pub(super) async fn connector(&self, verb: ConnectorVerb) -> anyhow::Result<End> {
        let path = |name: &str| format!("/connectors/{}", part(name));
        match verb {
            ConnectorVerb::List => self.get("/connectors").await,
            ConnectorVerb::Inspect { connector } if bundle::is_path(&connector) => {
                Err(usage("a file is looked at without a host", "leave --server out").into())
            }
            ConnectorVerb::Inspect { connector } => self.get(&path(&connector)).await,
            ConnectorVerb::Install { watch: true, .. } => Err(not_there("watching a folder")),
            ConnectorVerb::Install { from, watch: false, login } => self.install(&from, &login).await,
            ConnectorVerb::Grant { name, as_asked, file } => {
                let (text, how) = match &file {
                    Some(file) => (files::text(file)?, ""),
                    None if as_asked => (String::new(), "?as_asked=true"),
                    None => {
                        let cure = "--as-asked for all that it asks for, or --file FILE";
                        return Err(usage("say what to allow", cure).into());
                    }
                };
                let granted =
                    self.server.ask(Method::PUT, &format!("{}/grant{how}", path(&name)), Sent::Text(text)).await;
                let granted = match &file {
                    Some(file) => granted.map_err(|error| in_file(error, file))?,
                    None => granted?,
                };
                if let Some(grant) = granted["grant"].as_str().filter(|_| file.is_none()) {
                    let file = crate::verbs::connector::keep_grant(&name, grant)?;
                    if !self.global.quiet {
                        eprintln!("the grant is in {}, for your repository", file.display());
                    }
                }
                self.tell(&granted)?;
                Ok(End::Done)
            }
            ConnectorVerb::Upgrade { name, compare: true, .. } => {
                let answer =
                    self.server.ask(Method::GET, &format!("{}/comparison", path(&name)), Sent::Nothing).await?;
                crate::verbs::connector::tell_comparison(self.global, &answer)
            }
            ConnectorVerb::Upgrade { name, only, compare: false } => {
                let (path, only) = (format!("{}/upgrade", path(&name)), Sent::Json(json!({"only": only})));
                let answer = self.server.ask(Method::POST, &path, only).await?;
                self.tell(&answer)?;
                Ok(if answer["state"] == "waits" { End::NeedsYou } else { End::Done })
            }
            ConnectorVerb::Rollback { name } => self.post(&format!("{}/rollback", path(&name)), json!({})).await,
            verb @ (ConnectorVerb::Keygen { .. } | ConnectorVerb::Sign { .. } | ConnectorVerb::Push { .. }) => {
                crate::verbs::connector::connector(self.global, verb).await
            }
            ConnectorVerb::Hold { name, reason } => {
                self.queue(QueueVerb::Hold { scope: ScopeArgs::of_connector(name), because: reason }).await
            }
            ConnectorVerb::Release { name } => {
                self.queue(QueueVerb::Resume { scope: ScopeArgs::of_connector(name) }).await
            }
            ConnectorVerb::Logs { name, lines } => {
                let answer =
                    self.server.ask(Method::GET, &format!("{}/logs?lines={lines}", path(&name)), Sent::Nothing).await?;
                crate::verbs::connector::tell_logs(self.global, &answer)
            }
            ConnectorVerb::Pin { connection, version } => {
                let pin = Sent::Json(json!({"version": version}));
                self.ask(Method::PUT, &format!("/connections/{}/pin", part(&connection)), pin).await
            }
            ConnectorVerb::App(verb) => self.app(verb).await,
            ConnectorVerb::Uninstall { name } => {
                self.delete(&path(&name), &format!("`{name}` and its grants are removed")).await
            }
        }
    }

    /// Sends a component's bytes, or those of all components of a folder.
    async fn install(&self, from: &Path, login: &OciLoginArgs) -> anyhow::Result<End> {
        if let Some(reference) = oci::reference(from)? {
            let bytes = oci::pull(self.global, &reference, login).await?;
            self.tell(&self.server.ask(Method::POST, "/connectors", Sent::Bytes(bytes)).await?)?;
            return Ok(End::Done);
        }
        let mut end = End::Done;
        for file in crate::verbs::connector::components(from)? {
            let bytes = crate::verbs::connector::component(&file)?;
            match self.server.ask(Method::POST, "/connectors", Sent::Bytes(bytes)).await {
                Ok(answer) => self.tell(&answer)?,
                // One bad file of a folder keeps no other one away.
                Err(error) if from.is_dir() => {
                    eprintln!("{error}");
                    end = End::NeedsYou;
                }
                Err(error) => return Err(in_file(error, &file)),
            }
        }
        Ok(end)
    }
}
