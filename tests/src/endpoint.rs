//! A service of the customer's that webhook steps call: a thread over a plain listener that answers as told and keeps
//! what it got.
use crate::sinks::listen;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    /// Method and path.
    pub line: String,
    /// Headers by their lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The document.
    pub body: Value,
}

impl Got {
    /// Its `Idempotency-Key`.
    pub fn key(&self) -> &str {
        self.headers.get("idempotency-key").map_or("", String::as_str)
    }
}

/// Status and further header lines, by the request and how often its key was heard before.
type Answers = dyn Fn(&Got, usize) -> (u16, String) + Send + Sync;

/// The service.
pub struct EndpointServer {
    /// `http://HOST:PORT`
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl EndpointServer {
    /// Starts one.
    pub fn start(answers: impl Fn(&Got, usize) -> (u16, String) + Send + Sync + 'static) -> EndpointServer {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (kept, answers): (_, Arc<Answers>) = (got.clone(), Arc::new(answers));
        let address = listen(move |stream| answer(stream, &kept, &*answers));
        EndpointServer { url: format!("http://{address}"), got }
    }

    /// Everything that arrived, in order.
    ///
    /// # Panics
    /// A thread of the service panicked.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().expect("requests").clone()
    }

    /// What arrived by key.
    pub fn by_key(&self) -> BTreeMap<String, Vec<Got>> {
        let mut keys: BTreeMap<String, Vec<Got>> = BTreeMap::new();
        for got in self.got() {
            keys.entry(got.key().to_owned()).or_default().push(got);
        }
        keys
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<Got>>, answers: &Answers) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    loop {
        let mut next = String::new();
        reader.read_line(&mut next)?;
        let next = next.trim_end();
        if next.is_empty() {
            break;
        }
        match next.split_once(": ") {
            Some((name, value)) if !line.is_empty() => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            _ => line = next.trim_end_matches(" HTTP/1.1").to_owned(),
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let got = Got { line, headers, body: serde_json::from_slice(&body)? };
    let before = {
        let mut kept = kept.lock().expect("requests");
        let before = kept.iter().filter(|other| other.key() == got.key()).count();
        kept.push(got.clone());
        before
    };
    let (status, more) = answers(&got, before);
    stream.write_all(
        format!("HTTP/1.1 {status} As told\r\nconnection: close\r\n{more}content-length: 2\r\n\r\nok").as_bytes(),
    )
}
