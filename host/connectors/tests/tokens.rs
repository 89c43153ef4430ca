//! Consents that are refreshed: once however many calls need the token, once however many hosts do, and in time where they
//! end by idleness.
mod support;

use caravan_connectors::{Binding, BoundConnector, Grant};
use caravan_model::port::{Answer, App, Ask, BoxFuture, Clock as _, Connector as _, Secret, SystemClock, Vault};
use caravan_model::{Credential, Millis};
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
    let component = load("pinterest");
    let binding = Binding {
        connection: "it".into(),
        grant: Grant::as_asked(component.manifest()),
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
