//! A serving host over HTTP: requests with the caller's key, mistakes as the host says them.
use crate::fail::Problems;
use crate::https;
use bytes::Bytes;
use caravan_model::{Code, Problem};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// The variable that holds the key.
const KEY: &str = "CARAVAN_KEY";
/// How often a host is asked again that has no room, and after how long.
const PATIENCE: u32 = 300;
const PAUSE: Duration = Duration::from_secs(2);

/// A host that is spoken with.
pub struct Server {
    base: String,
    key: String,
    client: https::Client,
}

/// What is sent along.
pub enum Sent {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(Value),
    /// A document as people write it.
    Text(String),
    /// A component.
    Bytes(Vec<u8>),
}

impl Server {
    /// The host at an address. A key goes over plain HTTP to this machine alone.
    ///
    /// # Errors
    /// It is no address, another machine's over plain HTTP, or there is no key.
    pub fn at(url: &str) -> Result<Server, Problem> {
        let wrong = |words: String, cure: &str| Problem::new(Code::Usage, words).cure(cure);
        let base = url.trim().trim_end_matches('/').to_owned();
        let parsed: Uri =
            base.parse().map_err(|_| wrong(format!("`{base}` is no address of a host"), "write https://HOST"))?;
        let near = matches!(parsed.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        match parsed.scheme_str() {
            Some("https") => {}
            Some("http") if near => {}
            Some("http") => {
                let words = "a key would go to another machine unencrypted".to_owned();
                return Err(wrong(words, "name the host by https://, or tunnel to it"));
            }
            _ => return Err(wrong(format!("`{base}` is no address of a host"), "write https://HOST")),
        }
        let key = std::env::var(KEY).unwrap_or_default().trim().to_owned();
        if key.is_empty() {
            let cure = "set it to a key of the host: `caravan key add NAME --rights ROLE` makes one where the store is";
            return Err(wrong(format!("{KEY} holds no key"), cure));
        }
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong(format!("{KEY} holds something that is no key"), "keys begin with ck_"));
        }
        Ok(Server { base, key, client: https::client()? })
    }

    /// Asks, and gives the answer as JSON; a text answer is a JSON string, no answer is null.
    ///
    /// # Errors
    /// What the host says is wrong, or why it cannot be reached.
    pub async fn ask(&self, method: Method, path: &str, sent: Sent) -> anyhow::Result<Value> {
        self.once(method, path, sent).await?.1
    }

    /// The same, as often as the host has no room, for ten minutes.
    ///
    /// # Errors
    /// As [`Server::ask`].
    pub async fn ask_patiently(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        for _ in 0..PATIENCE {
            let (status, answer) = self.once(method.clone(), path, Sent::Json(body.clone())).await?;
            if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.ask(method, path, Sent::Json(body)).await
    }

    /// Asks for a file, and writes it to a new one that its owner alone can read; gives its size. Of what ends early nothing
    /// is left.
    ///
    /// # Errors
    /// As [`Server::ask`]; there is such a file, or it cannot be written.
    pub async fn fetch(&self, path: &str, to: &Path) -> anyhow::Result<u64> {
        let unwritable = |error: std::io::Error| {
            Problem::new(Code::UnreadableFile, format!("the file cannot be written: {error}"))
                .in_file(to.display().to_string())
                .cure("name a new file in a folder where you may write")
        };
        if to.exists() {
            return Err(unwritable(std::io::ErrorKind::AlreadyExists.into()).into());
        }
        let request = self.request(Method::GET, path).body(Full::new(Bytes::new()))?;
        let answer = self.client.request(request).await.map_err(|error| self.silent(&error))?;
        let status = answer.status();
        if !status.is_success() {
            let said = answer.into_body().collect().await.map_err(|error| self.silent(&error))?.to_bytes();
            return Err(wrong(status, &serde_json::from_slice(&said).unwrap_or_default()).into());
        }
        // Removed by itself unless it gets its name.
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        let (mut body, mut bytes) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|error| self.silent(&error))?.into_data() {
                draft.write_all(&data).map_err(unwritable)?;
                bytes += data.len() as u64;
            }
        }
        draft.as_file().sync_all().map_err(unwritable)?;
        draft.persist_noclobber(to).map_err(|error| unwritable(error.error))?;
        Ok(bytes)
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}/api{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
    }

    fn silent(&self, error: &dyn std::fmt::Display) -> Problem {
        Problem::new(Code::Unreached, format!("the host at {} does not answer: {error}", self.base))
            .cure("look whether it serves, and whether the address is right")
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
    ) -> anyhow::Result<(StatusCode, anyhow::Result<Value>)> {
        let (kind, body) = match sent {
            Sent::Nothing => (None, Bytes::new()),
            Sent::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
            Sent::Text(text) => (Some("application/yaml"), Bytes::from(text)),
            Sent::Bytes(bytes) => (Some("application/octet-stream"), Bytes::from(bytes)),
        };
        let mut request = self.request(method, path);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(body))?;
        let answer = self.client.request(request).await.map_err(|error| self.silent(&error))?;
        let status = answer.status();
        let is_json = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.contains("json"));
        let bytes = answer.into_body().collect().await.map_err(|error| self.silent(&error))?.to_bytes();
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            let value = match (bytes.is_empty(), is_json) {
                (true, _) => Value::Null,
                (false, true) => serde_json::from_slice(&bytes)?,
                (false, false) => Value::String(text()),
            };
            return Ok((status, Ok(value)));
        }
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok((status, Err(wrong(status, &said).into())))
    }
}

