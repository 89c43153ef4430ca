//! Segments and lists on a serving host.
use super::client::{Sent, part};
use super::{Remote, in_file, not_there};
use crate::args::{ActivationMode, ListVerb, SegmentVerb};
use crate::fail::End;
use crate::verbs::{activate, group};
use crate::{files, out};
use caravan_journey::document::format_canvas;
use caravan_model::{Code, GroupKind, Problem};
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
            SegmentVerb::List => self.groups(GroupKind::Segment).await,
            SegmentVerb::Show { segment, members } => {
                let group = self.server.ask(Method::GET, &path(&segment), Sent::Nothing).await?;
                self.group(GroupKind::Segment, &path(&segment), group, members).await
            }
            SegmentVerb::Count { segment } => {
                // A file, or the name of one that is kept.
                let text = match Path::new(&segment).exists() {
                    true => files::text(Path::new(&segment))?,
                    false => {
                        let known = self.server.ask(Method::GET, &path(&segment), Sent::Nothing).await?;
                        known["document"].to_string()
                    }
                };
                let mut counted = self.server.ask(Method::POST, "/segments/count", Sent::Text(text.clone())).await?;
                let rule: Value = serde_saphyr::from_str(&text).unwrap_or_default();
                counted["segment"] = rule["segment"].clone();
                group::tell_count(self.global, &counted)
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
                match self.global.json {
                    true => self.tell(&answer)?,
                    false => out::print(&format_canvas(&serde_json::from_value(answer["document"].clone())?)?)?,
                }
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
            ListVerb::List => self.groups(GroupKind::List).await,
            ListVerb::Show { list, members } => {
                let all = self.server.ask(Method::GET, "/lists", Sent::Nothing).await?;
                let known = all.as_array().into_iter().flatten().find(|one| one["name"] == list.as_str());
                let Some(known) = known else {
                    let problem = Problem::new(Code::UnknownGroup, format!("there is no list `{list}`"));
                    return Err(problem.cure("`caravan list list` shows what there is").into());
                };
                let group = json!({"name": list, "members": known["members"], "filled": true});
                self.group(GroupKind::List, &path(&list), group, members).await
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

    /// All segments, or all lists.
    async fn groups(&self, kind: GroupKind) -> anyhow::Result<End> {
        let path = format!("/{}s", kind.word());
        group::tell_groups(self.global, kind, &self.server.ask(Method::GET, &path, Sent::Nothing).await?)
    }

    /// A segment or list as it was answered, and so many of its members: as on a store.
    async fn group(&self, kind: GroupKind, path: &str, answer: Value, members: usize) -> anyhow::Result<End> {
        let mut ids = Vec::new();
        if members > 0 {
            let page = format!("{path}/members?limit={members}");
            let page = self.server.ask(Method::GET, &page, Sent::Nothing).await?;
            ids = page.as_array().into_iter().flatten().map(|one| one["external_id"].clone()).collect();
        }
        let data = json!({"kind": kind, "name": answer["name"], "members": answer["members"],
            "filled": answer["filled"], "rule": answer["document"],
            "activations": answer.get("activations").cloned().unwrap_or_else(|| json!([])), "ids": ids});
        out::say(self.global, &data, &group::group_in_words(&data)?)
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
