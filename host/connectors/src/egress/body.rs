//! Bodies on their way: what leaves is counted, checked and held to the deadline; what comes back is bounded and
//! scrubbed.
use super::{
    ledger::{Denial, Ledger},
    lock::LockReader,
    plain::Beginning,
    trace::TraceReader,
};
use crate::scrub::ScrubStream;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, WasiBody};

/// Why a body did not leave whole. The reason stands in the ledger.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The egress refused it.
    #[error("the egress refused the body")]
    Refused,
    /// The guest left it unfinished.
    #[error("the guest left its body unfinished")]
    Unfinished,
    /// The deadline passed before its last chunk.
    #[error("the deadline passed before the body's last chunk")]
    Late,
}

/// Checks what passes through: length, locks, deadline; and writes it down.
pub(crate) struct Gate {
    pub(crate) left: u64,
    pub(crate) locks: Option<LockReader>,
    pub(crate) deadline: Instant,
    pub(crate) ledger: Ledger,
    pub(crate) index: usize,
    /// The guest was last seen to be at its body still.
    pub(crate) writes: bool,
}

impl Gate {
    /// Takes the next bytes; the last of them only before the deadline and with every lock in place.
    fn pass(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.ledger.deny(self.index, Denial::rule("the body is longer than its content-length"));
            return Err(BodyError::Refused);
        };
        if let Err(denial) = self.ledger.may_send(bytes.len()) {
            self.ledger.deny(self.index, denial);
            return Err(BodyError::Refused);
        }
        if let Some(locks) = &mut self.locks {
            let verdict = locks.read(bytes).and_then(|()| if left == 0 { locks.finish() } else { Ok(()) });
            if let Err(wrong) = verdict {
                self.ledger.deny(self.index, Denial::rule(wrong.to_string()));
                return Err(BodyError::Refused);
            }
        }
        if left == 0 && Instant::now() >= self.deadline {
            self.ledger.failed(self.index, "the deadline passed before the body's last chunk", false);
            return Err(BodyError::Late);
        }
        self.left = left;
        self.ledger.body(self.index, bytes);
        Ok(())
    }
}

/// A request's body.
pub(crate) enum OutBody {
    /// None.
    Empty,
    /// Checked already.
    Whole(Option<Bytes>),
    /// Streaming out of the guest.
    Streaming(Box<(WasiBody, Gate)>),
}

impl OutBody {
    /// Reads a whole body out of the guest, so that it is checked before anything is dialled.
    pub(crate) async fn whole(body: WasiBody, gate: Gate) -> Result<Bytes, BodyError> {
        let mut body = OutBody::Streaming(Box::new((body, gate)));
        let mut first: Option<Bytes> = None;
        let mut all = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            match first.take() {
                None if all.is_empty() => first = Some(data),
                None => all.extend_from_slice(&data),
                Some(earlier) => {
                    all.reserve(earlier.len() + data.len());
                    all.extend_from_slice(&earlier);
                    all.extend_from_slice(&data);
                }
            }
        }
        Ok(first.unwrap_or_else(|| all.into()))
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (body, gate) = match &mut *self {
            OutBody::Empty => return Poll::Ready(None),
            OutBody::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            OutBody::Streaming(streaming) => &mut **streaming,
        };
        loop {
            if gate.left == 0 {
                return Poll::Ready(None);
            }
            let polled = Pin::new(&mut *body).poll_frame(cx);
            if gate.writes != polled.is_pending() {
                gate.writes = polled.is_pending();
                gate.ledger.unwritten(gate.index, gate.writes);
            }
            let next = match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => gate.pass(&data).map(|()| Frame::data(data)),
                    Err(_) => Err(BodyError::Unfinished),
                },
                Some(Err(_)) | None => {
                    gate.ledger.abandoned(gate.index);
                    Err(BodyError::Unfinished)
                }
            };
            return Poll::Ready(Some(next));
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            OutBody::Empty | OutBody::Whole(None) => true,
            OutBody::Whole(Some(bytes)) => bytes.is_empty(),
            OutBody::Streaming(streaming) => streaming.1.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            OutBody::Empty | OutBody::Whole(None) => SizeHint::with_exact(0),
            OutBody::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            OutBody::Streaming(streaming) => SizeHint::with_exact(streaming.1.left),
        }
    }
}

/// An answer's body: bounded and scrubbed.
pub(crate) struct InBody<B> {
    pub(crate) source: B,
    pub(crate) left: u64,
    pub(crate) limit: u64,
    pub(crate) scrub: ScrubStream,
    pub(crate) ledger: Ledger,
    pub(crate) index: usize,
    pub(crate) trace: TraceReader,
    pub(crate) ended: bool,
    pub(crate) beginning: Beginning,
    /// Who waits for more, as it was last asked, and the waker that notes when something comes.
    pub(crate) bell: Option<(Waker, Waker)>,
}

impl<B> Drop for InBody<B> {
    fn drop(&mut self) {
        let patience = &self.ledger.patience;
        if !self.ended && patience.is_waiting(self.index) {
            patience.end(self.index);
            self.ledger.starved(self.index);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> InBody<B> {
    /// The source's next frame; the time until it comes is the partner's.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let (ledger, index) = (&self.ledger, self.index);
        let known = self.bell.take().filter(|(waker, _)| waker.will_wake(cx.waker()));
        let (_, bell) =
            self.bell.insert(known.unwrap_or_else(|| (cx.waker().clone(), ledger.patience.waker(index, cx.waker()))));
        ledger.patience.begin(index);
        let polled = Pin::new(&mut self.source).poll_frame(&mut Context::from_waker(bell));
        if polled.is_ready() {
            ledger.patience.end(index);
        }
        polled
    }
}

impl<B> Body for InBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        while !self.ended {
            match ready!(self.poll_source(cx)) {
                None => {
                    self.ended = true;
                    let rest = self.scrub.finish();
                    self.trace.read(&rest);
                    self.trace.finish();
                    if !rest.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(rest))));
                    }
                }
                Some(Err(_)) => {
                    self.ended = true;
                    self.ledger.failed(self.index, "the answer broke off", false);
                    return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let Some(left) = self.left.checked_sub(data.len() as u64) else {
                        self.ended = true;
                        let words = format!("an answer is longer than {} bytes", self.limit);
                        let line = format!("response_bytes: {}", self.limit.saturating_mul(2));
                        self.ledger.deny(self.index, Denial::limit(words, &line));
                        return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(self.limit)))));
                    };
                    if let Err(denial) = self.ledger.may_receive(data.len()) {
                        self.ended = true;
                        self.ledger.deny(self.index, denial);
                        return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(self.limit)))));
                    }
                    self.left = left;
                    // With no secret in the request there is none to be echoed.
                    if !self.scrub.is_idle() && self.beginning.is_compressed(&data) {
                        self.ended = true;
                        self.ledger.failed(self.index, "the partner answered compressed, and did not say so", false);
                        return Poll::Ready(Some(Err(Error::HttpResponseContentCoding(None))));
                    }
                    self.ledger.answer(self.index, data.len());
                    let clean = self.scrub.push(data);
                    self.trace.read(&clean);
                    if !clean.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(clean))));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}
