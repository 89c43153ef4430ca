//! Notices really leave: to a mail server and to webhooks on this machine, and to nowhere else.
use bytes::Bytes;
use caravan_connectors::{LocalMessenger, MessengerSettings};
use caravan_model::Channel;
use caravan_model::alert::{Message, Messenger as _, SendError};
use caravan_model::port::Secret;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a webhook sink got: path, content type, document.
type Got = (String, String, Value);

/// Answers every request with this status and these headers, and keeps what it got.
async fn sink(status: u16, headers: &'static [(&'static str, &'static str)]) -> (SocketAddr, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let bytes = body.collect().await.unwrap().to_bytes();
                    let kind = head.headers["content-type"].to_str().unwrap().to_owned();
                    tell.send((head.uri.path().to_owned(), kind, serde_json::from_slice(&bytes).unwrap()))
                        .await
                        .unwrap();
                    let mut answer = Response::builder().status(status);
                    for (name, value) in headers {
                        answer = answer.header(*name, *value);
                    }
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::from_static(b"ok"))).unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, told)
}

/// Speaks just enough SMTP; answers `RCPT` with `rcpt`. Gives what it was told, line by line, per connection.
async fn mail_server(rcpt: &'static str) -> (SocketAddr, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move { tell.send(talk(stream, rcpt).await).await.unwrap() });
        }
    });
    (address, told)
}

async fn talk(stream: TcpStream, rcpt: &str) -> Vec<String> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut all, mut in_data) = (Vec::new(), false);
    write.write_all(b"220 test ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match (in_data, verb.as_str()) {
            (true, _) if line == "." => {
                in_data = false;
                "250 kept"
            }
            (true, _) => "",
            (_, "EHLO") => "250-test\r\n250 8BITMIME",
            (_, "RCPT") => rcpt,
            (_, "DATA") => {
                in_data = true;
                "354 go on"
            }
            (_, "QUIT") => "221 bye",
            _ => "250 ok",
        };
        all.push(line);
        if !answer.is_empty() && write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            break;
        }
    }
    all
}

fn near() -> MessengerSettings {
    MessengerSettings { allow_loopback: true, ..MessengerSettings::default() }
}

fn mailer(server: SocketAddr) -> LocalMessenger {
    let settings = MessengerSettings {
        smtp: Some(Secret::new(format!("smtp://{server}"))),
        mail_from: Some("Caravan <alerts@acme.example>".to_owned()),
        ..MessengerSettings::default()
    };
    LocalMessenger::new(settings).unwrap()
}

fn kept_in_file(folder: &tempfile::TempDir, name: &str, value: &str) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, format!("{value}\n")).unwrap();
    file.display().to_string()
}

async fn post(messenger: &LocalMessenger, channel: &str, document: Value) -> Result<(), SendError> {
    let channel: Channel = channel.parse().unwrap();
    messenger.send(&channel, &Message::Posts(vec![document])).await
}

fn mail() -> Message {
    Message::Mail {
        id: "ops-1-1".into(),
        subject: "caravan: [critical] queue Größe is held".into(),
        body: "new, critical: queue Größe is held\n.\nend\n".into(),
    }
}

#[tokio::test]
async fn a_mail_arrives_with_sender_id_subject_and_text() {
    let (server, mut told) = mail_server("250 ok").await;
    let messenger = mailer(server);
    messenger.send(&"mailto:ops@acme.example".parse().unwrap(), &mail()).await.unwrap();
    drop(messenger);
    let lines = told.recv().await.unwrap();
    let has = |wanted: &str| lines.iter().any(|line| line == wanted);
    assert!(has("EHLO acme.example") && has("DATA"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("MAIL FROM:<alerts@acme.example>")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("RCPT TO:<ops@acme.example>")), "{lines:?}");
    assert!(has("Message-ID: <ops-1-1@acme.example>") && has("Auto-Submitted: auto-generated"), "{lines:?}");
    let subject = lines.iter().find(|line| line.starts_with("Subject: ")).unwrap();
    assert!(subject.is_ascii() && subject.contains("caravan: [critical] queue"), "{subject}");
    // A line with only a dot does not end the mail.
    assert!(has("end") && !lines.iter().any(|line| line.contains("Bcc")), "{lines:?}");
}

#[tokio::test]
async fn a_mail_server_that_refuses_for_good_is_not_asked_again_and_its_words_are_kept_out() {
    let to = "mailto:ops@acme.example".parse().unwrap();
    let (server, _told) = mail_server("550 ops@acme.example is unknown").await;
    let wrong = mailer(server).send(&to, &mail()).await.unwrap_err();
    assert_eq!((wrong.again, wrong.words.contains("ops@")), (false, false), "{wrong}");
    assert!(wrong.words.contains("550"), "{wrong}");
    let (server, _told) = mail_server("451 later").await;
    assert!(mailer(server).send(&to, &mail()).await.unwrap_err().again);
    let none = LocalMessenger::new(MessengerSettings::default()).unwrap();
    assert!(none.send(&to, &mail()).await.unwrap_err().words.contains("CARAVAN_SMTP_URL"));
}