fn code(value: &Value) -> Code {
    value.as_str().and_then(|code| code.parse().ok()).unwrap_or(Code::Internal)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn line(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|line| u32::try_from(line).ok())
}

/// Several problems, where an answer lists some.
pub fn several(said: &Value) -> Option<Problems> {
    let one = |problem: &Value| Problem {
        code: code(&problem["code"]),
        message: text(&problem["message"]).unwrap_or_default(),
        file: text(&problem["file"]),
        line: line(&problem["line"]),
        path: text(&problem["path"]),
        cure: text(&problem["cure"]),
    };
    Some(Problems(said["problems"].as_array()?.iter().map(one).collect()))
}

/// What the host says is wrong.
fn wrong(status: StatusCode, said: &Value) -> Problems {
    if let Some(several) = several(said) {
        return several;
    }
    Problems(vec![Problem {
        code: code(&said["code"]),
        message: text(&said["detail"]).unwrap_or_else(|| format!("the host answers {status}")),
        file: None,
        line: line(&said["line"]),
        path: text(&said["place"]),
        cure: text(&said["cure"]),
    }])
}

/// One part of a path, as it stands in a URL.
pub fn part(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_stand_in_a_path_as_one_part() {
        assert_eq!(part("win-back/VIP ü"), "win-back%2FVIP%20%C3%BC");
        assert_eq!(part("a+b@example.com"), "a%2Bb%40example.com");
    }

    #[test]
    fn a_key_never_goes_to_another_machine_unencrypted() {
        let wrong = Server::at("http://caravan.acme.example").err().expect("refused");
        assert!(wrong.message.contains("unencrypted"), "{wrong}");
        assert!(Server::at("nonsense").is_err() && Server::at("ftp://127.0.0.1").is_err());
    }

    #[test]
    fn what_a_host_says_is_wrong_is_told_as_it_says_it() {
        let said = json!({"code": "CV093", "detail": "this needs the right `audit`", "cure": "ask", "place": null});
        let problems = wrong(StatusCode::FORBIDDEN, &said).0;
        assert_eq!((problems[0].code, problems[0].cure.as_deref()), (Code::NoRight, Some("ask")));
        let said = json!({"problems": [{"code": "CV010", "message": "no step", "path": "steps.a"}, {"code": "CV012"}]});
        assert_eq!(wrong(StatusCode::UNPROCESSABLE_ENTITY, &said).0.len(), 2);
        assert!(wrong(StatusCode::BAD_GATEWAY, &Value::Null).0[0].message.contains("502"));
    }
}
