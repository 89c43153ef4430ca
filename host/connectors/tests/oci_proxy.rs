//! A registry in another network: reached by TLS through the network's proxy, which is asked for it by its name.
mod support;

use base64::Engine as _;
use caravan_connectors::oci::{OciLogin, Visit, pull, push};
use caravan_connectors::{OciReference, Proxy, Trust};
use caravan_model::port::Secret;
use caravan_model::{Code, Digest};
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::guest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NAME: &str = "registry.corp.example";
/// `lea` with the password `pass-word`, as htpasswd writes it (bcrypt).
const USERS: &str = "lea:$2b$05$abcdefghijklmnopqrstuulQElbHkP7vjLqXxb3Lzm18cJsfRyGH6\n";

/// Debian's registry, by TLS with a certificate for [`NAME`], behind a password.
struct Registry {
    child: Child,
    port: u16,
    certificate: Vec<u8>,
}

impl Registry {
    fn start(folder: &Path) -> Registry {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        let pem = |what: &str, der: &[u8]| {
            let base64 = base64::engine::general_purpose::STANDARD.encode(der);
            let lines: Vec<&str> =
                base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
        };
        std::fs::write(at("key.pem"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        std::fs::write(at("certificate.pem"), pem("CERTIFICATE", certificate.der())).unwrap();
        std::fs::write(at("users"), USERS).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:{port}\n  \
             tls: {{ certificate: {}, key: {} }}\nauth:\n  htpasswd: {{ realm: registry, path: {} }}\n",
            at("blobs"),
            at("certificate.pem"),
            at("key.pem"),
            at("users")
        );
        std::fs::write(at("registry.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.args(["serve", &at("registry.yml")]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("Debian's package docker-registry, which `cargo xtask test` installs");
        let by = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < by, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Registry { child, port, certificate: certificate.der().to_vec() }
    }

    fn visit(&self, password: &str, proxy: Option<Proxy>) -> Visit {
        let login = OciLogin { user: "lea".into(), password: Secret::new(password) };
        Visit { login: Some(login), trust: Trust::default().with_root(self.certificate.clone()).with_proxy(proxy) }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A proxy that knows the registry's name, and gives no other tunnel; and what it was asked.
async fn proxy(port: u16) -> (Proxy, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://me:secret@{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let heard = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let known = head.starts_with(&format!("CONNECT {NAME}:{port} HTTP/1.1\r\n"));
                heard.lock().unwrap().push(head);
                if known {
                    let mut registry = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut registry).await;
                } else {
                    let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
                }
            });
        }
    });
    (address.parse().unwrap(), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_pushed_and_pulled_through_the_proxy_by_whom_the_registry_knows() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let (proxy, asked) = proxy(registry.port).await;
    let reference: OciReference = format!("oci://{NAME}:{}/acme/ads:1.0", registry.port).parse().unwrap();
    let bytes = guest("meta");
    let through = |password: &str| registry.visit(password, Some(proxy.clone()));
    push(&reference, &through("pass-word"), bytes.clone(), "2026-11-12T09:00:00Z").await.unwrap();
    let pulled = pull(&reference, &through("pass-word")).await.unwrap();
    assert_eq!(Digest::of(&pulled.bytes), Digest::of(&bytes));
    let heard = asked.lock().unwrap().clone();
    assert!(!heard.is_empty());
    for head in &heard {
        // The proxy's own password, and nothing of what is said to the registry.
        assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0"), "{head}");
        assert!(!head.contains("acme") && head.matches("uthorization").count() == 1, "{head}");
    }
    let refused = pull(&reference, &through("wrong")).await.unwrap_err();
    assert!(refused.code == Code::Registry && refused.message.contains("does not let you in"), "{refused}");
    assert!(!refused.to_string().contains("wrong"));
    // Without the proxy nobody knows the name.
    let lost = pull(&reference, &registry.visit("pass-word", None)).await.unwrap_err();
    assert!(lost.code == Code::Registry && lost.message.contains("cannot be reached"), "{lost}");
}
