//! The server: routes, limits, and its way out.
use crate::doors::Doors;
use crate::keys::{Senders, WriteKeys};
use crate::metrics::Counts;
use crate::provider::{Provider, Underway};
use crate::workspace::Workspace;
use crate::{health, metrics, routes, tracking};
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Duration, Right};
use caravan_runner::control::{Signed, signed_by};
use caravan_store::Store;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::Instrument as _;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The most bytes of one request (Segment: 500 kB).
    pub most_bytes: usize,
    /// The most bytes of one message (Segment: 32 kB).
    pub most_message_bytes: usize,
    /// Nothing more is taken in while the oldest message has waited for so long.
    pub longest_wait: time::Duration,
    /// Nothing more is taken in while so many messages wait.
    pub most_waiting: u64,
    /// Nothing more is taken in while the store's disk has less left, in bytes: what is left serves those who are inside.
    pub least_free: u64,
    /// Nothing more is taken in while the store takes so many bytes; 0 = no bound.
    pub largest_store: u64,
    /// Whose pages may send events from a browser: origins such as `https://shop.acme.example`; `*` for all.
    pub origins: Vec<String>,
    /// What scrapers of `/metrics` send as a bearer token, if anything: then nobody else is answered there.
    pub metrics_key: WriteKeys,
    /// Whether this machine alone reaches the host: without a key for them, metrics are for this machine.
    pub loopback: bool,
    /// How browsers reach this host: the settings of Segment's library for them lead there. What they asked, if not given.
    pub public_url: Option<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            most_bytes: 500 * 1_024,
            most_message_bytes: 32 * 1_024,
            longest_wait: time::Duration::from_secs(300),
            most_waiting: 2_000_000,
            least_free: 256 << 20,
            largest_store: 0,
            origins: vec!["*".to_owned()],
            metrics_key: WriteKeys::default(),
            loopback: false,
            public_url: None,
        }
    }
}

/// What all requests share.
pub(crate) struct State<S: Store> {
    pub workspaces: Vec<Arc<Workspace<S>>>,
    pub options: ServerOptions,
    pub doors: Doors,
    /// Links that were asked for at signing in.
    pub links: Doors,
    /// Who vouches for members, if anybody, and who is on their way back from there.
    pub provider: Option<Arc<dyn Provider>>,
    pub underway: Underway,
    senders: Senders,
    pub counts: Counts,
    leaving: AtomicBool,
    /// Whether somebody who may asked the host to go.
    asked: watch::Sender<bool>,
}

impl<S: Store> State<S> {
    /// Asks the host to go.
    pub(crate) fn ask_to_leave(&self) {
        self.asked.send_replace(true);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The workspace that a key may send events to: one of those that the host was started with, or a kept one with the right
    /// to.
    pub(crate) async fn sends_to(&self, key: &str) -> caravan_runner::Result<Option<Arc<Workspace<S>>>> {
        if let Some(known) = self.workspaces.iter().find(|workspace| workspace.write_keys.know(key)) {
            return Ok(Some(known.clone()));
        }
        if let Some(place) = self.senders.know(key) {
            return Ok(self.workspaces.get(place).cloned());
        }
        for (place, workspace) in self.workspaces.iter().enumerate() {
            let known = signed_by(workspace.runner.store(), key, SystemClock.now()).await?;
            if known.is_some_and(|signed| signed.member.is_none() && signed.rights.has(Right::SendEvents)) {
                self.senders.learn(key, place);
                return Ok(Some(workspace.clone()));
            }
        }
        Ok(None)
    }

    /// Whose a secret is, and in which workspace.
    pub(crate) async fn signed(&self, secret: &str) -> caravan_runner::Result<Option<(Signed, Arc<Workspace<S>>)>> {
        for workspace in &self.workspaces {
            if let Some(signed) = signed_by(workspace.runner.store(), secret, SystemClock.now()).await? {
                return Ok(Some((signed, workspace.clone())));
            }
        }
        Ok(None)
    }
}

/// The HTTP side of a host.
pub struct Server<S: Store> {
    state: Arc<State<S>>,
}

impl<S: Store + 'static> Server<S> {
    /// A server for workspaces; a provider vouches for their members beside passwords and links.
    pub fn new(
        workspaces: Vec<Workspace<S>>,
        options: ServerOptions,
        provider: Option<Arc<dyn Provider>>,
    ) -> Server<S> {
        let workspaces = workspaces.into_iter().map(Arc::new).collect();
        let (doors, links) = (Doors::within(Duration::MINUTE), Doors::within(Duration::HOUR));
        let (senders, counts) = (Senders::default(), Counts::default());
        let (leaving, underway, asked) = (AtomicBool::new(false), Underway::default(), watch::Sender::new(false));
        let state = State { workspaces, options, doors, links, provider, underway, senders, counts, leaving, asked };
        Server { state: Arc::new(state) }
    }

    /// Becomes true once somebody who may asks the host to go.
    pub fn asked_to_leave(&self) -> watch::Receiver<bool> {
        self.state.asked.subscribe()
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(tracking::routes(&self.state.options))
            .merge(routes::routes::<S>())
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready::<S>))
            .route("/metrics", get(metrics::show::<S>))
            .layer(axum::middleware::from_fn(traced))
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

/// A span for each request: what was asked, and how it was answered. No key, query or body is in it, nor a part of the path
/// that may name a person.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("http.request", method = %request.method(), route, status = tracing::field::Empty);
    let answer = next.run(request).instrument(span.clone()).await;
    span.record("status", answer.status().as_u16());
    answer
}
