//! A host that serves, and what is asked of it over HTTP.
use crate::{Lab, Place};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The write key that [`Served`] gives its host.
pub const KEY: &str = "k-0f2c";

/// A host that serves.
pub struct Served {
    /// Its process.
    pub child: Child,
    /// `http://ADDRESS`.
    pub url: String,
}

impl Served {
    /// Serves canvas.yaml from the store s.caravan, against a lab.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(place: &Place, lab: &Lab, listen: &str) -> Served {
        Served::of(place, lab, listen, &["canvas.yaml"])
    }

    /// The same with these canvases.
    ///
    /// # Panics
    /// It does not start.
    pub fn of(place: &Place, lab: &Lab, listen: &str, canvases: &[&str]) -> Served {
        Served::with(place, lab, listen, canvases, &[])
    }

    /// The same with further variables of its environment.
    ///
    /// # Panics
    /// It does not start.
    pub fn with(place: &Place, lab: &Lab, listen: &str, canvases: &[&str], variables: &[(&str, &str)]) -> Served {
        let arguments = ["--store", "s.caravan", "--lab", &lab.url, "--listen", listen, "--json"];
        let mut command = place.caravan([&["serve"], canvases, &arguments].concat());
        let variables = variables.iter().copied();
        Served::spawn(command.envs(variables).env("CARAVAN_WRITE_KEYS", KEY).stdout(Stdio::piped()))
    }

    /// Starts a command that serves and says where, as JSON.
    ///
    /// # Panics
    /// It does not start.
    pub fn spawn(command: &mut Command) -> Served {
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its address");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Served { url: said["listen"].as_str().expect("an address").to_owned(), child }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Status and whole text of an answer.
    ///
    /// # Panics
    /// It does not answer.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        ask(self.address(), method, path, headers, body)
    }

    /// Posts a body with the write key.
    pub fn send(&self, path: &str, body: &str) -> (u16, String) {
        // The key as basic authentication's user name: `k-0f2c:`.
        self.ask("POST", path, "authorization: Basic ay0wZjJjOg==\r\n", body)
    }

    /// The value of a metric whose line contains these words.
    pub fn metric(&self, words: &[&str]) -> Option<u64> {
        let (status, text) = self.ask("GET", "/metrics", "", "");
        assert_eq!(status, 200, "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let line = samples.into_iter().find(|line| words.iter().all(|word| line.contains(word)))?;
        line.rsplit(' ').next()?.trim().parse().ok()
    }

    /// Asks it to stop, and gives its exit code.
    ///
    /// # Panics
    /// It cannot be asked.
    pub fn term(mut self) -> Option<i32> {
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(ended.expect("kill").success());
        self.child.wait().expect("its end").code()
    }
}

/// Status and whole text of the answer of a host at an address.
///
/// # Panics
/// It does not answer.
pub fn ask(address: &str, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String) {
    let body = body.as_ref();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\
         content-length: {length}\r\n\r\n",
        address
    )
    .expect("a request");
    // A host that has read enough answers before it has read all.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    // One that has not read all may end the connection behind its answer.
    let read = stream.read_to_end(&mut answer);
    assert!(read.is_ok() || !answer.is_empty(), "{read:?}");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {answer}")), answer)
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already after `term`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
