//! HTTP/1.1 on loopback, with answers that may break off; over TLS for whoever begins so, where there are certificates.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use crate::reply::{Class, Ending, Reply};
use crate::world::{Door, World};

/// No request of a connector comes near this many bytes.
const BODY_LIMIT: usize = 128 << 20;

/// The reason for a connection that closes without an answer, or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("the fault dial closes this connection")]
pub(crate) struct Severed;

/// Accepts connections until `stop` changes or its sender is gone, then lets the open ones finish their answer.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Door,
    world: Arc<World>,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, door, world.clone(), tls.clone(), stop.clone()));
                }
                // Out of file descriptors, or the peer left already: neither ends the lab.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    // A hanging answer is not waited for.
    let _ = tokio::time::timeout(Duration::from_millis(500), finish).await;
}

/// The first byte of every TLS connection: a record that belongs to a handshake.
const HANDSHAKE: u8 = 0x16;

async fn connection(
    stream: TcpStream,
    door: Door,
    world: Arc<World>,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<()>,
) {
    // Without it a small answer may wait for the acknowledgement of the last one.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak(stream, door, world, stop).await };
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {
            // A peer that does not trust the certificate is no news.
            if let Ok(stream) = tls.accept(stream).await {
                speak(stream, door, world, stop).await;
            }
        }
        _ => speak(stream, door, world, stop).await,
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    door: Door,
    world: Arc<World>,
    mut stop: watch::Receiver<()>,
) {
    let service = service_fn(move |request| answer(request, door, world.clone()));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A connection that the peer or a dial breaks is no news.
        _ = connection.as_mut() => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(request: Request<Incoming>, door: Door, world: Arc<World>) -> Result<Response<ReplyBody>, Severed> {
    let (parts, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => world.answer(door, Request::from_parts(parts, body.to_bytes())).await,
        Err(_) => Reply::new(413, Class::BadRequest, "text/plain; charset=utf-8", "the request body is too large"),
    };
    let body = match reply.ending {
        Ending::Whole => ReplyBody::Whole(reply.body),
        Ending::Cut => {
            ReplyBody::Cut(Cut { declared: reply.body.len() as u64, half: Some(half(&reply.body)), pause: None })
        }
        Ending::Drop | Ending::Hang(_) => return Err(Severed),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// A body that may break off.
#[derive(Debug)]
enum ReplyBody {
    Whole(Bytes),
    Cut(Cut),
}

/// Half a body, a moment in which it is sent, and the end of the connection.
#[derive(Debug)]
struct Cut {
    declared: u64,
    half: Option<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        match self.get_mut() {
            ReplyBody::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            ReplyBody::Cut(cut) => {
                if let Some(half) = cut.half.take() {
                    return Poll::Ready(Some(Ok(Frame::data(half))));
                }
                let pause = cut.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
                pause.as_mut().poll(context).map(|()| Some(Err(Severed)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ReplyBody::Cut(cut) => SizeHint::with_exact(cut.declared),
        }
    }
}