#[tokio::test]
async fn slack_gets_json_at_the_secret_url() {
    let (server, mut got) = sink(200, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let url = kept_in_file(&folder, "hook", &format!("http://{server}/services/T0/B0/hunter2"));
    let messenger = LocalMessenger::new(near()).unwrap();
    let document = json!({"text": "hello", "blocks": []});
    post(&messenger, &format!("slack:file:{url}"), document.clone()).await.unwrap();
    let (path, kind, body) = got.recv().await.unwrap();
    assert_eq!((path.as_str(), kind.as_str()), ("/services/T0/B0/hunter2", "application/json"));
    assert_eq!(body, document);
    let missing = post(&messenger, "slack:env:CARAVAN_TEST_NEVER_SET", json!({})).await.unwrap_err();
    assert!(missing.again && missing.words.contains("CARAVAN_TEST_NEVER_SET"), "{missing}");
}

#[tokio::test]
async fn pagerduty_gets_every_event_with_its_routing_key() {
    let (server, mut got) = sink(202, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let key = kept_in_file(&folder, "key", "R0UT1NG");
    let channel = format!("pagerduty:file:{key};url=http://{server}/v2/enqueue").parse().unwrap();
    let events =
        [json!({"event_action": "trigger", "dedup_key": "a"}), json!({"event_action": "resolve", "dedup_key": "b"})];
    let messenger = LocalMessenger::new(near()).unwrap();
    messenger.send(&channel, &Message::Posts(events.to_vec())).await.unwrap();
    for event in events {
        let (path, _, body) = got.recv().await.unwrap();
        assert_eq!(path, "/v2/enqueue");
        assert_eq!((&body["routing_key"], &body["dedup_key"]), (&json!("R0UT1NG"), &event["dedup_key"]));
    }
}

#[tokio::test]
async fn a_private_address_is_never_dialled() {
    let (server, mut got) = sink(200, &[]).await;
    let messenger = LocalMessenger::new(MessengerSettings::default()).unwrap();
    // This machine by its address, by plain HTTP and by a name that resolves to it.
    for url in
        [format!("https://{server}/x"), format!("http://{server}/x"), format!("https://localhost:{}/x", server.port())]
    {
        let wrong = post(&messenger, &url, json!({})).await.unwrap_err();
        assert!(!wrong.again && !wrong.words.contains(&server.port().to_string()), "{wrong}");
    }
    // Development opens this machine only, and only by plain HTTP.
    let messenger = LocalMessenger::new(near()).unwrap();
    for url in ["https://10.0.0.1/x".to_owned(), format!("https://localhost:{}/x", server.port())] {
        let wrong = post(&messenger, &url, json!({})).await.unwrap_err();
        assert!(wrong.words.contains("not public"), "{wrong}");
    }
    assert!(got.try_recv().is_err());
}

#[test]
fn what_is_missing_for_a_channel_is_said_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let key = kept_in_file(&folder, "key", "R0UT1NG");
    let hook = kept_in_file(&folder, "hook", "http://127.0.0.1:9/services/hunter2");
    let messenger = LocalMessenger::new(MessengerSettings::default()).unwrap();
    let ready = |messenger: &LocalMessenger, channel: String| messenger.ready(&channel.parse().unwrap());
    assert_eq!(ready(&messenger, format!("pagerduty:file:{key}")), Ok(()));
    for (channel, missing) in [
        ("mailto:ops@acme.example".to_owned(), "CARAVAN_SMTP_URL"),
        ("slack:env:CARAVAN_TEST_NEVER_SET".to_owned(), "CARAVAN_TEST_NEVER_SET"),
        (format!("webhook:file:{hook}"), "CARAVAN_ALLOW_LOOPBACK"),
    ] {
        let wrong = ready(&messenger, channel).unwrap_err().words;
        assert!(wrong.contains(missing) && !wrong.contains("hunter2"), "{wrong}");
    }
    let messenger = LocalMessenger::new(near()).unwrap();
    assert_eq!(ready(&messenger, format!("webhook:file:{hook}")), Ok(()));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (server, mut got) = sink(307, &[("location", "/elsewhere")]).await;
    let messenger = LocalMessenger::new(near()).unwrap();
    let wrong = post(&messenger, &format!("http://{server}/hook"), json!({})).await.unwrap_err();
    assert!(!wrong.again && wrong.words.contains("redirect"), "{wrong}");
    assert_eq!(got.recv().await.unwrap().0, "/hook");
    assert!(got.try_recv().is_err(), "nothing else was asked for");
}

#[tokio::test]
async fn a_busy_webhook_says_when_to_come_again() {
    let (server, _got) = sink(429, &[("retry-after", "30")]).await;
    let messenger = LocalMessenger::new(near()).unwrap();
    let wrong = post(&messenger, &format!("http://{server}/hook"), json!({})).await.unwrap_err();
    assert_eq!((wrong.again, wrong.after), (true, Some(caravan_model::Duration::SECOND.times(30))));
}

#[tokio::test]
async fn a_hanging_server_costs_no_more_than_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let hang = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let messenger = LocalMessenger::new(MessengerSettings { deadline: Duration::from_millis(200), ..near() }).unwrap();
    let url = format!("http://{server}/hook");
    let sending = post(&messenger, &url, json!({}));
    let wrong = tokio::time::timeout(Duration::from_secs(20), sending).await.expect("it ends").unwrap_err();
    assert!(wrong.again && wrong.words.contains("did not answer within"), "{wrong}");
    hang.abort();
}
