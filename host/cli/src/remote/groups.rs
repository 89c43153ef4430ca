//! Segments and lists on a serving host.
use super::client::{Sent, part};
use super::{Remote, in_file, not_there};
use crate::args::{ActivationMode, ListVerb, SegmentVerb};
use crate::fail::End;
use crate::files;
use crate::verbs::activate;
use http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

impl Remote<'_> {
    pub(super) async fn segment(&self, verb: SegmentVerb) -> anyhow::Result<End> {
        let path = |name: &str| format!("/segments/{}", part(name));
        match verb {
            SegmentVerb::Set { segment } => {
                let answer = self.server.ask(Method::POST, "/segments", Sent::Text(files::text(&segment)?)).await;
                self.tell(&answer.map_err(|error| in_file(error, &segment))?)?;
                Ok(End::Done)
            }
            SegmentVerb::List => self.get("/segments").await,
            SegmentVerb::Show { segment, members } => self.group(&path(&segment), members).await,
            SegmentVerb::Count { segment } => {
                // A file, or the name of one that is kept.
                let text = match Path::new(&segment).exists() {
                    true => files::text(Path::new(&segment))?,
                    false => {
                        let known = self.server.ask(Method::GET, &path(&segment), Sent::Nothing).await?;
                        known["document"].to_string()
                    }
                };
                self.ask(Method::POST, "/segments/count", Sent::Text(text)).await
            }
            SegmentVerb::Activate(args) => {
                let mode = match args.mode {
                    ActivationMode::Streaming => "streaming",
                    ActivationMode::Once => "once",
                };
                let wanted = json!({"connection": args.connection, "account": args.account, "mode": mode,
                    "match": args.match_on, "audience": args.audience, "id": args.id, "kind": args.kind,
                    "canvas": args.canvas, "mail": args.mail});
                let path = format!("{}/activations", path(&args.segment));
                let answer = self.server.ask(Method::POST, &path, Sent::Json(wanted)).await?;
                activate::tell_warnings(answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str));
                self.tell(&answer)?;
                Ok(End::Done)
            }
            SegmentVerb::Remove { segment } => {
                self.delete(&path(&segment), &format!("this forgets the segment {segment}")).await
            }
            SegmentVerb::Schema => Err(not_there("this command")),
        }
    }

    pub(super) async fn list(&self, verb: ListVerb) -> anyhow::Result<End> {
        let path = |name: &str| format!("/lists/{}", part(name));
        match verb {
            ListVerb::Create { list } => self.ask(Method::PUT, &path(&list), Sent::Nothing).await,
            ListVerb::Add { list, users } => self.put(&users, &format!("{}/members", path(&list))).await,
            ListVerb::Take { list, users } => self.put(&users, &format!("{}/members/remove", path(&list))).await,
            ListVerb::List => self.get("/lists").await,
            ListVerb::Show { list, members } => {
                self.get(&format!("{}/members?limit={}", path(&list), members.max(1))).await
            }
            ListVerb::Import(args) => {
                if args.create {
                    self.server.ask(Method::PUT, &path(&args.list), Sent::Nothing).await?;
                }
                let mut wanted = json!({"connection": args.source(), "every": args.every, "leavers": args.leavers});
                for (name, value) in [("folder", &args.folder), ("audience", &args.audience)] {
                    if let Some(value) = value {
                        wanted[name] = value.as_str().into();
                    }
                }
                if let Some(every) = args.full_every {
                    wanted["full_every"] = json!(every);
                }
                self.post(&format!("{}/imports", path(&args.list)), wanted).await
            }
            ListVerb::Imports { list } => {
                let lines = self.server.ask(Method::GET, &format!("{}/imports", path(&list)), Sent::Nothing).await?;
                self.tell(&lines)?;
                let stands = lines.as_array().is_some_and(|lines| lines.iter().any(|line| !line["trouble"].is_null()));
                Ok(if stands { End::NeedsYou } else { End::Done })
            }
            ListVerb::EndImport { list, import } => {
                let words = format!("this ends an import into the list {list}; who is on it stays");
                self.delete(&format!("{}/imports/{}", path(&list), part(&import)), &words).await
            }
            ListVerb::Unlinked { list, limit } => self.get(&format!("{}/unlinked?limit={limit}", path(&list))).await,
            ListVerb::Remove { list } => self.delete(&path(&list), &format!("this forgets the list {list}")).await,
        }
    }

    /// A group, and so many of its members.
    async fn group(&self, path: &str, members: usize) -> anyhow::Result<End> {
        let mut group = self.server.ask(Method::GET, path, Sent::Nothing).await?;
        if members > 0 {
            let page = format!("{path}/members?limit={members}");
            group["ids"] = self.server.ask(Method::GET, &page, Sent::Nothing).await?;
        }
        self.tell(&group)?;
        Ok(End::Done)
    }

    /// Merges the people of files in, and puts them on a list or takes them off.
    async fn put(&self, users: &[PathBuf], path: &str) -> anyhow::Result<End> {
        let mut changed = 0;
        let (_, bad) = self
            .people(users, async |ids| {
                let answer = self.server.ask(Method::POST, path, Sent::Json(json!({"external_ids": ids}))).await?;
                changed += answer["changed"].as_u64().unwrap_or(0);
                Ok(())
            })
            .await?;
        self.tell(&json!({"changed": Value::from(changed), "bad": bad}))?;
        Ok(if bad > 0 { End::NeedsYou } else { End::Done })
    }
}
