//! Links that sign a member in once, as mails bring them.
use super::Acting;
use caravan_model::alert::{Channel, Message};
use caravan_model::{Code, Digest, Millis, Problem};
use caravan_store::Store;

/// The mail that brings a member a link's secret. `reached` is how people reach the host, where that is configured.
///
/// # Errors
/// The address cannot be mailed to.
pub fn link_mail(
    email: &str,
    workspace: &str,
    (link, until): (&str, Millis),
    reached: Option<&str>,
) -> Result<(Channel, Message), Problem> {
    let channel = format!("mailto:{email}")
        .parse::<Channel>()
        .map_err(|_| Problem::new(Code::BadValue, "this is no address that mails reach").at_path("email"))?;
    let whereto = match reached {
        Some(url) => format!("to {}/api/sessions", url.trim_end_matches('/')),
        None => "to /api/sessions of the host".to_owned(),
    };
    let until = caravan_journey::document::end_in_words(until);
    let body = format!(
        "This signs you in to the workspace {workspace} once, until {until}:\n\n  {link}\n\nSend it {whereto}, as \
         {{\"link\": \"…\", \"workspace\": \"{workspace}\"}}.\n\nWhoever has it signs in as you. If you did not ask for it, \
         leave it: it ends by itself.\n"
    );
    // The same secret is the same mail; its digest tells nothing of it.
    let id = format!("link-{}", Digest::of(link.as_bytes()));
    Ok((channel, Message::Mail { id, subject: format!("Caravan: sign in to {workspace}"), body }))
}

impl<S: Store> Acting<'_, S> {
    /// Makes a link into a workspace and mails it to its member.
    ///
    /// # Errors
    /// There is no such member, no mail server is configured, the mail does not leave, or what the store says.
    pub async fn mail_link(&self, email: &str, workspace: &str, link: &str, until: Millis) -> crate::Result<()> {
        let alerts = &self.runner().options.alerts;
        let messenger = alerts.messenger.as_ref().filter(|messenger| messenger.mails()).ok_or_else(no_mail)?;
        let reached = alerts.policy.public_url.as_deref();
        let (channel, message) = link_mail(email, workspace, (link, until), reached)?;
        self.make_link(email, link, until).await?;
        messenger.send(&channel, &message).await.map_err(|error| {
            let problem = Problem::new(Code::Untold, format!("the mail did not leave: {error}"));
            problem.cure("try again, or look at the mail server of the configuration").into()
        })
    }
}

/// Nobody can be mailed from here.
pub fn no_mail() -> Problem {
    Problem::new(Code::Untold, "no mail server is configured")
        .cure("write `[mail]` into caravan.toml, or set CARAVAN_SMTP_URL and CARAVAN_MAIL_FROM")
}
