//! A lab in a process of its own, and a few words of HTTP to its control address (loopback only).
use anyhow::{Context as _, Result, anyhow, bail};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running lab; ends with this value.
pub struct Lab {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

impl Lab {
    /// Starts `caravan lab` on free ports.
    pub fn start(binary: &Path, arguments: &[&str]) -> Result<Lab> {
        let mut child = Command::new(binary)
            .arg("lab")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the lab")?;
        let output = child.stdout.take().ok_or_else(|| anyhow!("the lab has no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let addresses: serde_json::Value =
            serde_json::from_str(&line).with_context(|| format!("the lab said {line:?} instead of its addresses"))?;
        let url = addresses["lab"].as_str().ok_or_else(|| anyhow!("the lab named no address"))?.to_owned();
        Ok(Lab { child, url })
    }

    /// Asks the control address.
    pub fn get(&self, path: &str) -> Result<serde_json::Value> {
        request(&self.url, "GET", path, None)
    }

    /// Tells the control address.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        request(&self.url, "POST", path, Some(body))
    }

    /// Deletes at the control address.
    pub fn delete(&self, path: &str) -> Result<serde_json::Value> {
        request(&self.url, "DELETE", path, None)
    }

    /// Ends it in good order, so that it keeps its state where it was asked to.
    pub fn stop(mut self) -> Result<()> {
        // SIGTERM by its id: the standard library only knows SIGKILL.
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if ended.is_ok_and(|status| status.success()) {
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Already gone after `stop`; nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(url: &str, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<serde_json::Value> {
    let host = url.strip_prefix("http://").ok_or_else(|| anyhow!("{url} is no http address"))?;
    let mut stream = TcpStream::connect(host).with_context(|| format!("the lab at {url} does not answer"))?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, rest) = answer.split_once("\r\n\r\n").ok_or_else(|| anyhow!("the lab answered without a body"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path} at the lab: {status} {rest}");
    }
    if rest.trim().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_str(rest).with_context(|| format!("{method} {path} at the lab answered no JSON"))
}
