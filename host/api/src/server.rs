//! The server: routes, limits, and its way out.
use crate::bench::Bench;
use crate::doors::Doors;
use crate::keys::Senders;
use crate::metrics::Counts;
use crate::{WriteKeys, health, metrics, routes, tracking};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use caravan_model::Right;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_runner::Runner;
use caravan_runner::control::signed_by;
use caravan_store::Store;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The workspace's name.
    pub workspace: String,
    /// Who may send events, beside keys with the right to.
    pub write_keys: WriteKeys,
    /// The most bytes of one request (Segment: 500 kB).
    pub most_bytes: usize,
    /// The most bytes of one message (Segment: 32 kB).
    pub most_message_bytes: usize,
    /// Nothing more is taken in while the oldest message has waited for so long.
    pub longest_wait: Duration,
    /// Nothing more is taken in while so many messages wait.
    pub most_waiting: u64,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            workspace: "default".to_owned(),
            write_keys: WriteKeys::default(),
            most_bytes: 500 * 1_024,
            most_message_bytes: 32 * 1_024,
            longest_wait: Duration::from_secs(300),
            most_waiting: 2_000_000,
        }
    }
}

/// What all requests share.
pub(crate) struct State<S: Store> {
    pub runner: Arc<Runner<S>>,
    pub options: ServerOptions,
    pub bench: Arc<dyn Bench>,
    pub doors: Doors,
    senders: Senders,
    pub counts: Counts,
    leaving: AtomicBool,
}

impl<S: Store> State<S> {
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether a key may send events: one of those that the host was started with, or a kept one with the right to.
    pub(crate) async fn may_send(&self, key: &str) -> caravan_runner::Result<bool> {
        if self.options.write_keys.know(key) || self.senders.know(key) {
            return Ok(true);
        }
        let known = signed_by(self.runner.store(), key, SystemClock.now()).await?;
        let may = known.is_some_and(|signed| signed.member.is_none() && signed.rights.has(Right::SendEvents));
        if may {
            self.senders.learn(key);
        }
        Ok(may)
    }
}

/// The HTTP side of a host.
pub struct Server<S: Store> {
    state: Arc<State<S>>,
}

impl<S: Store + 'static> Server<S> {
    /// A server for a runner, and for the connections that a bench joins to it.
    pub fn new(runner: Arc<Runner<S>>, bench: Arc<dyn Bench>, options: ServerOptions) -> Server<S> {
        let (doors, senders, counts) = (Doors::default(), Senders::default(), Counts::default());
        let leaving = AtomicBool::new(false);
        Server { state: Arc::new(State { runner, options, bench, doors, senders, counts, leaving }) }
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let tracking = Router::new()
            .route("/v1/{kind}", post(tracking::one::<S>))
            .route("/v1/batch", post(tracking::batch::<S>))
            .route("/v1/import", post(tracking::batch::<S>))
            // A little more than the limit itself: what is beyond it is answered in our own words.
            .layer(DefaultBodyLimit::max(self.state.options.most_bytes * 2));
        Router::new()
            .merge(tracking)
            .merge(routes::routes::<S>())
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready::<S>))
            .route("/metrics", get(metrics::show::<S>))
            .fallback(routes::nowhere)
            .method_not_allowed_fallback(routes::not_so)
            .with_state(self.state.clone())
    }

    /// Answers on a listener until `leave` ends; then no new connection is taken, and requests under way are finished.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run(
        self,
        listener: TcpListener,
        leave: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let (router, state) = (self.router(), self.state);
        let leave = async move {
            leave.await;
            state.leaving.store(true, Ordering::Relaxed);
        };
        axum::serve(listener, router).with_graceful_shutdown(leave).await
    }
}
