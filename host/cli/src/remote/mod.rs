//! The verbs on a serving host (`--server URL`): each is one call, or a few, of its API. What needs no store is done here.
mod canvases;
mod client;
mod connections;
mod connectors;
mod doctor;
mod entitlements;
mod events;
mod groups;
mod show;

use crate::args::{
    AlertVerb, AudienceVerb, AuditVerb, BatchVerb, CanvasVerb, CatalogueVerb, EventVerb, Global, HostVerb, KeyVerb,
    MemberVerb, PolicyVerb, ProfileVerb, QueueVerb, ScopeArgs, StoreVerb, Verb, WorkspaceVerb,
};
use crate::fail::{End, Problems, usage};
use crate::out::{instant_of, text_of};
use crate::progress;
use crate::rows::Rows;
use crate::verbs::here;
use crate::verbs::profile::trace;
use crate::verbs::queue::state::Sends;
use crate::verbs::{alert, audience, audit, batch, catalogue, member, queue, store};
use crate::{ask, files, out};
use caravan_model::{Code, Problem, Subscription};
use caravan_runner::control::Dossier;
use client::{Sent, Server, part};
use http::Method;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub use show::words;

/// People who are sent at a time.
const CHUNK: usize = 5_000;

/// A host, and how its answers are told.
struct Remote<'a> {
    global: &'a Global,
    server: Server,
}

/// Does a verb on the host at an address.
pub async fn run(global: &Global, server: &str, verb: Verb) -> anyhow::Result<End> {
    // What is about files alone is the same everywhere.
    let alone = matches!(
        &verb,
        Verb::Explain { .. }
            | Verb::Lab(_)
            | Verb::Canvas(CanvasVerb::Fmt { .. } | CanvasVerb::Schema { .. } | CanvasVerb::New(_))
            | Verb::Segment(crate::args::SegmentVerb::Schema)
            | Verb::Member(MemberVerb::Rights)
    );
    if alone {
        return here(global.clone(), verb).await;
    }
    let remote = Remote { global, server: Server::at(server)? };
    match verb {
        Verb::Canvas(verb) => remote.canvas(verb).await,
        Verb::Segment(verb) => remote.segment(verb).await,
        Verb::List(verb) => remote.list(verb).await,
        Verb::Profile(verb) => remote.profile(verb).await,
        Verb::Audience(verb) => remote.audience(verb).await,
        Verb::Queue(verb) => remote.queue(verb).await,
        Verb::Batch(BatchVerb::Show(args)) if args.body.is_some() => Err(not_there("the body of a batch")),
        Verb::Batch(BatchVerb::Show(args)) => {
            let answer =
                remote.server.ask(Method::GET, &format!("/batches/{}", part(&args.name)), Sent::Nothing).await?;
            batch::tell(global, &serde_json::from_value(answer)?)
        }
        Verb::Alert(verb) => remote.alert(verb).await,
        Verb::Policy(verb) => remote.policy(verb).await,
        Verb::Entitlement(verb) => remote.entitlement(verb).await,
        Verb::Audit(AuditVerb::List { after, limit }) => {
            let path = format!("/audit?after={after}&limit={limit}");
            audit::tell(global, &remote.server.ask(Method::GET, &path, Sent::Nothing).await?)
        }
        Verb::Audit(AuditVerb::Verify) => {
            let state = remote.server.ask(Method::GET, "/audit/verify", Sent::Nothing).await?;
            audit::verify(global, &serde_json::from_value(state)?)
        }
        Verb::Member(verb) => remote.member(verb).await,
        Verb::Key(verb) => remote.key(verb).await,
        Verb::Connection(verb) => remote.connection(verb).await,
        Verb::Connector(verb) => remote.connector(verb).await,
        Verb::Catalogue(CatalogueVerb::Show { events, attributes, sample }) => {
            let path = format!("/catalogue?sample={sample}");
            let seen = remote.server.ask(Method::GET, &path, Sent::Nothing).await?;
            catalogue::tell(global, serde_json::from_value(seen)?, events, attributes)
        }
        Verb::Event(EventVerb::Import { files, .. }) => remote.import_events(&files).await,
        Verb::DryRun(args) => remote.dry_run(args).await,
        Verb::Keep(StoreVerb::Backup { to }) => {
            let bytes = remote.server.fetch("/store/backup", &to).await?;
            remote.tell(&json!({"file": to, "bytes": bytes}))?;
            Ok(End::Done)
        }
        Verb::Doctor => remote.doctor().await,
        Verb::Host(HostVerb::List) => remote.get("/host").await,
        Verb::Host(HostVerb::Drain) => {
            ask::confirm(global, "the host ends, and serves nobody until it is started again")?;
            let me = remote.server.ask(Method::GET, "/me", Sent::Nothing).await?;
            remote.post("/host/drain", json!({"workspace": me["workspace"]})).await
        }
        Verb::Workspace(WorkspaceVerb::List) => remote.get("/workspaces").await,
        Verb::Keep(StoreVerb::Check) => {
            let state = remote.server.ask(Method::POST, "/store/check", Sent::Json(json!({}))).await?;
            store::tell_check(global, &serde_json::from_value(state)?)
        }
        Verb::Keep(StoreVerb::Prune) => remote.post("/store/prune", json!({})).await,
        _ => Err(not_there("this command")),
    }
}

