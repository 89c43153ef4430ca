//! The transport of a component: WASI HTTP 0.2.
use super::{Body, HttpError, Method, Request, Response, write_body};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest, Scheme,
    http_error_code,
};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};

/// How much of an answer is asked for at once.
const READ: u64 = 64 * 1024;

pub(super) fn send(request: Request<'_>) -> Result<Response, HttpError> {
    let outgoing = head(&request)?;
    let body = match request.body {
        Body::None => None,
        _ => Some(outgoing.body().map_err(|()| HttpError::Malformed("body"))?),
    };
    let pending = outgoing_handler::handle(outgoing, None).map_err(refused)?;
    // A partner may answer before it has read everything, and a broken stream says less than the answer that broke it:
    // so the answer comes first, and only without one the failure to send counts.
    let sent = body.map_or(Ok(()), |body| send_body(&request.body, body));
    if let Err(error @ (HttpError::Length { .. } | HttpError::TooLarge)) = sent {
        return Err(error);
    }
    let answer = loop {
        match pending.get() {
            Some(Ok(answer)) => break answer,
            Some(Err(())) => return Err(HttpError::failed("the answer was taken twice")),
            None => pending.subscribe().block(),
        }
    };
    read(answer.map_err(refused)?, request.answer_limit)
}

fn head(request: &Request<'_>) -> Result<OutgoingRequest, HttpError> {
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields.append(name, value.as_bytes()).map_err(|_| HttpError::Malformed("header"))?;
    }
    let method = match request.method {
        Method::Get => WasiMethod::Get,
        Method::Post => WasiMethod::Post,
        Method::Put => WasiMethod::Put,
        Method::Patch => WasiMethod::Patch,
        Method::Delete => WasiMethod::Delete,
    };
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_method(&method).map_err(|()| HttpError::Malformed("method"))?;
    outgoing.set_scheme(Some(&Scheme::Https)).map_err(|()| HttpError::Malformed("scheme"))?;
    outgoing.set_authority(Some(request.host)).map_err(|()| HttpError::Malformed("host"))?;
    outgoing.set_path_with_query(Some(request.path.as_str())).map_err(|()| HttpError::Malformed("path"))?;
    Ok(outgoing)
}

fn send_body(body: &Body<'_>, outgoing: OutgoingBody) -> Result<(), HttpError> {
    let stream = outgoing.write().map_err(|()| HttpError::Malformed("body"))?;
    write_body(body, &mut |bytes| write(&stream, bytes))?;
    stream.flush().map_err(broken)?;
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(refused)
}

fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), HttpError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = usize::try_from(stream.check_write().map_err(broken)?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = rest.split_at(room.min(rest.len()));
        stream.write(now).map_err(broken)?;
        rest = later;
    }
    Ok(())
}

fn read(answer: IncomingResponse, limit: usize) -> Result<Response, HttpError> {
    let status = answer.status();
    let headers = answer.headers().entries();
    let incoming = answer.consume().map_err(|()| HttpError::failed("the answer has no body"))?;
    let body = read_body(&incoming, limit)?;
    Ok(Response { status, headers, body })
}

fn read_body(incoming: &IncomingBody, limit: usize) -> Result<Vec<u8>, HttpError> {
    let stream = incoming.stream().map_err(|()| HttpError::failed("the answer has no body"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(more) if body.len() + more.len() > limit => return Err(HttpError::AnswerTooLarge),
            Ok(more) if body.is_empty() => body = more,
            Ok(more) => body.extend_from_slice(&more),
            Err(StreamError::Closed) => return Ok(body),
            Err(error) => return Err(broken(error)),
        }
    }
}

fn broken(error: StreamError) -> HttpError {
    match error {
        StreamError::Closed => HttpError::failed("the connection was closed"),
        StreamError::LastOperationFailed(error) => {
            http_error_code(&error).map_or_else(|| HttpError::failed("the connection was cut"), refused)
        }
    }
}

/// What WASI's code means for a connector. Texts are fixed: the host's own may hold addresses.
fn refused(code: ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => HttpError::Denied,
        ErrorCode::HttpRequestBodySize(_) => HttpError::TooLarge,
        ErrorCode::HttpResponseBodySize(_) => HttpError::AnswerTooLarge,
        ErrorCode::HttpRequestMethodInvalid => HttpError::Malformed("method"),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => HttpError::Malformed("path"),
        ErrorCode::HttpRequestLengthRequired => HttpError::Malformed("length"),
        ErrorCode::HttpRequestHeaderSize(_) | ErrorCode::HttpRequestHeaderSectionSize(_) => {
            HttpError::Malformed("header")
        }
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => {
            HttpError::failed("the host was not found")
        }
        ErrorCode::ConnectionRefused | ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            HttpError::failed("no connection")
        }
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::failed("no answer in time"),
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            HttpError::failed("no secure connection")
        }
        _ => HttpError::failed("the connection was cut"),
    }
}
