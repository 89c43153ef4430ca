//! The client towards partners: real TLS with a partner on loopback, whose certificate is of a throw-away authority.
mod support;

use caravan_connectors::{BoundConnector, Proxy, Reach, Trust};
use caravan_model::Effect;
use caravan_model::port::{Answer, Ask, CallOutcome, Connector as _};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use std::sync::Arc;
use support::*;
use tokio_rustls::TlsAcceptor;

/// A throw-away authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Authority { issuer: Issuer::new(params, key), root }
    }

    /// The server's side of TLS, with a certificate for this name.
    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A peer that takes whatever Meta is sent, with a certificate for this name.
    async fn meta(&self, name: &str) -> Peer {
        Peer::serve(Some(self.server(name)), |request| json(200, &meta_answer(request))).await
    }
}

/// The connector for Meta, bound to the partner itself.
fn partner(trust: Trust) -> BoundConnector {
    let component = sandbox_with(trust).load(&guest("meta")).unwrap();
    let binding = binding(&component, Reach::Partner);
    BoundConnector::new(component, binding).unwrap()
}

/// Trusts the authority, and finds Meta at the peer.
fn trust(authority: &Authority, peer: &Peer) -> Trust {
    Trust::default().with_root(authority.root.clone()).with_stand_in(META, peer.address).unwrap()
}

/// The one request failed before anything could happen at the partner, and the words say so.
#[track_caller]
fn assert_no_secure_connection(outcome: &CallOutcome, peer: &Peer) {
    let (class, words) = fault(outcome);
    assert_eq!((class, outcome.effect), ("unavailable", Effect::None), "{outcome:?}");
    assert!(words.contains("no secure connection"), "{words}");
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!(outcome.requests[0].outcome, Err("no secure connection: TLS failed".into()));
    assert!(peer.connections() > 0 && peer.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_lands_over_tls() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let outcome = sync(&partner(trust(&authority, &peer)), 10_000).await;
    assert_eq!(report(&outcome).settled, [(0, 10_000)], "{outcome:?}");
    assert_eq!((outcome.requests.len(), &outcome.requests[0].outcome), (1, &Ok(200)));
    let received = peer.received();
    assert_eq!((received.len(), received[0].headers["host"].as_str()), (1, META));
    assert_eq!(received[0].headers["authorization"], "Bearer lab-token");
    assert_eq!(outcome.requests[0].body.as_deref(), Some(&received[0].body[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let peer = authority.meta(META).await;
    assert_no_secure_connection(&sync(&partner(trust(&other, &peer)), 2).await, &peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throw_away_authority_is_not_trusted_by_default() {
    let peer = Authority::new().meta(META).await;
    let trust = Trust::default().with_stand_in(META, peer.address).unwrap();
    assert_no_secure_connection(&sync(&partner(trust), 2).await, &peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let peer = authority.meta("graph.facebook.example").await;
    assert_no_secure_connection(&sync(&partner(trust(&authority, &peer)), 2).await, &peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_hangs_up_in_the_handshake_is_said_to_fail_at_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trust = Trust::default().with_stand_in(META, listener.local_addr().unwrap()).unwrap();
    let hanging_up = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        // Until the client is gone, so that it meets an end and no reset.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let outcome = sync(&partner(trust), 2).await;
    hanging_up.await.unwrap();
    assert_eq!(outcome.effect, Effect::None, "{outcome:?}");
    assert_eq!(outcome.requests[0].outcome, Err("no secure connection: TLS failed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_after_each_other_share_one_connection() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let connector = partner(trust(&authority, &peer));
    for _ in 0..5 {
        let outcome = sync(&connector, 3).await;
        assert_eq!(report(&outcome).settled, [(0, 3)], "{outcome:?}");
    }
    let accounts = connector.call(context(), Ask::Accounts { cursor: None }).await;
    assert!(matches!(accounts.answer, Ok(Answer::Accounts(..))), "{accounts:?}");
    assert_eq!((peer.received().len(), peer.connections()), (6, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_over_tls_is_an_answer_and_is_not_followed() {
    let authority = Authority::new();
    let moved = |_: &Received| {
        let answer = http::Response::builder().status(307).header("location", "https://graph.facebook.com/elsewhere");
        answer.body(Default::default()).unwrap()
    };
    let peer = Peer::serve(Some(authority.server(META)), moved).await;
    let outcome = sync(&partner(trust(&authority, &peer)), 1).await;
    assert_eq!((outcome.requests.len(), &outcome.requests[0].outcome), (1, &Ok(307)));
    assert!(report(&outcome).fault.is_some(), "{outcome:?}");
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_although_the_certificate_is_right() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let trust = Trust::default().with_root(authority.root.clone()).with_name(META, peer.address);
    let outcome = sync(&partner(trust), 2).await;
    let (class, words) = fault(&outcome);
    assert!(class == "stopped" && words.contains("CV060") && words.contains("not public"), "{class} {words}");
    assert_eq!((outcome.effect, peer.connections()), (Effect::None, 0));
}

/// A proxy that gives tunnels to addresses; what it was asked for.
async fn proxy() -> (Proxy, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://me:s%40fe@{}", listener.local_addr().unwrap());
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let heard = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let to = head.split(' ').nth(1).unwrap_or_default().parse::<std::net::SocketAddr>();
                heard.lock().unwrap().push(head);
                let mut partner = tokio::net::TcpStream::connect(to.expect("an address, never a name")).await.unwrap();
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut partner).await;
            });
        }
    });
    (address.parse().unwrap(), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_asked_for_a_checked_address_and_sees_no_request() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let (proxy, asked) = proxy().await;
    let outcome = sync(&partner(trust(&authority, &peer).with_proxy(Some(proxy))), 100).await;
    assert_eq!(report(&outcome).settled, [(0, 100)], "{outcome:?}");
    assert_eq!(peer.received()[0].headers["host"].as_str(), META);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with(&format!("CONNECT {} HTTP/1.1", peer.address)), "{asked:?}");
    assert!(asked[0].contains("Proxy-Authorization: Basic bWU6c0BmZQ==") && !asked[0].contains(META), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_asked_of_a_proxy_either() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let (proxy, asked) = proxy().await;
    let trust = Trust::default().with_root(authority.root.clone()).with_name(META, peer.address);
    let outcome = sync(&partner(trust.with_proxy(Some(proxy))), 2).await;
    let (class, words) = fault(&outcome);
    assert!(class == "stopped" && words.contains("CV060") && words.contains("not public"), "{class} {words}");
    assert!(asked.lock().unwrap().is_empty() && peer.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_gives_no_tunnel_leaves_the_part_to_be_sent_later() {
    let authority = Authority::new();
    let peer = authority.meta(META).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 403 Forbidden\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let outcome = sync(&partner(trust(&authority, &peer).with_proxy(Some(address))), 2).await;
    assert_eq!((fault(&outcome).0, outcome.effect), ("unavailable", Effect::None), "{outcome:?}");
    assert_eq!(peer.connections(), 0);
}

#[test]
fn an_authority_that_is_no_certificate_is_refused() {
    let options = caravan_connectors::SandboxOptions {
        trust: Trust::default().with_root(*b"no certificate"),
        ..Default::default()
    };
    let problem = caravan_connectors::Sandbox::new(options).unwrap_err();
    assert_eq!(problem.code, caravan_model::Code::BadConnection);
}
