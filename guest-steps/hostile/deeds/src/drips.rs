//! Slowness on either side: bodies that drip out of the guest, answers that it leaves lying, and impatience.
use caravan_sdk::bindings::wasi::http::outgoing_handler;
use caravan_sdk::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use caravan_sdk::{Fault, Target, fault, log};
use std::time::{Duration, Instant};

/// Does a deed of slowness, or half of one; false where it is none.
pub fn drip(deed: &str, target: &Target) -> bool {
    match deed {
        // More than the host reads whole before it dials, and less.
        "drip-body" => begin(target, 200_000, true),
        "drip-small-body" => begin(target, 2_000, true),
        "half-body-then-trap" => half(target, 200_000),
        "half-small-body-then-trap" => half(target, 2_000),
        "doze" => {
            let answer = begin(target, 2, false).and_then(|pending| head(&pending));
            log::info(format!("it has an answer, and sleeps: {}", answer.is_some()));
            std::thread::sleep(Duration::from_secs(3600));
            None
        }
        "impatient" => {
            if let Some(answer) = begin(target, 2, false).and_then(|pending| head(&pending)) {
                read_for(&answer, Duration::from_millis(600));
            }
            panic!("it has waited long enough");
        }
        _ => return false,
    };
    true
}

/// Writes half of a body, lets it go, and crashes once the host has seen that.
fn half(target: &Target, length: usize) -> ! {
    let told = begin_half(target, length).as_ref().and_then(head).is_some();
    panic!("it left its body half written, and was answered: {told}");
}

/// Leaves its body half written, and says that the partner cannot be reached.
pub fn blame(target: &Target) -> Fault {
    let told = begin_half(target, 200_000).as_ref().and_then(head).is_some();
    log::info(format!("answered: {told}"));
    fault::unavailable(None, fault::cause("unreached", "the partner does not answer"))
}

/// Writes half of a body and lets it go.
fn begin_half(target: &Target, length: usize) -> Option<FutureIncomingResponse> {
    let (outgoing, pending) = open(target, length)?;
    let stream = outgoing.write().ok()?;
    for _ in 0..length / 2 / 1000 {
        stream.blocking_write_and_flush(&[b' '; 1000]).ok()?;
    }
    drop(stream);
    drop(outgoing);
    Some(pending)
}

/// Begins a request of its own route whose body is spaces; with `drips` one at a time, and never the last.
fn begin(target: &Target, length: usize, drips: bool) -> Option<FutureIncomingResponse> {
    let (outgoing, pending) = open(target, length)?;
    let stream = outgoing.write().ok()?;
    if drips {
        loop {
            stream.blocking_write_and_flush(b" ").ok()?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stream.blocking_write_and_flush(&b"{}"[..length]).ok()?;
    drop(stream);
    OutgoingBody::finish(outgoing, None).ok()?;
    Some(pending)
}

/// Opens a request of its own route whose body says to have a length.
fn open(target: &Target, length: usize) -> Option<(OutgoingBody, FutureIncomingResponse)> {
    let fields = Fields::new();
    fields.append("content-type", b"application/json").ok()?;
    fields.append("content-length", length.to_string().as_bytes()).ok()?;
    let request = OutgoingRequest::new(fields);
    request.set_method(&Method::Post).ok()?;
    request.set_scheme(Some(&Scheme::Https)).ok()?;
    request.set_authority(Some(hostile_common::HOST)).ok()?;
    request.set_path_with_query(Some(&format!("/v26.0/{}/users", target.audience))).ok()?;
    let outgoing = request.body().ok()?;
    let pending = outgoing_handler::handle(request, None).ok()?;
    Some((outgoing, pending))
}

/// Waits for the head of an answer, or for the end of hope.
fn head(pending: &FutureIncomingResponse) -> Option<IncomingResponse> {
    pending.subscribe().block();
    pending.get()?.ok()?.ok()
}

/// Reads of an answer what comes within a time.
fn read_for(answer: &IncomingResponse, time: Duration) {
    let Ok(body) = answer.consume() else { return };
    let Ok(stream) = body.stream() else { return };
    let began = Instant::now();
    while began.elapsed() < time && stream.read(1024).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
}
