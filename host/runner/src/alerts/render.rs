//! A notice in the form of each channel. Nothing secret is in it: the messenger adds URLs and keys.
use super::{AlertPolicy, Change, Incident, Line, Notice};
use caravan_model::Channel;
use caravan_model::alert::Message;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The longest subject of a mail and summary of an incident; more is cut.
const LONGEST_LINE: usize = 200;
/// Slack takes so many characters in a block.
const LONGEST_BLOCK: usize = 2_800;

/// The message of a notice for a channel.
pub fn render(notice: &Notice, channel: &Channel, policy: &AlertPolicy) -> Message {
    match channel {
        Channel::Mail { .. } => Message::Mail {
            id: notice.id.clone(),
            subject: format!("{}: {}", policy.source, cut(&notice.subject, LONGEST_LINE)),
            body: text(notice, policy),
        },
        Channel::Slack { .. } => Message::Posts(vec![slack(notice, policy)]),
        Channel::PagerDuty { .. } => {
            Message::Posts(notice.incidents.iter().map(|incident| event(incident, notice, policy)).collect())
        }
        Channel::Webhook { .. } => Message::Posts(vec![document(notice, policy)]),
    }
}

/// At most so many characters.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Plain text for a mail.
fn text(notice: &Notice, policy: &AlertPolicy) -> String {
    let mut body = String::new();
    // Writing to a string cannot fail.
    for line in &notice.lines {
        let _ = writeln!(body, "{}: {}", label(line), line.words);
        if let Some(cure) = &line.cure {
            let _ = writeln!(body, "  cure: {cure}");
        }
        if line.change != Change::Mended || line.link.is_some() {
            let _ = writeln!(body, "  see:  {}", line.link.as_deref().unwrap_or(&line.command));
        }
        body.push('\n');
    }
    for note in &notice.notes {
        let _ = writeln!(body, "{note}\n");
    }
    let _ = writeln!(body, "-- \n{}, subscription {}", policy.source, notice.subscription);
    body
}

/// `new, critical` or `mended`.
fn label(line: &Line) -> String {
    match line.change {
        Change::Mended => "mended".to_owned(),
        change => format!("{}, {}", change.word(), line.severity),
    }
}

/// Slack's three special characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The JSON of Slack's incoming webhooks: `text` for notifications and for whoever knows no blocks, `blocks` to read.
fn slack(notice: &Notice, policy: &AlertPolicy) -> Value {
    let section = |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let mut blocks = vec![section(format!("*{}*", cut(&escape(&notice.subject), LONGEST_BLOCK)))];
    blocks.extend(notice.lines.iter().map(|line| {
        let mut text = format!("*{}*: {}", label(line), escape(&line.words));
        if let Some(cure) = &line.cure {
            let _ = write!(text, "\n_cure_: {}", escape(cure));
        }
        let mut text = cut(&text, LONGEST_BLOCK);
        match &line.link {
            Some(link) => text.push_str(&format!("\n<{}|open the step>", escape(link))),
            None if line.change != Change::Mended => text.push_str(&format!("\n`{}`", escape(&line.command))),
            None => {}
        }
        section(text)
    }));
    let mut small: Vec<String> = notice.notes.iter().map(|note| escape(note)).collect();
    small.push(format!("{}, subscription {}", escape(&policy.source), notice.subscription));
    blocks.push(json!({"type": "context", "elements": [
        {"type": "mrkdwn", "text": cut(&small.join("\n"), LONGEST_BLOCK)}
    ]}));
    json!({"text": escape(&notice.subject), "blocks": blocks})
}

/// An event of PagerDuty, version 2, but for its routing key.
fn event(incident: &Incident, notice: &Notice, policy: &AlertPolicy) -> Value {
    if !incident.open {
        return json!({"event_action": "resolve", "dedup_key": incident.key});
    }
    let lines: Vec<Value> = notice
        .lines
        .iter()
        .filter(|line| line.kind == incident.kind && line.severity == incident.severity)
        .map(|line| json!({"change": line.change, "what": line.words, "cure": line.cure, "see": line.command}))
        .collect();
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": incident.key,
        "client": "Caravan",
        "payload": {
            "summary": cut(&incident.summary, LONGEST_LINE),
            "source": policy.source,
            "severity": incident.severity,
            "component": incident.component,
            "group": incident.group,
            "class": incident.kind,
            "custom_details": {"notice": notice.id, "lines": lines, "notes": notice.notes},
        },
    });
    if let Some(link) = &incident.link {
        event["client_url"] = json!(policy.public_url);
        event["links"] = json!([{"href": link, "text": "open the step"}]);
    }
    event
}

/// The JSON of our own: everything, in our words.
fn document(notice: &Notice, policy: &AlertPolicy) -> Value {
    json!({
        "format": 1,
        "id": notice.id,
        "source": policy.source,
        "subscription": notice.subscription,
        "severity": notice.severity,
        "recovery": notice.recovery,
        "subject": notice.subject,
        "lines": notice.lines,
        "notes": notice.notes,
        "link": notice.link,
        "made": notice.made,
    })
}
