//! What the tests of this crate share: guests, a peer on loopback that records what it receives, and bindings to it.
#![allow(dead_code)] // Each test binary uses its share.
use bytes::Bytes;
use caravan_connectors::{
    Binding, BoundConnector, Grant, LabMap, LoadedComponent, LocalVault, Reach, Sandbox, SandboxOptions, Trust,
};
use caravan_model::port::{Answer, Ask, CallContext, CallOutcome, Connector as _};
use caravan_model::{Action, Column, Connection, Fault, Millis, Part, Report, Target};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

pub const META: &str = "graph.facebook.com";
pub const TIKTOK: &str = "business-api.tiktok.com";

/// A guest's bytes; a missing one fails the test with what to do.
pub fn guest(name: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../guest-steps/target/wasm32-wasip2/release")
        .join(format!("{name}.wasm"));
    std::fs::read(&file)
        .unwrap_or_else(|_| panic!("{name}.wasm is not there; build the guests first: cargo xtask build-guests"))
}

/// One sandbox for each test, one compile cache for all.
pub fn sandbox() -> Arc<Sandbox> {
    sandbox_with(Trust::default())
}

/// A sandbox whose client trusts as told.
pub fn sandbox_with(trust: Trust) -> Arc<Sandbox> {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let cache = CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path().join("compiled");
    Sandbox::new(SandboxOptions {
        cache_dir: Some(cache),
        cache_key: Some([7; 32]),
        trust,
        ..SandboxOptions::default()
    })
    .unwrap()
}

pub fn load(name: &str) -> Arc<LoadedComponent> {
    sandbox().load(&guest(name)).unwrap()
}

/// A request as the peer received it.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Bytes,
}

/// What the peer answers.
pub type Answering = dyn Fn(&Received) -> Response<Full<Bytes>> + Send + Sync;

/// A connection's bytes, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A partner on loopback.
pub struct Peer {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// A peer that answers as told.
    pub async fn start(answering: impl Fn(&Received) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Peer {
        Peer::serve(None, answering).await
    }

    /// A peer that speaks TLS, if it is given an acceptor.
    pub async fn serve(
        tls: Option<TlsAcceptor>,
        answering: impl Fn(&Received) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answering) = (received.clone(), Arc::new(answering) as Arc<Answering>);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                count.fetch_add(1, Ordering::SeqCst);
                let (log, answering) = (log.clone(), answering.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, answering) = (log.clone(), answering.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = match body.collect().await {
                            Ok(body) => body.to_bytes(),
                            // A body that broke off never becomes a request.
                            Err(_) => return Ok::<_, Infallible>(Response::new(Full::default())),
                        };
                        let headers =
                            head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or("").to_owned()));
                        let path = head.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
                        let one = Received { method: head.method.to_string(), path, headers: headers.collect(), body };
                        let answer = answering(&one);
                        log.lock().unwrap().push(one);
                        Ok(answer)
                    }
                });
                let tls = tls.clone();
                tokio::spawn(async move {
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        // A failed handshake is the client's to tell.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let serving = hyper::server::conn::http1::Builder::new();
                    let _ = serving.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Peer { address, received, connections }
    }

    /// A peer that takes whatever Meta is sent.
    pub async fn meta() -> Peer {
        Peer::start(|request| json(200, &meta_answer(request))).await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn lab(&self, host: &str) -> Reach {
        Reach::Lab(LabMap::new([(host, self.address.to_string())]).unwrap())
    }
}

pub fn json(status: u16, body: &str) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// What Meta says to a well-formed request.
pub fn meta_answer(request: &Received) -> String {
    if request.path.contains("/users") {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let rows = body["payload"]["data"].as_array().map_or(0, Vec::len);
        format!(
            r#"{{"audience_id":"23850","session_id":1,"num_received":{rows},"num_invalid_entries":0,"invalid_entry_samples":{{}}}}"#
        )
    } else if request.path.contains("adaccounts") {
        r#"{"data":[{"id":"act_1","account_id":"1","name":"Main","account_status":1}],"paging":{"cursors":{}}}"#.into()
    } else if request.method == "POST" {
        r#"{"id":"23850"}"#.into()
    } else {
        r#"{"data":[],"id":"23850","name":"Lapsed"}"#.into()
    }
}

pub fn lab_vault() -> Arc<LocalVault> {
    let lab = Connection { connector: "meta".into(), lab: true, ..Connection::default() };
    Arc::new(LocalVault::new([("lab".to_owned(), lab)]))
}

pub fn binding(component: &LoadedComponent, reach: Reach) -> Binding {
    Binding {
        connection: "lab".into(),
        grant: Grant::as_asked(component.manifest()),
        settings: Default::default(),
        accounts: Some(vec!["act_1".into()]),
        vault: lab_vault(),
        reach,
    }
}

pub fn bind(name: &str, reach: Reach) -> BoundConnector {
    let component = load(name);
    let binding = binding(&component, reach);
    BoundConnector::new(component, binding).unwrap()
}

pub fn target() -> Target {
    Target {
        account: "act_1".into(),
        audience: "23850".into(),
        audience_parts: Vec::new(),
        settings: "{\"api_version\":\"v26.0\"}".into(),
    }
}

/// A part of so many people with e-mail digests.
pub fn part(rows: u32) -> Arc<Part> {
    let mut column = Column::with_capacity("EMAIL", rows as usize, 64);
    for row in 0..rows {
        column.push(&format!("{row:064x}"));
    }
    Arc::new(Part {
        id: "part-1".into(),
        action: Action::Add,
        group: "people".into(),
        rows,
        person_ends: (1..=rows).collect(),
        columns: vec![column],
        flags: Vec::new(),
    })
}

pub fn context() -> CallContext {
    CallContext {
        at: Millis(1_795_000_000_000),
        seed: "part-1".into(),
        deadline: Duration::from_secs(30),
        record_bodies: true,
    }
}

pub async fn sync(connector: &BoundConnector, rows: u32) -> CallOutcome {
    connector.call(context(), Ask::Sync { target: settled_target(connector), part: part(rows) }).await
}

pub fn settled_target(connector: &BoundConnector) -> Target {
    Target { settings: serde_json::to_string(connector.settings()).unwrap(), ..target() }
}

pub fn report(outcome: &CallOutcome) -> &Report {
    match &outcome.answer {
        Ok(Answer::Report(report)) => report,
        other => panic!("no report: {other:?}"),
    }
}

/// The class and words of the fault.
pub fn fault(outcome: &CallOutcome) -> (&'static str, String) {
    let fault: &Fault = match &outcome.answer {
        Ok(Answer::Report(report)) => report.fault.as_ref().unwrap_or_else(|| panic!("no fault: {outcome:?}")),
        Err(fault) => fault,
        other => panic!("no fault: {other:?}"),
    };
    (fault.class(), fault.cause().map(ToString::to_string).unwrap_or_default())
}
