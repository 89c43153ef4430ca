//! The only way out of a sandbox: admission, credentials, dialling, answers.
pub(crate) mod address;
mod admission;
mod body;
pub(crate) mod book;
mod client;
pub(crate) mod credentials;
mod header;
pub(crate) mod ledger;
pub(crate) mod lock;
mod patience;
mod plain;
pub(crate) mod proxy;
pub(crate) mod reach;
pub(crate) mod route;
mod send;
pub(crate) mod template;
mod trace;
pub(crate) mod trust;

pub(crate) use body::OutBody;
pub(crate) use client::{Clients, Prohibited, caused_by};

use crate::grant::Limits;
use caravan_model::manifest::{Trace, UsageRule};
use credentials::{Credentials, Placement};
use http_body_util::BodyExt as _;
use ledger::Ledger;
use reach::Reach;
use route::CompiledRoute;
use std::{sync::Arc, time::Duration};
use template::Scope;
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The size of a chunk in which a guest's body leaves it.
const CHUNK: usize = 64 * 1024;

/// What holds for all calls of a connection.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) routes: Vec<CompiledRoute>,
    pub(crate) placement: Placement,
    pub(crate) limits: Limits,
    /// How answers tell about quotas.
    pub(crate) usage: Vec<UsageRule>,
    pub(crate) reach: Reach,
    /// Where the partner's trace id stands in an answer.
    pub(crate) trace: Trace,
}

/// The egress of one call.
#[derive(Clone)]
pub(crate) struct Egress {
    pub(crate) policy: Arc<Policy>,
    pub(crate) clients: Clients,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) scope: Scope,
    pub(crate) ledger: Ledger,
    pub(crate) deadline: Instant,
    pub(crate) record_bodies: bool,
    /// Whether the call may change membership: `sync`, and creation with its first people.
    pub(crate) may_write: bool,
    /// Whether the call makes an audience, so that whatever is not read changes something.
    pub(crate) creates: bool,
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

impl WasiHttpHooks for Egress {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        None
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        4
    }

    fn send_request(&mut self, request: http::Request<WasiBody>, options: Option<RequestOptions>, _: Io) -> Sending {
        let egress = self.clone();
        let (parts, body) = request.into_parts();
        let index = egress.ledger.open(&parts);
        match egress.admit(index, &parts, &body) {
            Ok(admitted) => Box::new(async move {
                let answer = egress.send(index, parts, body, admitted, options).await?;
                Ok((answer, Box::new(std::future::ready(Ok(()))) as Io))
            }),
            Err(denial) => {
                egress.ledger.deny(index, denial);
                Box::new(async move {
                    egress.drain(body).await;
                    Err(Error::HttpRequestDenied)
                })
            }
        }
    }
}

impl Egress {
    /// Reads the rest of a denied request's body, so that the guest's runtime meets an error it can handle: dropping
    /// the body makes some abort. Bounded like a body that leaves.
    async fn drain(&self, mut body: WasiBody) {
        let mut left = self.policy.limits.request_bytes;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                match left.checked_sub(bytes) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        let patience = self.deadline.min(Instant::now() + Duration::from_secs(5));
        let _ = tokio::time::timeout_at(patience, reading).await;
    }
}
