//! A loopback address to which a partner sends the browser back (RFC 8252).
use caravan_model::port::Secret;
use caravan_model::{Code, Problem};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where it listens.
const PATH: &str = "/oauth/callback";
/// The longest head of a request.
const HEAD: usize = 16 << 10;
/// How long a browser may take to say what it wants.
const SLOW: Duration = Duration::from_secs(10);

/// The address, listening.
pub struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens on this machine alone.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn listen(port: u16) -> Result<Callback, Problem> {
        let cannot = |error: std::io::Error| {
            Problem::new(Code::Usage, format!("cannot listen on 127.0.0.1:{port}: {error}")).cure("name another --port")
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        Ok(Callback { listener, port })
    }

    /// What the partner is told.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// The code of the first answer to our question. Others, and other paths, are told off.
    ///
    /// # Errors
    /// The person said no.
    pub async fn code(&self, read: impl Fn(&str) -> Result<Secret, Problem>) -> Result<Secret, Problem> {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else { continue };
            let asked = tokio::time::timeout(SLOW, head(&mut stream)).await.ok().flatten();
            let Some((path, query)) = asked.as_deref().map(|target| target.split_once('?').unwrap_or((target, "")))
            else {
                continue;
            };
            if path != PATH {
                answer(&mut stream, "404 Not Found", "nothing is here").await;
                continue;
            }
            match read(query) {
                Ok(code) => {
                    answer(&mut stream, "200 OK", "connected: this window can be closed").await;
                    return Ok(code);
                }
                // A stranger's answer ends nobody's question.
                Err(problem) if problem.message.contains("another question") => {
                    answer(&mut stream, "400 Bad Request", &problem.message).await;
                }
                Err(problem) => {
                    answer(&mut stream, "200 OK", &problem.message).await;
                    return Err(problem);
                }
            }
        }
    }
}

/// The target of a request, once its head is there.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 1_024];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let n = stream.read(&mut chunk).await.ok()?;
        if n == 0 || bytes.len() > HEAD {
            return None;
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
    let text = String::from_utf8(bytes).ok()?;
    let mut words = text.lines().next()?.split(' ');
    (words.next()? == "GET").then(|| words.next().map(str::to_owned)).flatten()
}

async fn answer(stream: &mut TcpStream, status: &str, words: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    // A browser that left already needs no answer.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
