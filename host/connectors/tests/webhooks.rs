//! Calls of webhook steps really leave: to the endpoints of a file, and to nowhere else.
use bytes::Bytes;
use caravan_connectors::LocalWebhooks;
use caravan_model::Duration as Span;
use caravan_model::connection::SecretRef;
use caravan_model::webhook::{
    Endpoint, Header, KeptHeader, Method, TIMEOUT, WebhookAnswer, WebhookCall, WebhookSender as _,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A request as it arrived: method and path, headers, body.
type Got = (String, http::HeaderMap, String);

async fn sink(status: u16, headers: &'static [(&'static str, &'static str)]) -> (SocketAddr, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                    tell.send((format!("{} {}", head.method, head.uri), head.headers, body)).await.unwrap();
                    let mut answer = Response::builder().status(status);
                    for (name, value) in headers {
                        answer = answer.header(*name, *value);
                    }
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::from_static(b"ok"))).unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, told)
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        description: None,
        url: serde_json::from_value(url.into()).unwrap(),
        method: Method::Post,
        headers: BTreeMap::new(),
        timeout: TIMEOUT,
    }
}

fn sender(endpoint: Endpoint, near: bool) -> LocalWebhooks {
    LocalWebhooks::new(BTreeMap::from([("mailer".to_owned(), endpoint)]), near).unwrap()
}

fn call() -> WebhookCall {
    WebhookCall { endpoint: "mailer".into(), key: "k-1".into(), body: r#"{"to":"ann@example.com"}"#.into() }
}

/// What came of a call that may work later: the words.
async fn later(sender: &LocalWebhooks) -> String {
    match sender.send(&call()).await {
        WebhookAnswer::Later { words, .. } => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_has_its_body_its_key_and_the_endpoints_headers() {
    let (address, mut told) = sink(202, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "hunter2\n").unwrap();
    let kept = |prefix: &str| {
        let secret = SecretRef::File(token.display().to_string());
        Header::Kept(KeptHeader { secret, prefix: prefix.into() })
    };
    let mut mailer = endpoint(&format!("http://{address}/send"));
    mailer.method = Method::Put;
    mailer.headers.insert("Authorization".into(), kept("Bearer "));
    mailer.headers.insert("X-Workspace".into(), Header::Text("acme".into()));
    let sender = sender(mailer, true);
    assert_eq!(sender.ready("mailer"), Ok(()));
    assert_eq!(sender.send(&call()).await, WebhookAnswer::Taken);
    let (line, headers, body) = told.recv().await.unwrap();
    assert_eq!((line.as_str(), body.as_str()), ("PUT /send", r#"{"to":"ann@example.com"}"#));
    for (name, value) in [
        ("content-type", "application/json"),
        ("idempotency-key", "k-1"),
        ("authorization", "Bearer hunter2"),
        ("x-workspace", "acme"),
    ] {
        assert_eq!(headers[name], value);
    }
    // What is shown of it is what leaves, but for the secret.
    let shown = sender.shown(&call()).unwrap();
    assert_eq!(shown.body.as_deref(), Some(body.as_bytes()));
    for (name, value) in &shown.headers {
        let sent = headers[name.as_str()].to_str().unwrap().replace("hunter2", "[secret]");
        assert_eq!(*value, sent, "{name}");
    }
    // A secret that was changed is found at the next call; one that is gone is said without its value.
    std::fs::write(&token, "other").unwrap();
    assert_eq!(sender.send(&call()).await, WebhookAnswer::Taken);
    assert_eq!(told.recv().await.unwrap().1["authorization"], "Bearer other");
    std::fs::remove_file(&token).unwrap();
    assert!(later(&sender).await.contains("cannot be read") && sender.ready("mailer").is_err());
    assert!(!format!("{sender:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_busy_endpoint_says_when_to_come_again_and_a_redirect_is_not_followed() {
    let (busy, _told) = sink(429, &[("retry-after", "7")]).await;
    let answer = sender(endpoint(&format!("http://{busy}/")), true).send(&call()).await;
    let words = "the endpoint answered 429".to_owned();
    assert_eq!(answer, WebhookAnswer::Later { words, after: Some(Span::SECOND.times(7)) });
    let (end, mut reached) = sink(200, &[]).await;
    let to: &'static str = Box::leak(format!("http://{end}/").into_boxed_str());
    let headers: &'static [(&str, &str)] = Box::leak(Box::new([("location", to)]));
    let (elsewhere, _told) = sink(307, headers).await;
    let answer = sender(endpoint(&format!("http://{elsewhere}/")), true).send(&call()).await;
    assert_eq!(answer, WebhookAnswer::Refused { status: 307 });
    assert!(reached.try_recv().is_err());
}

#[tokio::test]
async fn an_endpoint_that_hangs_breaks_or_is_not_there_may_work_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let mut slow = endpoint(&format!("http://{silent}/"));
    slow.timeout = Span(300);
    assert!(later(&sender(slow.clone(), true)).await.contains("did not answer within 300ms"));
    // An answer without an end costs no more than its beginning.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                while stream.write_all(b"1000\r\n").await.is_ok() && stream.write_all(&[b'x'; 4096]).await.is_ok() {
                    let _ = stream.write_all(b"\r\n").await;
                }
            });
        }
    });
    slow.timeout = TIMEOUT;
    // The connection that was left hanging is taken as well; then a fresh one answers.
    assert_eq!(sender(slow, true).send(&call()).await, WebhookAnswer::Taken);
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let words = later(&sender(endpoint(&format!("http://{gone}/secret-path")), true)).await;
    assert!(words.contains("refused the connection") && !words.contains("secret-path"), "{words}");
}

#[tokio::test]
async fn nothing_on_a_private_network_is_called() {
    let (address, mut told) = sink(200, &[]).await;
    let port = address.port();
    let near = format!("http://127.0.0.1:{port}/");
    assert!(later(&sender(endpoint(&near), false)).await.contains("CARAVAN_ALLOW_LOOPBACK"));
    assert!(sender(endpoint(&near), false).ready("mailer").is_err_and(|words| words.contains("this machine")));
    for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost"] {
        let words = later(&sender(endpoint(&format!("https://{host}:{port}/")), true)).await;
        assert!(words.contains("not public"), "{host}: {words}");
    }
    assert!(told.try_recv().is_err());
    assert!(sender(endpoint(&near), true).ready("other").is_err_and(|words| words.contains("no endpoint `other`")));
}
