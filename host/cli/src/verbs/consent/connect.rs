//! `caravan connection connect`: a person consents in a browser, and the code comes back to this machine.
use super::callback::Callback;
use super::{Subject, no_app, ordered};
use crate::args::{ConnectArgs, Global};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::host::safe;
use crate::out;
use crate::verbs::connection::allowed;
use caravan_connectors::{Begun, ConsentDesk};
use caravan_model::port::Secret;
use caravan_model::{Code, Problem};
use caravan_runner::policy_of;
use serde_json::json;
use std::time::Duration;

/// How long a question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// Connects.
pub async fn connect(global: &Global, args: &ConnectArgs) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let subject = Subject::of(hands, &args.of).await?;
        subject.without_app()?;
        allowed(&policy_of(hands.store()).await?, &subject.name, subject.component.manifest())?;
        let title = &subject.component.manifest().title;
        let desk = subject.desk()?.ok_or_else(|| {
            Problem::new(Code::NoConsent, format!("{title} asks no person for consent"))
                .cure("bring a token: `caravan connection token NAME --token-stdin`, or seal an app")
        })?;
        let safe = safe::of(hands.store());
        let app = safe.app(subject.connector()).await?.ok_or_else(|| no_app(subject.connector()))?;
        subject.may_replace(global, &safe, "a person's consent").await?;
        let (begun, code) = match &args.redirect {
            Some(redirect) => {
                let begun = desk.begin(&app, redirect)?;
                tell(global, &begun, "then paste the address that the browser ends at:")?;
                let line = tokio::task::spawn_blocking(|| {
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line).map(|_| line)
                });
                let line = line.await??;
                let query = line.trim().split_once('?').map_or("", |(_, query)| query);
                let code = desk.code(&begun, query.split('#').next().unwrap_or_default())?;
                (begun, code)
            }
            None => by_loopback(global, args, &desk, &app, title).await?,
        };
        let credential = desk.finish(&app, &begun, &code).await?;
        let missing: Vec<String> = credential.missing().into_iter().map(str::to_owned).collect();
        let details = json!({"kind": credential.kind(), "scopes": credential.granted, "missing": missing});
        let safe = ordered(hands, "connection.connect", &format!("connection {}", subject.name), details);
        safe.set_credential(&subject.name, Some(&credential)).await?;
        if global.json {
            out::print_json(
                &json!({"connected": subject.name, "scopes": credential.granted, "missing_scopes": missing,
                "ends": credential.ends, "refreshed": credential.refresh.is_some()}),
            )?;
        } else if missing.is_empty() {
            out::print(&format!("`{}` is connected; who waited goes on with the next delivery\n", subject.name))?;
        }
        if missing.is_empty() {
            return Ok(End::Done);
        }
        let words = format!("the consent lacks {}: nothing is sent until it is there", missing.join(", "));
        eprintln!("{}", Problem::new(Code::ScopeMissing, words).cure("connect again and leave all boxes ticked"));
        Ok(End::NeedsYou)
    })
    .await
}

fn tell(global: &Global, begun: &Begun, then: &str) -> anyhow::Result<()> {
    match global.json {
        true => out::print_json(&json!({"open": begun.url}))?,
        false => out::print(&format!("open this address in a browser, {then}\n{}\n", begun.url))?,
    }
    Ok(())
}

async fn by_loopback(
    global: &Global,
    args: &ConnectArgs,
    desk: &ConsentDesk,
    app: &caravan_model::port::App,
    title: &str,
) -> anyhow::Result<(Begun, Secret)> {
    if !desk.takes_loopback() {
        return Err(Problem::new(
            Code::NoConsent,
            format!("{title} sends no browser back to a program on this machine"),
        )
        .cure("name the address that is registered with the app: --redirect https://…")
        .into());
    }
    let callback = Callback::listen(args.port).await?;
    let begun = desk.begin(app, &callback.address())?;
    tell(global, &begun, "and consent there:")?;
    let code = tokio::time::timeout(PATIENCE, callback.code(|query| desk.code(&begun, query))).await;
    let late = || Problem::new(Code::ConsentRefused, "nobody consented within ten minutes").cure("ask again");
    Ok((begun.clone(), code.map_err(|_| late())??))
}
