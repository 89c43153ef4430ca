//! An admitted request leaves, and its answer comes back.
use super::{
    Egress,
    admission::Admitted,
    body::{BodyError, Gate, InBody, OutBody},
    client::{Prohibited, caused_by, io_kind},
    ledger::Denial,
    plain::{self, Beginning},
    reach::Reach,
};
use crate::scrub::ScrubStream;
use bytes::Bytes;
use caravan_model::usage;
use http::{HeaderValue, Request, Response, Uri, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{self, connect::capture_connection};
use std::{io, time::Duration};
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Bodies up to this length are read and checked whole before anything is dialled, if they have locks.
const CHECKED_BEFORE: u64 = 64 * 1024;

impl Egress {
    pub(super) async fn send(
        &self,
        index: usize,
        mut parts: Parts,
        body: WasiBody,
        admitted: Admitted,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        parts.headers.remove(header::ACCEPT_ENCODING); // A compressed answer could not be scrubbed.
        let placed = match admitted.auth {
            true => self.credentials.put_into(&mut parts.headers, &admitted.route),
            false => Vec::new(),
        };
        let Admitted { route, host, changes, writes, gate, .. } = admitted;
        let earlier = self.ledger.admit(index, &route, writes, changes, placed, self.record_bodies);
        if writes && earlier > 0 {
            return Err(self
                .deny(index, body, "a call may change membership once, and this is a second request")
                .await);
        }
        let given = parts.uri.path_and_query().map_or("/", |both| both.as_str());
        let path = if admitted.auth { self.credentials.path_and_query(&route, given) } else { given.to_owned() };
        let origin = match &self.policy.reach {
            Reach::Partner | Reach::InProcess(_) => format!("https://{host}"),
            Reach::Lab(lab) => match lab.authority(&host) {
                Some(authority) => format!("http://{authority}"),
                None => return Err(self.deny(index, body, &format!("the lab has no emulator of {host}")).await),
            },
        };
        parts.uri = Uri::try_from(format!("{origin}{path}")).map_err(|_| Error::HttpRequestUriInvalid)?;
        let deadline = self.deadline_with(options);
        let body = self.open_body(body, gate).await?;
        match &self.policy.reach {
            Reach::Partner => {
                let mut request = Request::from_parts(parts, body);
                self.ledger.trying(index, Some(capture_connection(&mut request)));
                let answer = tokio::time::timeout_at(deadline, self.clients.partner.request(request)).await;
                self.receive(index, answer)
            }
            Reach::Lab(_) => {
                let mut request = Request::from_parts(parts, body);
                self.ledger.trying(index, Some(capture_connection(&mut request)));
                let answer = tokio::time::timeout_at(deadline, self.clients.lab.request(request)).await;
                self.receive(index, answer)
            }
            Reach::InProcess(transport) => {
                let bytes = body.collect().await.map_err(|_| self.body_error())?.to_bytes();
                self.ledger.trying(index, None);
                let answer = transport.send(&host, Request::from_parts(parts, bytes));
                let answer = tokio::time::timeout_at(deadline, answer).await;
                self.receive(index, answer.map(|answer| Ok(answer.map(Full::new))))
            }
        }
    }

    async fn open_body(&self, body: WasiBody, gate: Option<Gate>) -> Result<OutBody, Error> {
        let Some(gate) = gate else { return Ok(OutBody::Empty) };
        if gate.locks.is_none() || gate.left > CHECKED_BEFORE {
            return Ok(OutBody::Streaming(Box::new((body, gate))));
        }
        match OutBody::whole(body, gate).await {
            Ok(bytes) => Ok(OutBody::Whole(Some(bytes))),
            Err(_) => Err(self.body_error()),
        }
    }

    async fn deny(&self, index: usize, body: WasiBody, words: &str) -> Error {
        self.ledger.deny(index, Denial::rule(words));
        self.drain(body).await;
        Error::HttpRequestDenied
    }

    /// The error of a body that did not leave whole; the ledger knows the reason.
    fn body_error(&self) -> Error {
        if self.ledger.denial().is_some() {
            Error::HttpRequestDenied
        } else if Instant::now() >= self.deadline {
            Error::HttpResponseTimeout
        } else {
            Error::HttpProtocolError
        }
    }

    fn deadline_with(&self, options: Option<RequestOptions>) -> Instant {
        let own = options.map(|options| match (options.connect_timeout, options.first_byte_timeout) {
            (None, None) => Duration::MAX,
            (connect, first) => connect.unwrap_or_default().saturating_add(first.unwrap_or_default()),
        });
        match own.and_then(|own| Instant::now().checked_add(own)) {
            Some(own) => own.min(self.deadline),
            None => self.deadline,
        }
    }

    fn receive<B>(
        &self,
        index: usize,
        answer: Result<Result<Response<B>, legacy::Error>, tokio::time::error::Elapsed>,
    ) -> Result<Response<WasiBody>, Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        match answer {
            Ok(Ok(answer)) => self.accept(index, answer),
            Ok(Err(wrong)) => Err(self.explain_failure(index, &wrong)),
            Err(_) => {
                self.ledger.late(index);
                Err(Error::HttpResponseTimeout)
            }
        }
    }

    /// Holds an answer's head to the limits, scrubs it, and opens its body.
    fn accept<B>(&self, index: usize, answer: Response<B>) -> Result<Response<WasiBody>, Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let limits = &self.policy.limits;
        let (mut head, source) = answer.into_parts();
        self.ledger.answered(index, head.status.as_u16());
        let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if head.headers.len() > limits.headers as usize || bytes > limits.header_bytes as usize {
            let words = format!("an answer has {} headers of {bytes} bytes", head.headers.len());
            let line = format!("headers: {}, header_bytes: {bytes}", head.headers.len());
            self.ledger.deny(index, Denial::limit(words, &line));
            return Err(Error::HttpResponseHeaderSectionSize(None));
        }
        if plain::is_coded(&head.headers) {
            self.ledger.failed(index, "the partner answered compressed, which was not asked for", false);
            return Err(Error::HttpResponseContentCoding(None));
        }
        let told = usage::read(&self.policy.usage, head.status.as_u16(), |name| {
            head.headers.get(name).and_then(|value| value.to_str().ok())
        });
        self.ledger.told(told);
        head.headers.remove(header::SET_COOKIE);
        let scrubber = &self.credentials.scrubber;
        if !scrubber.is_idle() {
            for value in head.headers.values_mut() {
                if scrubber.find(value.as_bytes()).is_some() {
                    let mut clean = value.as_bytes().to_vec();
                    scrubber.blank(&mut clean);
                    *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static("***"));
                }
            }
        }
        head.extensions.clear();
        self.note_head(index, &head.headers);
        let body = InBody {
            source,
            left: limits.response_bytes,
            limit: limits.response_bytes,
            scrub: ScrubStream::new(scrubber.clone()),
            ledger: self.ledger.clone(),
            index,
            trace: self.trace_reader(index),
            ended: false,
            beginning: Beginning::default(),
            bell: None,
        };
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// Puts a failure into fixed words: a library's own may hold addresses.
    fn explain_failure(&self, index: usize, wrong: &legacy::Error) -> Error {
        if !wrong.is_connect() {
            if caused_by::<BodyError>(wrong).is_some() {
                return self.body_error();
            }
            self.ledger.failed(index, "the connection broke before an answer", false);
            return Error::ConnectionTerminated;
        }
        if caused_by::<Prohibited>(wrong).is_some() {
            self.ledger.failed(index, "not connected", true);
            let words = "the host's name resolves to an address that is not public (loopback, private, link-local or reserved); no grant can allow this";
            self.ledger.deny(index, Denial::rule(words));
            return Error::DestinationIpProhibited;
        }
        let kind = io_kind(wrong);
        let (words, error) = match kind {
            Some(io::ErrorKind::ConnectionRefused) => ("the partner refused the connection", Error::ConnectionRefused),
            Some(io::ErrorKind::TimedOut) => ("the partner could not be reached in time", Error::ConnectionTimeout),
            // Over a connection that stands, only the handshake can fail.
            Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                ("no secure connection: TLS failed", Error::TlsProtocolError)
            }
            _ => ("the partner could not be reached", Error::DestinationUnavailable),
        };
        self.ledger.failed(index, words, true);
        error
    }
}
