//! An endpoint made for tests: it answers as told and remembers what it got.
use caravan_model::Duration;
use caravan_model::port::BoxFuture;
use caravan_model::webhook::{WebhookAnswer, WebhookCall, WebhookSender};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Answers = dyn Fn(&WebhookCall, u32) -> WebhookAnswer + Send + Sync;

/// The endpoint.
pub struct FakeSender {
    answers: Mutex<Box<Answers>>,
    got: Mutex<Vec<WebhookCall>>,
    under_way: Mutex<(usize, usize)>,
}

/// It may work later.
pub fn later(after: Option<Duration>) -> WebhookAnswer {
    WebhookAnswer::Later { words: "the endpoint answered 503".into(), after }
}

impl FakeSender {
    /// Takes everything.
    pub fn new() -> Arc<FakeSender> {
        let answers: Box<Answers> = Box::new(|_, _| WebhookAnswer::Taken);
        Arc::new(FakeSender { answers: Mutex::new(answers), got: Mutex::default(), under_way: Mutex::default() })
    }

    /// From now on it answers so: by the call, and how often its key was heard before.
    pub fn answer(&self, answers: impl Fn(&WebhookCall, u32) -> WebhookAnswer + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Box::new(answers);
    }

    /// Everything that it got, in order.
    pub fn got(&self) -> Vec<WebhookCall> {
        self.got.lock().unwrap().clone()
    }

    /// What it got by key: the bodies.
    pub fn by_key(&self) -> BTreeMap<String, Vec<String>> {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for call in self.got() {
            keys.entry(call.key).or_default().push(call.body.to_string());
        }
        keys
    }

    /// How many were under way at most.
    pub fn most_at_once(&self) -> usize {
        self.under_way.lock().unwrap().1
    }
}

impl WebhookSender for FakeSender {
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer> {
        Box::pin(async move {
            {
                let mut under_way = self.under_way.lock().unwrap();
                under_way.0 += 1;
                under_way.1 = under_way.1.max(under_way.0);
            }
            tokio::task::yield_now().await;
            self.under_way.lock().unwrap().0 -= 1;
            let before = {
                let mut got = self.got.lock().unwrap();
                let before = got.iter().filter(|other| other.key == call.key).count();
                got.push(call.clone());
                before
            };
            (self.answers.lock().unwrap())(call, u32::try_from(before).unwrap())
        })
    }
}
