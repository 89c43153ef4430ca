//! A running lab and a client for it.

use bytes::Bytes;
use caravan_lab::{Lab, LabOptions};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// A lab and a client.
pub struct Bench {
    pub lab: Lab,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer that came whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_else(|| panic!("no header {name}"))
    }

    /// The data of a good TikTok answer.
    pub fn data(&self) -> Value {
        let mut json = self.json();
        assert_eq!((self.status, &json["code"]), (200, &json!(0)), "{json}");
        json["data"].take()
    }

    /// TikTok's code and message; the HTTP status is always 200.
    pub fn code(&self) -> (u64, String) {
        let json = self.json();
        assert_eq!(self.status, 200, "{json}");
        let code = json["code"].as_u64().unwrap_or_else(|| panic!("no code: {json}"));
        (code, json["message"].as_str().unwrap_or_default().to_string())
    }

    /// Status, type, code and subcode of a Meta error.
    pub fn error(&self) -> (u16, String, u64, Option<u64>) {
        let json = self.json();
        let error = &json["error"];
        assert!(error["message"].is_string() && error["fbtrace_id"].is_string(), "{json}");
        let kind = error["type"].as_str().unwrap_or_default().to_string();
        (self.status, kind, error["code"].as_u64().unwrap_or_default(), error["error_subcode"].as_u64())
    }
}

impl Bench {
    pub async fn start() -> Bench {
        let lab = Lab::start(LabOptions::default()).await.unwrap_or_else(|error| panic!("{error}"));
        let bench = Bench { lab, client: Client::builder(TokioExecutor::new()).build_http() };
        // TikTok's ten calls a second would be in the way of tests of everything else.
        bench.control(Method::POST, "/_lab/quota", json!({"partner": "tiktok", "per_second": 1_000})).await;
        bench
    }

    /// Sends a request and says whether a whole answer came.
    pub async fn attempt(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Sends a request to `lab`, `meta` or `tiktok` with these headers.
    pub async fn send(
        &self,
        whom: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = self.request(whom, method, path, headers, body);
        self.attempt(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A request to `lab`, `meta` or `tiktok`.
    pub fn request(
        &self,
        whom: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let base = if whom == "lab" { self.lab.url() } else { &self.lab.partners()[whom] };
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(body.into())).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A JSON call to Meta with a good token.
    pub async fn meta(&self, method: Method, path: &str, body: Value) -> Answer {
        let path = format!("/v26.0{path}");
        self.send("meta", method, &path, &[("authorization", "Bearer good"), JSON], text(&body)).await
    }

    /// A JSON call to TikTok with a good token.
    pub async fn tiktok(&self, method: Method, path: &str, body: Value) -> Answer {
        let path = format!("/open_api/v1.3/{path}");
        self.send("tiktok", method, &path, &[("access-token", "good"), JSON], text(&body)).await
    }

    /// A JSON call to a partner that takes a bearer token, with a good one.
    pub async fn bearer(&self, whom: &str, method: Method, path: &str, body: Value) -> Answer {
        self.send(whom, method, path, &[("authorization", "Bearer good"), JSON], text(&body)).await
    }

    /// A form for a token endpoint.
    pub async fn form(&self, whom: &str, path: &str, basic: Option<&str>, form: &str) -> Answer {
        let media = ("content-type", "application/x-www-form-urlencoded");
        let headers: Vec<_> = basic.map(|basic| ("authorization", basic)).into_iter().chain([media]).collect();
        self.send(whom, Method::POST, path, &headers, form.to_string()).await
    }

    /// A JSON call to Google with a good token.
    pub async fn google(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send("google", method, path, &[("authorization", "Bearer good"), JSON], text(&body)).await
    }

    /// A JSON call to Marketo with a good token.
    pub async fn marketo(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send("marketo", method, path, &[("authorization", "Bearer good"), JSON], text(&body)).await
    }

    /// A static list of Marketo.
    pub async fn marketo_list(&self, name: &str) -> String {
        let path = format!("/rest/asset/v1/staticLists.json?folder=%7B%22id%22%3A13%7D&name={name}");
        let answer = self.marketo(Method::POST, &path, Value::Null).await;
        answer.json()["result"][0]["id"].as_u64().map(|id| id.to_string()).unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// A list of contact data in Google's account 1.
    pub async fn google_list(&self, name: &str) -> String {
        let body = json!({"displayName": name, "ingestedUserListInfo": {
            "uploadKeyTypes": ["CONTACT_ID"], "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"},
        }});
        let answer = self.google(Method::POST, "/v1/accountTypes/GOOGLE_ADS/accounts/1/userLists", body).await;
        answer.json()["id"].as_str().map(str::to_string).unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// A control call, which must succeed.
    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.send("lab", method, path, &[JSON], text(&body)).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// Sets a dial.
    pub async fn fault(&self, fault: Value) {
        self.control(Method::POST, "/_lab/faults", fault).await;
    }

    /// Takes all dials away.
    pub async fn mend(&self) {
        self.control(Method::DELETE, "/_lab/faults", Value::Null).await;
    }

    /// A Meta audience of act_1.
    pub async fn meta_audience(&self) -> String {
        let body = json!({"name": "A", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"});
        let answer = self.meta(Method::POST, "/act_1/customaudiences", body).await;
        answer.json()["id"].as_str().map(str::to_string).unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// A TikTok audience of advertiser 1.
    pub async fn tiktok_audience(&self) -> String {
        let body = json!({"advertiser_id": "1", "custom_audience_name": "A", "action": "create"});
        let data = self.tiktok(Method::POST, "segment/audience/", body).await.data();
        data["audience_id"].as_str().map(str::to_string).unwrap_or_else(|| panic!("{data}"))
    }

    /// What stands in an audience.
    pub async fn members(&self, audience: &str) -> Value {
        self.control(Method::GET, &format!("/_lab/audiences/{audience}/members"), Value::Null).await
    }
}

pub const JSON: (&str, &str) = ("content-type", "application/json");

fn text(body: &Value) -> String {
    if body.is_null() { String::new() } else { body.to_string() }
}

/// A digest-like value for a number.
pub fn hex(number: u64) -> String {
    format!("{number:064x}")
}
