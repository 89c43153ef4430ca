//! Imports of external audiences: paced by the source's quotas, and begun anew where an export fails, is gone or never ends.
use crate::common::*;
use caravan_model::manifest::Manifest;
use caravan_model::port::{
    Answer, Ask, BoxFuture, CallContext, CallOutcome, Connector, Connectors, MemberPage, Members,
};
use caravan_model::{Cause, Code, Column, Digest, Duration, Effect, Fault, Problem};
use caravan_runner::{ImportState, ImportTrouble, ListImport, Runner, imports_of};
use caravan_store::{Sqlite, Store};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

type Said = Result<MemberPage, Fault>;
type Script = Box<dyn FnMut(Option<&str>) -> Said + Send>;

/// A source that answers by a script, and remembers with which cursors it was asked.
struct Source {
    manifest: Manifest,
    settings: serde_json::Map<String, serde_json::Value>,
    script: Mutex<Script>,
    asked: Mutex<Vec<Option<String>>>,
}

impl Connector for Source {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        Digest::of(b"source")
    }

    fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.settings
    }

    fn call<'a>(&'a self, _: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            let answer = match ask {
                Ask::Members { cursor, .. } => {
                    self.asked.lock().unwrap().push(cursor.clone());
                    (self.script.lock().unwrap())(cursor.as_deref()).map(Answer::Members)
                }
                Ask::Check { .. } => Ok(Answer::Findings(Vec::new())),
                other => panic!("nobody asks a source for {other:?}"),
            };
            CallOutcome { answer, effect: Effect::None, requests: Vec::new(), usage: Vec::new(), log: Vec::new() }
        })
    }
}

struct Only(Arc<Source>);

impl Connectors for Only {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        match connection {
            "source" => Ok(self.0.clone()),
            other => Err(Problem::new(Code::UnknownConnection, format!("no `{other}`"))),
        }
    }

    fn default_country(&self, _: &str) -> Option<String> {
        None
    }
}

/// A host that serves an import from a scripted source.
struct Importing {
    stage: Stage,
    source: Arc<Source>,
    runner: Arc<Runner<Sqlite>>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<caravan_runner::Result<()>>,
}

impl Importing {
    async fn of(
        quotas: serde_json::Value,
        every: Duration,
        script: impl FnMut(Option<&str>) -> Said + Send + 'static,
    ) -> Importing {
        let stage = Stage::new(10);
        let mut manifest = manifest(10);
        manifest["world"] = json!("source");
        manifest["quotas"] = quotas;
        let source = Arc::new(Source {
            manifest: serde_json::from_value(manifest).expect("a manifest"),
            settings: Default::default(),
            script: Mutex::new(Box::new(script)),
            asked: Mutex::default(),
        });
        let runner = Runner::new(
            stage.store.clone(),
            Arc::new(Only(source.clone())),
            stage.clock.clone(),
            stage.options.clone(),
        );
        let runner = Arc::new(runner);
        let import = ListImport {
            list: "l".to_owned(),
            connection: "source".to_owned(),
            folder: "prod".to_owned(),
            audience: "a".to_owned(),
            every,
            full_every: Some(Duration::DAY),
            leavers: true,
            state: ImportState::default(),
        };
        runner.set_import(import, true).await.expect("an import");
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn({
            let runner = runner.clone();
            async move {
                let (tell, _) = watch::channel(Default::default());
                runner.serve(tell, stopped).await.map(drop)
            }
        });
        Importing { stage, source, runner, stop, serving }
    }

    async fn state(&self) -> ImportState {
        imports_of(&self.stage.store).await.unwrap().remove(0).1.state
    }

