//! A partner that takes everything at once, in a process of its own, so that its work is not counted as ours.
use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// Meta's answer to an upload.
const ANSWER: &str =
    r#"{"audience_id":"1","session_id":"1","num_received":10000,"num_invalid_entries":0,"invalid_entry_samples":{}}"#;

/// The process's end of it: prints its port and serves until it is killed.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(take)),
            );
        }
    })
}

async fn take(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            break;
        }
    }
    let mut answer = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(answer)
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
        let mut child = Command::new(std::env::current_exe()?)
            .arg("peer")
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
