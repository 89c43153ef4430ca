//! Consents that are refreshed: once however many calls need the token, once however many hosts do, and in time where they
//! end by idleness.
mod support;

use caravan_connectors::{Binding, BoundConnector, ConsentDesk, Grant, Reach};
use caravan_model::port::{Answer, App, Ask, BoxFuture, Clock as _, Connector as _, Secret, SystemClock, Vault};
use caravan_model::{Code, Credential, Millis};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;

const PINTEREST: &str = "api.pinterest.com";
const DAY: i64 = 86_400_000;

/// What is sealed for the one connection, for all hosts that ask.
struct Safe(Mutex<Credential>);

impl Safe {
    /// A consent that was given so long ago, and whose token lives for so long from now.
    fn holding(given_days_ago: i64, lives_days: i64) -> Arc<Safe> {
        let now = SystemClock.now().0;
        Arc::new(Safe(Mutex::new(Credential {
            access: Some(Secret::new("access-0")),
            refresh: Some(Secret::new("refresh-0")),
            given: Millis(now - given_days_ago * DAY),
            ends: Some(Millis(now + lives_days * DAY)),
            ..Credential::default()
        })))
    }

    fn held(&self) -> Credential {
        self.0.lock().unwrap().clone()
    }
}

impl Vault for Safe {
    fn secret(&self, _: &str, name: &str) -> Result<Secret, String> {
        Err(format!("no {name} here"))
    }

    fn sealed_app<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<App>, String>> {
        Box::pin(async { Ok(Some(App { id: "app-1".into(), secret: Secret::new("s") })) })
    }

    fn credential<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Credential>, String>> {
        Box::pin(async { Ok(Some(self.held())) })
    }

    fn renew<'a>(
        &'a self,
        _: &'a str,
        was: &'a Credential,
        becomes: &'a Credential,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async {
            let mut held = self.0.lock().unwrap();
            let is = *held == *was;
            if is {
                *held = becomes.clone();
            }
            Ok(is)
        })
    }
}

