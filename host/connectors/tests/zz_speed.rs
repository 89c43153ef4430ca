mod support;
use bytes::Bytes;
use caravan_model::port::{Ask, CallContext, Connector as _};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{sync::Arc, time::{Duration, Instant}};
use support::*;

fn median(mut v: Vec<f64>) -> f64 { v.sort_by(f64::total_cmp); v[v.len()/2] }

fn main_part(rows: u32) -> Arc<caravan_model::Part> {
    let one = part(rows);
    let columns = ["EMAIL", "PHONE", "FN"].map(|k| caravan_model::Column { key: k.into(), ..one.columns[0].clone() });
    Arc::new(caravan_model::Part { columns: columns.to_vec(), ..(*one).clone() })
}

#[test]
fn speed() {
    // The peer in its own runtime and thread; it discards bodies.
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tx.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (s, _) = listener.accept().await.unwrap();
                s.set_nodelay(true).unwrap();
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(s), hyper::service::service_fn(|req: hyper::Request<hyper::body::Incoming>| async move {
                    let rows: u64 = req.headers().get("x-rows").map_or(0, |v| v.to_str().unwrap().parse().unwrap());
                    let mut body = req.into_body();
                    let mut n = 0u64;
                    while let Some(f) = body.frame().await { n += f.unwrap().data_ref().map_or(0, |d| d.len() as u64); }
                    let rows = if rows > 0 { rows } else { (n.saturating_sub(30)) / 205 };
                    let rows = if rows > 9000 { 10000 } else if rows == 0 { 1 } else { rows };
                    let text = format!(r#"{{"audience_id":"23850","session_id":1,"num_received":{rows},"num_invalid_entries":0,"invalid_entry_samples":{{}}}}"#);
                    Ok::<_, std::convert::Infallible>(http::Response::builder().header("content-type", "application/json").body(Full::new(Bytes::from(text))).unwrap())
                })));
            }
        });
    });
    let address = rx.recv().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async move {
        let component = load("meta");
        let reach = caravan_connectors::Reach::Lab(caravan_connectors::LabMap::new([(META, address.to_string())]).unwrap());
        let b = binding(&component, reach);
        let connector = Arc::new(caravan_connectors::BoundConnector::new(component, b).unwrap());
        let mut http = hyper_util::client::legacy::connect::HttpConnector::new();
        http.set_nodelay(true);
        let client: Client<_, BoxBody<Bytes, std::convert::Infallible>> = Client::builder(TokioExecutor::new()).build(http);
        for rows in [1u32, 10_000] {
            let part = main_part(rows);
            let rounds = if rows == 1 { 400 } else { 200 };
            let (mut a, mut n) = (vec![], vec![]);
            for round in 0..rounds {
                let c = connector.clone(); let p = part.clone();
                let began = Instant::now();
                let out = tokio::spawn(async move { c.call(CallContext { at: caravan_model::Millis(0), seed: "x".into(), deadline: Duration::from_secs(30), record_bodies: false }, Ask::Sync { target: target(), part: p }).await }).await.unwrap();
                let t = began.elapsed().as_secs_f64() * 1e6;
                assert!(report(&out).fault.is_none(), "{out:?}");
                if round > 5 { a.push(t); }
                // native, streaming
                let p = part.clone(); let client2 = client.clone();
                let began = Instant::now();
                let answer = tokio::spawn(async move {
                    let col = &p.columns[0];
                    let head = br#"{"payload":{"schema":["EMAIL","PHONE","FN"],"data":["#;
                    let len = head.len() + p.rows as usize * (2 + 6 + 2) + col.text.len() * 3 + (p.rows as usize - 1) + 3;
                    let (tx, rx) = tokio::sync::mpsc::channel::<Bytes>(4);
                    let p2 = p.clone();
                    let writer = tokio::spawn(async move {
                        let col = &p2.columns[0];
                        let mut buf = Vec::with_capacity(70_000);
                        buf.extend_from_slice(head);
                        let mut from = 0usize;
                        for i in 0..p2.rows as usize {
                            if i > 0 { buf.push(b','); }
                            buf.extend_from_slice(b"[");
                            let to = col.ends[i] as usize;
                            for k in 0..3 { buf.extend_from_slice(if k == 0 { b"\"" } else { b",\"" }); buf.extend_from_slice(&p2.columns[k].text[from..to]); buf.extend_from_slice(b"\""); }
                            from = to;
                            buf.extend_from_slice(b"]");
                            if buf.len() > 65_000 { tx.send(Bytes::from(std::mem::replace(&mut buf, Vec::with_capacity(70_000)))).await.unwrap(); }
                        }
                        buf.extend_from_slice(b"]}}");
                        tx.send(Bytes::from(buf)).await.unwrap();
                    });
                    struct Rx(tokio::sync::mpsc::Receiver<Bytes>);
                    impl http_body::Body for Rx { type Data = Bytes; type Error = std::convert::Infallible;
                        fn poll_frame(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> { self.0.poll_recv(cx).map(|o| o.map(|b| Ok(http_body::Frame::data(b)))) } }
                    let req = http::Request::post(format!("http://{address}/v26.0/23850/users")).header("authorization", "Bearer x").header("content-type", "application/json").header("content-length", len).body(BoxBody::new(Rx(rx))).unwrap();
                    let res = client2.request(req).await.unwrap();
                    let bytes = res.into_body().collect().await.unwrap().to_bytes();
                    writer.await.unwrap();
                    let v: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                    v["num_received"].as_u64()
                }).await.unwrap();
                assert!(answer.is_some());
                let t = began.elapsed().as_secs_f64() * 1e6;
                if round > 5 { n.push(t); }
            }
            let (a, n) = (median(a), median(n));
            println!("rows {rows}: component {a:.0} us, native {n:.0} us, ratio {:.2}, more {:.0} us", n / a, a - n);
        }
    });
}