    async fn until(&self, what: &str, holds: impl Fn(&ImportState) -> bool) -> ImportState {
        for _ in 0..3_000 {
            let state = self.state().await;
            if holds(&state) {
                return state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{what}: {:?} {:?}", self.state().await, self.source.asked.lock().unwrap());
    }

    /// The clock jumps, and the host looks at it.
    fn later(&self, by: Duration) {
        self.stage.clock.0.fetch_add(by.0 as i64, Ordering::SeqCst);
        self.runner.refresh();
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.serving.await.unwrap().unwrap();
    }
}

fn page(ids: &[&str], next: &str, more: bool) -> Said {
    let mut column = Column { key: "external_id".to_owned(), text: Vec::new(), ends: Vec::new() };
    ids.iter().for_each(|id| column.push(id));
    Ok(MemberPage::Page(Members {
        rows: ids.len() as u32,
        columns: vec![column],
        joined: vec![1; ids.len()],
        full: true,
        next: Some(next.to_owned()),
        more,
        file: None,
    }))
}

/// What changed since: nobody leaves by being absent.
fn changes(ids: &[&str], next: &str) -> Said {
    page(ids, next, false).map(|said| match said {
        MemberPage::Page(members) => MemberPage::Page(Members { full: false, ..members }),
        pending => pending,
    })
}

fn pending(cursor: &str) -> Said {
    Ok(MemberPage::Pending { cursor: cursor.to_owned(), after_ms: 1_000 })
}

#[tokio::test]
async fn an_export_that_never_ends_is_asked_for_anew_after_a_day_and_people_read_why() {
    let mut jobs = 0;
    let importing = Importing::of(json!([]), Duration::HOUR, move |cursor| match cursor {
        None => {
            jobs += 1;
            pending(&format!("job-{jobs}"))
        }
        Some("job-1") => pending("job-1"),
        // A day later the next pages are due at once.
        Some("job-2" | "next") => page(&[], "next", false),
        other => panic!("{other:?}"),
    })
    .await;
    importing.until("the job is asked about", |state| state.pending.is_some()).await;
    importing.later(Duration::HOUR);
    importing.until("it is asked again", |state| state.trouble.is_none() && state.pending.is_some()).await;
    importing.later(Duration::DAY);
    let state = importing.until("it is given up", |state| state.trouble.is_some()).await;
    let ImportTrouble { code, words, .. } = state.trouble.expect("why");
    assert!(code == "export-endless" && words.contains("more than 1d"), "{code}: {words}");
    importing.later(Duration::MINUTE);
    let state = importing.until("the next job is read", |state| state.filled.is_some()).await;
    assert_eq!((state.trouble, state.pending), (None, None));
    importing.end().await;
}

#[tokio::test]
async fn an_export_that_is_gone_in_the_middle_is_begun_anew_and_nobody_is_lost_or_left_over() {
    let (mut jobs, mut lost) = (0, 0);
    let gone = || Err(Fault::Misconfigured { cause: Cause::new("export-gone", "the export is not there any more") });
    let importing = Importing::of(json!([]), Duration::HOUR, move |cursor| match cursor {
        None => {
            jobs += 1;
            pending(&format!("job-{jobs}"))
        }
        Some("job-1") => page(&["p0", "p1"], "file-1", true),
        Some("file-1") => {
            lost += 1;
            assert!(lost <= 3, "it is not asked for ever");
            gone()
        }
        Some("job-2") => page(&["p1", "p2"], "next", false),
        other => panic!("{other:?}"),
    })
    .await;
    for tries in 1..=3 {
        let state =
            importing.until("it failed", |state| state.trouble.as_ref().is_some_and(|why| why.tries == tries)).await;
        assert_eq!(state.trouble.expect("why").code, "export-gone");
        importing.later(Duration::MINUTE);
    }
    let state = importing.until("everyone is read", |state| state.filled.is_some()).await;
    assert_eq!((state.rows, state.trouble), (2, None), "the pass that was given up does not count");
    let view = importing.stage.store.imported(imports_of(&importing.stage.store).await.unwrap()[0].0.clone(), None, 10);
    let names: Vec<String> = view.await.unwrap().page.into_iter().map(|member| member.who.external_id).collect();
    assert!(
        names.len() == 2 && !names.contains(&"p0".to_owned()),
        "who is in no page of the whole export has left: {names:?}"
    );
    importing.end().await;
}

#[tokio::test]
async fn calls_of_an_import_keep_to_the_quotas_of_its_source() {
    let quotas = json!([{"scope": "login", "unit": "calls", "amount": 3, "per": "1h"}]);
    let importing = Importing::of(quotas, Duration::HOUR, |cursor| {
        let at: u32 = cursor.map_or(0, |cursor| cursor.parse().expect("a number"));
        page(&[], &(at + 1).to_string(), at < 5)
    })
    .await;
    let asked = || importing.source.asked.lock().unwrap().len();
    let state = importing.until("the quota is spent", |state| state.due > stage_now(&importing.stage)).await;
    assert_eq!(
        (asked(), state.trouble, state.filled),
        (3, None, None),
        "three calls an hour, and waiting is no trouble"
    );
    // What was spent is stored: another process keeps to it as well.
    assert!(!importing.stage.store.charges(stage_now(&importing.stage)).await.unwrap().is_empty());
    importing.later(Duration::HOUR.times(2));
    importing.until("everyone is read", |state| state.filled.is_some()).await;
    assert_eq!(asked(), 6);
    importing.end().await;
}

#[tokio::test]
async fn everyone_is_read_anew_once_a_day_and_who_left_in_silence_has_left() {
    let mut rounds = 0;
    let importing = Importing::of(json!([]), Duration::HOUR, move |cursor| match cursor {
        None => {
            rounds += 1;
            page(if rounds == 1 { &["p0", "p1"] } else { &["p1"] }, "since", false)
        }
        // The source never tells that p0 has left.
        Some("since") => changes(&["p2"], "since"),
        other => panic!("{other:?}"),
    })
    .await;
    let first = importing.until("everyone is read", |state| state.filled.is_some()).await;
    assert!(first.full.is_some());
    importing.later(Duration::HOUR);
    importing.until("what changed is read", |state| state.done > first.done).await;
    let id = imports_of(&importing.stage.store).await.unwrap()[0].0.clone();
    let names = async || -> Vec<String> {
        let view = importing.stage.store.imported(id.clone(), None, 10).await.unwrap();
        let mut names: Vec<String> = view.page.into_iter().map(|member| member.who.external_id).collect();
        names.sort();
        names
    };
    assert_eq!(names().await, ["p0", "p1", "p2"], "by what changed alone nobody is missed");
    importing.later(Duration::DAY);
    importing.until("everyone is read anew", |state| state.full > first.full).await;
    assert_eq!(names().await, ["p1"]);
    let asked: Vec<bool> = importing.source.asked.lock().unwrap().iter().map(Option::is_some).collect();
    assert_eq!(asked, [false, true, false]);
    importing.end().await;
}

#[tokio::test]
async fn an_import_stands_still_once_the_workspace_is_regulated_and_goes_on_when_it_is_not() {
    let importing = Importing::of(json!([]), Duration::HOUR, |_| page(&["p0"], "next", false)).await;
    importing.until("everyone is read", |state| state.filled.is_some()).await;
    let asked = || importing.source.asked.lock().unwrap().len();
    let before = asked();
    let policy = async |text: Option<&str>| {
        let id = caravan_runner::POLICY_ID.to_owned();
        let document = (caravan_store::DocumentKind::Policy, id, text.map(str::to_owned));
        importing.runner.acting("test").put(vec![document], "policy.set", "policy", json!({})).await.unwrap();
        importing.runner.refresh();
    };
    policy(Some("format: 1\nregulated_health: true\n")).await;
    importing.later(Duration::HOUR);
    let state = importing.until("it stands still", |state| state.trouble.is_some()).await;
    let ImportTrouble { code, words, .. } = state.trouble.expect("why");
    assert!(code == "CV036" && words.contains("regulated"), "{code}: {words}");
    assert_eq!(asked(), before, "the source is not asked");
    policy(None).await;
    importing.later(Duration::HOUR);
    importing.until("it goes on", |state| state.trouble.is_none()).await;
    assert!(asked() > before);
    importing.end().await;
}
