//! A partner that takes everything at once, in a process of its own, so that its work is not counted as ours.
use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

/// Meta's answer to an upload.
const ANSWER: &str =
    r#"{"audience_id":"1","session_id":"1","num_received":10000,"num_invalid_entries":0,"invalid_entry_samples":{}}"#;

/// The word by which a peer counts members.
pub const COUNTING: &str = "counting";
/// Where it tells them.
const MEMBERS: &str = "/_members";

/// Whom a peer that counts was sent: the first value of each row, as often as it came.
type Members = BTreeMap<String, u64>;

/// What it counted; none where it does not count.
type Book = Option<Arc<Mutex<Members>>>;

/// The process's end of it: prints its port and serves until it is killed.
pub fn serve(counting: bool) -> Result<()> {
    let book: Book = counting.then(Arc::default);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let book = book.clone();
            let service = service_fn(move |request| take(request, book.clone()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn take(request: Request<Incoming>, book: Book) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut said = Bytes::from_static(ANSWER.as_bytes());
    match &book {
        Some(book) if request.uri().path() == MEMBERS => {
            let members = book.lock().unwrap_or_else(PoisonError::into_inner);
            said = serde_json::to_vec(&*members).unwrap_or_default().into();
        }
        Some(book) => {
            // A body that broke off is no request.
            if let Ok(body) = request.into_body().collect().await {
                count(&body.to_bytes(), book);
            }
        }
        None => {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    break;
                }
            }
        }
    }
    let mut answer = Response::new(Full::new(said));
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Counts the rows of an upload.
fn count(body: &[u8], book: &Mutex<Members>) {
    #[derive(Deserialize)]
    struct Upload {
        payload: Payload,
    }
    #[derive(Deserialize)]
    struct Payload {
        data: Vec<Vec<String>>,
    }
    let Ok(upload) = serde_json::from_slice::<Upload>(body) else { return };
    let mut members = book.lock().unwrap_or_else(PoisonError::into_inner);
    for first in upload.payload.data.into_iter().filter_map(|row| row.into_iter().next()) {
        *members.entry(first).or_default() += 1;
    }
}

/// A running peer; ends with this value.
pub struct Peer {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Peer {
    /// Starts one.
    pub fn start() -> Result<Peer> {
        Peer::start_as(&["peer"])
    }

    /// Starts one that counts whom it was sent.
    pub fn counting() -> Result<Peer> {
        Peer::start_as(&["peer", COUNTING])
    }

    /// Whom it was sent, each as often as it came.
    pub fn members(&self) -> Result<Members> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.address)?;
        write!(stream, "GET {MEMBERS} HTTP/1.1\r\nhost: peer\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").ok_or_else(|| anyhow!("the peer said nothing"))?;
        Ok(serde_json::from_str(body)?)
    }

    fn start_as(arguments: &[&str]) -> Result<Peer> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the peer")?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| anyhow!("the peer has no output"))?;
        BufReader::new(output).read_line(&mut line)?;
        let port: u16 = line.trim().parse().context("the peer said no port")?;
        Ok(Peer { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be gone already; either way there is nothing more to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
