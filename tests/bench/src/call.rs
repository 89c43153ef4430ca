//! `call`: packed columns → component → loopback partner, against the same request built and streamed natively.
use crate::{
    Effort,
    load::bound,
    peer::Peer,
    table::{Figure, Goal, median},
};
use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use caravan_connectors::BoundConnector;
use caravan_model::{
    Action, Column, Millis, Part, Target,
    port::{Answer, Ask, CallContext, Connector as _},
};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tokio::sync::mpsc;

/// Match keys of the measured part.
const KEYS: [&str; 3] = ["EMAIL", "PHONE", "FN"];
/// How much the native program writes at once; the same as the host lets a guest write.
const CHUNK: usize = 64 << 10;

/// Measures full batches and single rows.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let peer = Peer::start()?;
    let (_sandbox, connector) = bound(Some(peer.address))?;
    let (batches, singles) = if effort.quick { (15, 200) } else { (101, 2_000) };
    let (many, one) = (Arc::new(part(10_000)), Arc::new(part(1)));
    // In a task of the runtime's own, as the runner calls, so that what wakes it need not wake another thread first.
    let measured = runtime.spawn(async move {
        let native = Native::new(peer.address);
        let (mut ratios, mut guests) = (Vec::new(), Vec::new());
        // The first rounds warm connections, pools and page caches.
        for round in 0..batches + 5 {
            let theirs = native.send(&many).await?;
            let ours = through(&connector, &many).await?;
            if round >= 5 {
                ratios.push(theirs / ours);
                guests.push(ours / 1_000.0);
            }
        }
        let (mut extra, mut alone) = (Vec::new(), Vec::new());
        for round in 0..singles + 20 {
            let theirs = native.send(&one).await?;
            let ours = through(&connector, &one).await?;
            if round >= 20 {
                extra.push(ours - theirs);
                alone.push(ours);
            }
        }
        let figures = vec![
            Figure::of("call", "10,000 rows: native time / component time", "", Goal::AtLeast(0.8), ratios)
                .because("lifting columns into the guest, and writing the body out of it"),
            Figure::of("call", "10,000 rows through the component", "ms", Goal::None, guests),
            Figure::of("call", "one row: component over native", "µs", Goal::AtMost(150.0), extra)
                .because("a fresh instance, the many host calls of WASI HTTP 0.2, and clearing the memory that full batches left"),
            Figure::of("call", "one row through the component", "µs", Goal::None, alone.clone()),
        ];
        if median(&alone).is_nan() {
            bail!("nothing was measured");
        }
        anyhow::Ok(figures)
    });
    runtime.block_on(measured)?
}

/// A part of digests.
pub fn part(rows: u32) -> Part {
    part_from(0, rows)
}

/// The same with other people: from a number on.
pub fn part_from(first: u32, rows: u32) -> Part {
    let columns = KEYS.iter().enumerate().map(|(at, key)| {
        let mut column = Column::with_capacity(key, rows as usize, 64);
        for row in first..first + rows {
            column.push(&caravan_identity::hash(caravan_identity::Hash::Sha256Hex, &format!("{at}-{row}")));
        }
        column
    });
    Part {
        id: "1-0".into(),
        action: Action::Add,
        group: "people".into(),
        rows,
        person_ends: (1..=rows).collect(),
        columns: columns.collect(),
        flags: Vec::new(),
    }
}

/// µs of one call through the component.
pub async fn through(connector: &BoundConnector, part: &Arc<Part>) -> Result<f64> {
    let settings = serde_json::Value::Object(connector.settings().clone()).to_string();
    let target =
        Target { account: "act_1".into(), audience: "23840000000000001".into(), audience_parts: Vec::new(), settings };
    let context = CallContext {
        at: Millis(1_764_000_000_000),
        seed: part.id.clone(),
        deadline: std::time::Duration::from_secs(60),
        record_bodies: false,
    };
    let began = Instant::now();
    let outcome = connector.call(context, Ask::Sync { target, part: part.clone() }).await;
    let took = began.elapsed();
    match &outcome.answer {
        Ok(Answer::Report(report)) if report.fault.is_none() && report.settled == [(0, part.rows)] => {}
        other => bail!("the call went wrong: {other:?}"),
    }
    Ok(took.as_nanos() as f64 / 1_000.0)
}

/// The same request without a sandbox: the same client, body built chunk by chunk while it is sent.
struct Native {
    client: Client<HttpConnector, Chunks>,
    url: hyper::Uri,
}

impl Native {
    fn new(address: SocketAddr) -> Native {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let url = format!("http://{address}/v26.0/23840000000000001/users").parse().unwrap_or_default();
        Native { client, url }
    }

    /// µs of one request.
    async fn send(&self, part: &Arc<Part>) -> Result<f64> {
        let began = Instant::now();
        let (sender, chunks) = mpsc::channel(4);
        let length = length(part);
        let rows = part.clone();
        let builder = tokio::spawn(async move { build(&rows, &sender).await });
        let request = hyper::Request::post(self.url.clone())
            .header("content-type", "application/json")
            .header("content-length", length)
            .header("authorization", "Bearer lab-token")
            .body(Chunks { chunks, left: length })?;
        let answer = self.client.request(request).await.context("the peer refused the native request")?;
        let body = answer.into_body().collect().await?.to_bytes();
        let parsed: serde_json::Value = serde_json::from_slice(&body)?;
        builder.await?;
        let took = began.elapsed();
        if parsed["num_received"].as_u64() != Some(10_000) {
            bail!("the peer answered {parsed}");
        }
        Ok(took.as_nanos() as f64 / 1_000.0)
    }
}

const HEAD: &str = r#"{"payload":{"schema":["EMAIL","PHONE","FN"],"data":["#;
const TAIL: &str = "]}}";

/// The body's length, computed beforehand from the columns.
fn length(part: &Part) -> u64 {
    let values: usize = part.columns.iter().map(|column| column.text.len()).sum();
    let keys = part.columns.len();
    let row = 2 + 2 * keys + (keys - 1);
    (HEAD.len() + TAIL.len() + values + part.rows as usize * row + part.rows as usize - 1) as u64
}

async fn build(part: &Part, sender: &mpsc::Sender<Bytes>) {
    let mut buffer = BytesMut::with_capacity(CHUNK + 1_024);
    buffer.extend_from_slice(HEAD.as_bytes());
    for row in 0..part.rows as usize {
        buffer.extend_from_slice(if row == 0 { b"[" } else { b",[" });
        for (at, column) in part.columns.iter().enumerate() {
            buffer.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
            let start = if row == 0 { 0 } else { column.ends[row - 1] as usize };
            buffer.extend_from_slice(&column.text[start..column.ends[row] as usize]);
            buffer.extend_from_slice(b"\"");
        }
        buffer.extend_from_slice(b"]");
        if buffer.len() >= CHUNK {
            let chunk = buffer.split().freeze();
            buffer.reserve(CHUNK + 1_024);
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    }
    buffer.extend_from_slice(TAIL.as_bytes());
    // A receiver that is gone has failed the request, which says so.
    let _ = sender.send(buffer.freeze()).await;
}

/// A body that comes in chunks.
struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.poll_recv(context);
        next.map(|chunk| {
            chunk.map(|chunk| {
                self.left -= chunk.len() as u64;
                Ok(Frame::data(chunk))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
