//! A name whose address changes between two dials: a name server on loopback, asked over UDP, answers with a public
//! address first and with addresses of this machine and of its cloud next.
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use caravan_connectors::{BoundConnector, NameService, Reach, Sandbox, SandboxOptions, Trust};
use caravan_model::Effect;
use caravan_model::port::BoxFuture;
use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::*;
use tokio::net::UdpSocket;

/// An address that our rules call public and that nobody routes: the 6bone was given back in 2006.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1));
/// DNS over UDP: a header of 12 bytes, then the question.
const HEADER: usize = 12;

/// A name server that gives the next answer at each question, and the last one for ever.
async fn name_server(answers: Vec<Vec<IpAddr>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let nth = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let mut said = question[..length].to_vec();
            said[2..4].copy_from_slice(&[0x81, 0x80]); // An answer, without error.
            said[6..8].copy_from_slice(&(answers[nth].len() as u16).to_be_bytes());
            for address in &answers[nth] {
                let (kind, bytes) = match address {
                    IpAddr::V4(v4) => (1u16, v4.octets().to_vec()),
                    IpAddr::V6(v6) => (28, v6.octets().to_vec()),
                };
                said.extend([0xc0, HEADER as u8]); // The name of the question.
                said.extend(kind.to_be_bytes());
                said.extend([0, 1, 0, 0, 0, 0]); // Of the Internet; it lives for no second.
                said.extend((bytes.len() as u16).to_be_bytes());
                said.extend(bytes);
            }
            let _ = socket.send_to(&said, from).await;
        }
    });
    (address, asked)
}

/// Asks that name server, and believes all that it says.
#[derive(Debug)]
struct Asking(SocketAddr);

impl NameService for Asking {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in host.split('.') {
                question.push(label.len() as u8);
                question.extend(label.as_bytes());
            }
            question.extend([0, 0, 255, 0, 1]); // The root; any kind; of the Internet.
            socket.send_to(&question, self.0).await?;
            let mut said = [0; 512];
            let length = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut said)).await??;
            let mut rest = &said[question.len()..length];
            let mut found = Vec::new();
            while rest.len() > HEADER {
                let size = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
                let bytes = &rest[HEADER..HEADER + size];
                let address = match size {
                    4 => IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap()),
                    _ => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()),
                };
                found.push(SocketAddr::new(address, 443));
                rest = &rest[HEADER + size..];
            }
            Ok(found)
        })
    }
}

fn partner(server: SocketAddr) -> BoundConnector {
    let trust = Trust::default().with_name_service(Arc::new(Asking(server)));
    let connect_timeout = Duration::from_millis(300);
    let sandbox = Sandbox::new(SandboxOptions { trust, connect_timeout, ..SandboxOptions::default() }).unwrap();
    let component = sandbox.load(&guest("meta")).unwrap();
    let binding = binding(&component, Reach::Partner);
    BoundConnector::new(component, binding).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_bound_anew_to_a_private_address_is_refused_at_that_dial() {
    let private = [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "100.64.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "fd00:ec2::254",
        "fe80::1",
    ]
    .map(|text| vec![text.parse::<IpAddr>().unwrap()]);
    let answers: Vec<Vec<IpAddr>> =
        std::iter::once(vec![NOWHERE]).chain(private).chain([vec![NOWHERE, "127.0.0.1".parse().unwrap()]]).collect();
    let dials = answers.len();
    let (server, asked) = name_server(answers).await;
    let connector = partner(server);
    // The first answer is public: it is dialled, and nobody is there.
    let outcome = sync(&connector, 2).await;
    let (class, words) = fault(&outcome);
    assert!(class == "unavailable" && !words.contains("CV060"), "{class} {words}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one question for one dial: what was checked is what is dialled");
    for dial in 2..=dials {
        let outcome = sync(&connector, 2).await;
        let (class, words) = fault(&outcome);
        assert!(class == "stopped" && words.contains("CV060") && words.contains("not public"), "{dial}: {words}");
        assert_eq!((outcome.effect, report(&outcome).settled.len()), (Effect::None, 0), "{dial}");
        assert_eq!(asked.load(Ordering::SeqCst), dial, "what an earlier dial was told is not believed again");
    }
}