/// Pinterest: a refresh token is good once, and who was first hears of it so much later.
async fn pinterest(slow: Duration) -> Peer {
    let used = Mutex::new(Vec::new());
    Peer::start(move |request| {
        if request.path != "/v5/oauth/token" {
            let last = format!("Bearer access-{}", used.lock().unwrap().len());
            return match request.headers.get("authorization") == Some(&last) {
                true => json(200, r#"{"items":[],"bookmark":null}"#),
                false => json(401, r#"{"code":2,"message":"Authentication failed."}"#),
            };
        }
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let shown = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token=")).unwrap_or_default().to_owned();
        let count = {
            let mut used = used.lock().unwrap();
            if shown != format!("refresh-{}", used.len()) {
                return json(400, r#"{"error":"invalid_grant"}"#);
            }
            used.push(shown);
            used.len()
        };
        std::thread::sleep(slow);
        let given = format!(
            r#"{{"access_token":"access-{count}","refresh_token":"refresh-{count}","expires_in":2592000,"scope":"ads:read,ads:write"}}"#
        );
        json(200, &given)
    })
    .await
}

fn host(safe: &Arc<Safe>, peer: &Peer) -> BoundConnector {
    host_with(safe, peer, |_| {})
}

fn host_with(safe: &Arc<Safe>, peer: &Peer, change: impl Fn(&mut Grant)) -> BoundConnector {
    let component = load("pinterest");
    let mut grant = Grant::as_asked(component.manifest());
    change(&mut grant);
    let binding = Binding {
        connection: "it".into(),
        grant,
        settings: Default::default(),
        accounts: None,
        vault: safe.clone(),
        reach: peer.lab(PINTEREST),
    };
    BoundConnector::new(component, binding).unwrap()
}

async fn accounts(host: &BoundConnector) {
    let outcome = host.call(context(), Ask::Accounts { cursor: None }).await;
    assert!(matches!(outcome.answer, Ok(Answer::Accounts(..))), "{outcome:?}");
}

fn asked_for_tokens(peer: &Peer) -> usize {
    peer.received().iter().filter(|request| request.path == "/v5/oauth/token").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_calls_that_need_a_token_one_asks_for_it() {
    let (safe, peer) = (Safe::holding(30, -1), pinterest(Duration::from_millis(100)).await);
    let host = Arc::new(host(&safe, &peer));
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { accounts(&host).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(asked_for_tokens(&peer), 1);
    let held = safe.held();
    assert_eq!(held.refresh, Some(Secret::new("refresh-1")));
    assert!(held.ends > Some(SystemClock.now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hosts_that_refresh_at_once_one_spends_the_refresh_token_and_both_go_on() {
    let (safe, peer) = (Safe::holding(30, -1), pinterest(Duration::from_millis(500)).await);
    let (one, other) = (host(&safe, &peer), host(&safe, &peer));
    // The slower one is refused before the faster one knows its token.
    tokio::join!(accounts(&one), accounts(&other));
    assert_eq!(safe.held().refresh, Some(Secret::new("refresh-1")), "one rotation");
    accounts(&one).await;
    accounts(&other).await;
    assert_eq!(safe.held().access, Some(Secret::new("access-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_ends_by_idleness_is_refreshed_at_half_of_its_time_and_not_before() {
    let (safe, peer) = (Safe::holding(29, 30), pinterest(Duration::ZERO).await);
    host(&safe, &peer).tend().await;
    assert_eq!(asked_for_tokens(&peer), 0);
    let (safe, peer) = (Safe::holding(31, 30), pinterest(Duration::ZERO).await);
    let host = host(&safe, &peer);
    host.tend().await;
    assert_eq!(asked_for_tokens(&peer), 1);
    let held = safe.held();
    assert_eq!((held.access, held.refresh), (Some(Secret::new("access-1")), Some(Secret::new("refresh-1"))));
    assert!(held.given.0 > SystemClock.now().0 - DAY, "its sixty days begin anew");
    host.tend().await;
    assert_eq!(asked_for_tokens(&peer), 1);
    accounts(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_goes_to_an_endpoint_that_the_grant_does_not_name() {
    let (safe, peer) = (Safe::holding(30, -1), pinterest(Duration::ZERO).await);
    let before = safe.held();
    let host = host_with(&safe, &peer, |grant| grant.tokens = Some(vec!["api.pinterest.com/v5/oauth/other".into()]));
    let outcome = host.call(context(), Ask::Accounts { cursor: None }).await;
    let (class, words) = fault(&outcome);
    assert!(class == "stopped" && words.contains("CV060"), "{class} {words}");
    assert!(words.contains("tokens: [\"api.pinterest.com/v5/oauth/token\"]"), "the very line: {words}");
    host.tend().await;
    assert_eq!((peer.received().len(), safe.held()), (0, before), "nothing left, and no refresh token is spent");
    // A grant of before this list: where a granted route is on the same host, tokens go anyway.
    let old = |grant: &mut Grant| grant.tokens = None;
    accounts(&host_with(&safe, &peer, old)).await;
    assert_eq!(asked_for_tokens(&peer), 1);
    let (safe, peer) = (Safe::holding(30, -1), pinterest(Duration::ZERO).await);
    let host = host_with(&safe, &peer, |grant| (grant.tokens, grant.to) = (None, Default::default()));
    assert_eq!(fault(&host.call(context(), Ask::Accounts { cursor: None }).await).0, "stopped");
    assert_eq!(peer.received().len(), 0);
}

#[tokio::test]
async fn nobody_is_sent_to_consent_where_the_grant_does_not_name_the_page_and_the_endpoint() {
    let component = load("pinterest");
    let app = App { id: "app-1".into(), secret: Secret::new("s") };
    let all = Grant::as_asked(component.manifest());
    let begin = |grant: &Grant| {
        let desk = ConsentDesk::new(&component, grant, &Default::default(), Reach::Partner).unwrap().unwrap();
        desk.begin(&app, "https://caravan.example/oauth/callback")
    };
    assert!(begin(&all).unwrap().url.starts_with("https://www.pinterest.com/oauth/?"));
    let named = all.tokens.clone().unwrap();
    assert_eq!(named.len(), 2, "{named:?}");
    for missing in &named {
        let tokens = named.iter().filter(|name| *name != missing).cloned().collect();
        let problem = begin(&Grant { tokens: Some(tokens), ..all.clone() }).unwrap_err();
        assert_eq!(problem.code, Code::Denied);
        assert!(problem.to_string().contains(missing), "{problem}");
    }
}