fn not_there(what: &str) -> anyhow::Error {
    Problem::new(Code::NotYet, format!("{what} works on a store, not on a serving host"))
        .cure("say it where the store is, without --server, while no host serves it")
        .into()
}

impl Remote<'_> {
    fn tell(&self, value: &Value) -> anyhow::Result<()> {
        match self.global.json {
            true => out::print_json(value),
            false => Ok(out::print(&show::words(value))?),
        }
    }

    async fn ask(&self, method: Method, path: &str, sent: Sent) -> anyhow::Result<End> {
        let answer = self.server.ask(method, path, sent).await?;
        self.tell(&answer)?;
        Ok(End::Done)
    }

    async fn get(&self, path: &str) -> anyhow::Result<End> {
        self.ask(Method::GET, path, Sent::Nothing).await
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<End> {
        self.ask(Method::POST, path, Sent::Json(body)).await
    }

    async fn delete(&self, path: &str, words: &str) -> anyhow::Result<End> {
        ask::confirm(self.global, words)?;
        self.ask(Method::DELETE, path, Sent::Nothing).await
    }

    async fn profile(&self, verb: ProfileVerb) -> anyhow::Result<End> {
        match verb {
            ProfileVerb::Trace { identifier, reveal } => {
                let path = format!("/profiles/{}?reveal={reveal}", part(&identifier));
                let answer = self.server.ask(Method::GET, &path, Sent::Nothing).await?;
                self.trace(&answer)
            }
            ProfileVerb::Erase { identifiers, .. } => {
                let words = out::plural(identifiers.len() as u64, "identifier", "identifiers");
                ask::confirm(self.global, &format!("this erases everyone with {words}"))?;
                for identifier in &identifiers {
                    self.ask(Method::DELETE, &format!("/profiles/{}", part(identifier)), Sent::Nothing).await?;
                }
                Ok(End::Done)
            }
            ProfileVerb::Import { users, .. } => {
                let (people, bad) = self.people(&users, async |_| Ok(())).await?;
                self.tell(&json!({"people": people, "bad": bad}))?;
                Ok(if bad > 0 { End::NeedsYou } else { End::Done })
            }
        }
    }

    /// What is known of people, as it is told of a store of this machine.
    fn trace(&self, found: &Value) -> anyhow::Result<End> {
        if self.global.json {
            self.tell(found)?;
            return Ok(End::Done);
        }
        let people = Vec::<Dossier>::deserialize(&found["people"])?;
        out::print(&match people.is_empty() {
            true => trace::erased(&Vec::deserialize(&found["erased"])?),
            false => trace::in_words(&people),
        })?;
        Ok(End::Done)
    }

    /// Sends the people of files in chunks; after each, `then` is told their external ids. Gives how many there were, and how
    /// many rows cannot be read.
    async fn people(
        &self,
        files: &[PathBuf],
        mut then: impl AsyncFnMut(Vec<String>) -> anyhow::Result<()>,
    ) -> anyhow::Result<(u64, u64)> {
        let (mut people, mut bad, mut before) = (0, 0, 0);
        let open = Rows::open_all(files)?;
        let bar = progress::of_bytes(self.global.quiet, open.iter().map(|rows| rows.users.size).sum());
        for mut rows in open {
            loop {
                let chunk: Vec<_> = (&mut rows).take(CHUNK).collect();
                if chunk.is_empty() {
                    break;
                }
                people += chunk.len() as u64;
                let ids = chunk.iter().map(|person| person.external_id.clone()).collect();
                self.server.ask(Method::POST, "/profiles", Sent::Json(json!({"people": chunk}))).await?;
                then(ids).await?;
                bar.set_position(before + rows.users.position());
            }
            before += rows.users.size;
            bad += rows.finish()?;
        }
        bar.finish_and_clear();
        Ok((people, bad))
    }

    async fn audience(&self, verb: AudienceVerb) -> anyhow::Result<End> {
        let path = |name: &str, verb: &str| format!("/audiences/{}{verb}", part(name));
        match verb {
            AudienceVerb::List => {
                let answer = self.server.ask(Method::GET, "/audiences", Sent::Nothing).await?;
                audience::list::tell(self.global, &Vec::deserialize(&answer)?)
            }
            AudienceVerb::Show { audience: name } => {
                let book = self.server.ask(Method::GET, &path(&name, ""), Sent::Nothing).await?;
                audience::show::tell(self.global, &serde_json::from_value(book)?)
            }
            AudienceVerb::Refill { audience, .. } => {
                ask::confirm(self.global, &format!("this sends everyone in {audience} again"))?;
                self.post(&path(&audience, "/refill"), json!({})).await
            }
            AudienceVerb::Takeback { canvas, step, .. } => {
                let words = format!("this removes whom step {step} of {canvas} added and nothing else claims");
                ask::confirm(self.global, &words)?;
                self.post("/audiences/takeback", json!({"canvas": canvas, "step": step})).await
            }
            AudienceVerb::Rebind { audience, id, refill, .. } => {
                ask::confirm(self.global, &format!("this sends what waits for {audience} to the audience {id}"))?;
                self.post(&path(&audience, "/rebind"), json!({"id": id, "refill": refill})).await
            }
            AudienceVerb::Recreate { audience, .. } => {
                ask::confirm(self.global, &format!("this makes {audience} again at the partner"))?;
                self.post(&path(&audience, "/recreate"), json!({})).await
            }
        }
    }

    async fn queue(&self, verb: QueueVerb) -> anyhow::Result<End> {
        match verb {
            QueueVerb::List => {
                let queues = self.server.ask(Method::GET, "/queues", Sent::Nothing).await?;
                let holds = self.server.ask(Method::GET, "/holds", Sent::Nothing).await?;
                queue::list::tell(self.global, &Vec::deserialize(&queues)?, &Vec::deserialize(&holds)?)
            }
            QueueVerb::Show { queue } => {
                let book = self.server.ask(Method::GET, &format!("/queues/{}", part(&queue)), Sent::Nothing).await?;
                queue::show::tell(self.global, &serde_json::from_value(book)?, Sends::ByItself)
            }
            QueueVerb::Hold { scope, because } => {
                self.post("/queues/hold", json!({"scope": scope_of(&scope), "because": because})).await
            }
            QueueVerb::Resume { scope } => {
                let answer = self.server.ask(Method::POST, "/queues/resume", Sent::Json(scope_of(&scope))).await?;
                self.tell(&answer)?;
                let still = answer["still_held_by"].as_array().is_some_and(|still| !still.is_empty());
                Ok(if still { End::NeedsYou } else { End::Done })
            }
            QueueVerb::Resend(args) => {
                ask::confirm(self.global, &queue::resend::question(&args))?;
                let what =
                    json!({"canvas": args.canvas, "step": args.step, "status": args.status, "reason": args.reason});
                let again = self.server.ask(Method::POST, "/queues/resend", Sent::Json(what)).await?;
                let count = |name: &str| again[name].as_u64().unwrap_or_default();
                match self.global.json {
                    true => self.tell(&again)?,
                    false => out::print(&queue::resend::in_words(args.status, count("queued"), count("overtaken")))?,
                }
                Ok(End::Done)
            }
            QueueVerb::Deliver { .. } => {
                Err(usage("a serving host delivers by itself", "`queue list` shows what waits, and why").into())
            }
        }
    }

    async fn alert(&self, verb: AlertVerb) -> anyhow::Result<End> {
        let path = |name: &str| format!("/subscriptions/{}", part(name));
        match verb {
            AlertVerb::Add(args) => {
                let wanted = json!({"canvas": args.canvas, "connection": args.connection, "kinds": args.kinds,
                    "at_least": args.at_least, "to": args.to});
                self.ask(Method::PUT, &path(&args.name), Sent::Json(wanted)).await
            }
            AlertVerb::List => {
                let alerts = self.server.ask(Method::GET, "/alerts", Sent::Nothing).await?;
                let subscriptions = self.server.ask(Method::GET, "/subscriptions", Sent::Nothing).await?;
                let rows = || subscriptions.as_array().into_iter().flatten();
                let told: Vec<Subscription> =
                    rows().map(|row| Subscription::deserialize(&row["subscription"])).collect::<Result<_, _>>()?;
                let open = alerts.as_array().into_iter().flatten().map(|alert| {
                    let since = instant_of(&alert["since"]);
                    [since, text_of(&alert["severity"]), text_of(&alert["words"])]
                });
                let words = alert::in_words(told.iter().map(|wanted| (wanted, String::new())), open);
                out::say(self.global, &json!({"alerts": alerts, "subscriptions": subscriptions}), &words)?;
                let none = alerts.as_array().is_none_or(Vec::is_empty);
                Ok(if none { End::Done } else { End::NeedsYou })
            }
            AlertVerb::Remove { name } => {
                self.delete(&path(&name), &format!("nobody is told by {name} any more")).await
            }
            AlertVerb::Show { name } => self.get(&path(&name)).await,
            AlertVerb::Test { name } => self.test_alerts(name).await,
        }
    }

    /// Sends test notices to one subscription, or to all.
    async fn test_alerts(&self, name: Option<String>) -> anyhow::Result<End> {
        let names = match name {
            Some(name) => vec![name],
            None => {
                let all = self.server.ask(Method::GET, "/subscriptions", Sent::Nothing).await?;
                let names = all.as_array().into_iter().flatten();
                names.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
            }
        };
        let mut told = Vec::with_capacity(names.len());
        for name in names {
            let path = format!("/subscriptions/{}/test", part(&name));
            told.push(self.server.ask(Method::POST, &path, Sent::Nothing).await?);
        }
        let all_left = told.iter().all(|one| one["sent"] == true);
        self.tell(&Value::Array(told))?;
        Ok(if all_left { End::Done } else { End::NeedsYou })
    }

    async fn policy(&self, verb: PolicyVerb) -> anyhow::Result<End> {
        match verb {
            PolicyVerb::Show => self.get("/policy").await,
            PolicyVerb::Set { policy, .. } => {
                let path = format!("/policy?anyway={}", self.global.yes);
                let answer = self.server.ask(Method::PUT, &path, Sent::Text(files::text(&policy)?)).await;
                let answer = answer.map_err(|error| in_file(error, &policy))?;
                self.tell(&answer)?;
                let refuses = answer["refuses"].as_array().is_some_and(|refuses| !refuses.is_empty());
                Ok(if refuses { End::NeedsYou } else { End::Done })
            }
            PolicyVerb::Check { policy, .. } => {
                let text = Sent::Text(files::text(&policy)?);
                let answer = self.server.ask(Method::POST, "/policy/check", text).await;
                let answer = answer.map_err(|error| in_file(error, &policy))?;
                self.tell(&answer)?;
                let refuses = answer["refuses"].as_array().is_some_and(|refuses| !refuses.is_empty());
                Ok(if refuses { End::NeedsYou } else { End::Done })
            }
        }
    }

    async fn member(&self, verb: MemberVerb) -> anyhow::Result<End> {
        match verb {
            MemberVerb::Add { email, rights, name, password_stdin, mail } => {
                let password = if password_stdin { Some(crate::verbs::member::typed()?) } else { None };
                let change = json!({"name": name, "rights": rights, "password": password});
                let end = self.ask(Method::PUT, &format!("/members/{}", part(&email)), Sent::Json(change)).await?;
                match mail {
                    true => self.post(&format!("/members/{}/links?mail=true", part(&email)), json!({})).await,
                    false => Ok(end),
                }
            }
            MemberVerb::List => {
                member::tell_members(self.global, &self.server.ask(Method::GET, "/members", Sent::Nothing).await?)
            }
            MemberVerb::Link { email, mail } => {
                let path = format!("/members/{}/links?mail={mail}", part(&email));
                let made = self.server.ask(Method::POST, &path, Sent::Json(json!({}))).await?;
                member::tell_link(self.global, &email, &made)
            }
            MemberVerb::Remove { email } => {
                self.delete(&format!("/members/{}", part(&email)), &format!("{email} loses all rights")).await
            }
            MemberVerb::Rights => here(self.global.clone(), Verb::Member(MemberVerb::Rights)).await,
        }
    }

    async fn key(&self, verb: KeyVerb) -> anyhow::Result<End> {
        match verb {
            KeyVerb::Add { name, rights } => {
                let wanted = Sent::Json(json!({"name": name, "rights": rights}));
                member::tell_key(self.global, &self.server.ask(Method::POST, "/keys", wanted).await?)
            }
            KeyVerb::List => {
                member::tell_keys(self.global, &self.server.ask(Method::GET, "/keys", Sent::Nothing).await?)
            }
            KeyVerb::Remove { key } => {
                self.delete(&format!("/keys/{}", part(&key)), &format!("whoever uses {key} is refused")).await
            }
        }
    }
}

fn scope_of(args: &ScopeArgs) -> Value {
    json!({"queue": args.queue.clone().or_else(|| args.audience.clone()), "connection": args.connection,
        "connector": args.connector, "everything": args.everything})
}

/// What is wrong with a document, with the name that it has here.
fn in_file(error: anyhow::Error, file: &Path) -> anyhow::Error {
    match error.downcast::<Problems>() {
        Ok(problems) => {
            let named = |problem: Problem| match problem.file.as_deref() {
                Some("the body") => problem.in_file(file.display().to_string()),
                _ => problem,
            };
            Problems(problems.0.into_iter().map(named).collect()).into()
        }
        Err(error) => error,
    }
}
