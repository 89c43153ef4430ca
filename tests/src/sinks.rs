//! Where notices arrive in a test: a mail server and a web server on this machine, each a thread over a plain listener.
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What arrived, in order.
type Kept<T> = Arc<Mutex<Vec<T>>>;

/// Serves each connection on a thread of its own, for as long as the process lives; gives the address.
pub(crate) fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            // A peer that leaves early is no news.
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A mail server that takes every mail.
pub struct MailServer {
    /// `HOST:PORT`
    pub address: String,
    mails: Kept<String>,
}

impl MailServer {
    /// Starts one.
    pub fn start() -> MailServer {
        let mails = Kept::default();
        let kept = mails.clone();
        MailServer { address: listen(move |stream| take_mails(stream, &kept)), mails }
    }

    /// Mails since the last call, heads and all; lines of a quoted-printable body are put together again.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.mails.lock().expect("mails"))
    }
}

fn take_mails(mut stream: TcpStream, kept: &Kept<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 test ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-test\r\n250 8BITMIME",
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                kept.lock().expect("mails").push(mail.replace("=\n", "").replace("\n ", " "));
                "250 kept"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

/// A web server that takes every JSON document.
pub struct WebSink {
    /// `http://HOST:PORT`
    pub url: String,
    documents: Kept<(String, Value)>,
}

impl WebSink {
    /// Starts one.
    pub fn start() -> WebSink {
        let documents = Kept::default();
        let kept = documents.clone();
        let address = listen(move |stream| take_document(stream, &kept));
        WebSink { url: format!("http://{address}"), documents }
    }

    /// Documents since the last call that were posted to a path.
    pub fn take(&self, path: &str) -> Vec<Value> {
        let mut all = self.documents.lock().expect("documents");
        let (mine, others) = std::mem::take(&mut *all).into_iter().partition(|(to, _)| to == path);
        *all = others;
        let mine: Vec<(String, Value)> = mine;
        mine.into_iter().map(|(_, document)| document).collect()
    }
}

fn take_document(mut stream: TcpStream, kept: &Kept<(String, Value)>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    kept.lock().expect("documents").push((path, serde_json::from_slice(&body)?));
    stream.write_all(b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
}
