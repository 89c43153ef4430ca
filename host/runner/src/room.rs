//! Whether a partner has room for audiences that are always made anew: looked at before the first of them is made, so that
//! nothing is left half made.
use crate::publish::{Wanted, partner_name};
use crate::runner::Runner;
use caravan_model::canvas::IfMissing;
use caravan_model::{Code, Problem};
use caravan_store::Store;
use std::collections::BTreeMap;

impl<S: Store> Runner<S> {
    /// Refuses a canvas whose new audiences the partner would not take: one of the same name is there, or the account would
    /// have more than the partner allows. Those that an earlier publishing began are not counted again.
    pub(crate) async fn have_room(&self, all: &[Wanted<'_>]) -> crate::Result<()> {
        let mut accounts: BTreeMap<(&str, &str), Vec<&Wanted<'_>>> = BTreeMap::new();
        for wanted in all.iter().filter(|wanted| wanted.spec.if_missing == IfMissing::New && wanted.spec.id.is_none()) {
            let begun = self.store.audience(&wanted.registered).await?;
            if begun.is_none_or(|known| known.account != wanted.account) {
                let account = (wanted.spec.connection.as_str(), wanted.account.as_str());
                accounts.entry(account).or_default().push(wanted);
            }
        }
        for ((_, account), new) in accounts {
            let Some(first) = new.first() else { continue };
            let there = self.listed(first, "").await?;
            for wanted in &new {
                let name = partner_name(wanted);
                if there.iter().any(|info| info.name == name) {
                    let words = format!("an audience `{name}` is there already in account {account}");
                    return Err(Problem::new(Code::AudienceMissing, words)
                        .at_path(format!("audiences.{}.name", wanted.name))
                        .cure("choose another name: this canvas only ever makes new audiences")
                        .into());
                }
            }
            let most = first.plug.connector.manifest().audience.per_account as usize;
            let title = &first.plug.connector.manifest().title;
            if most > 0 && there.len() + new.len() > most {
                let words = format!(
                    "account {account} has {} audiences; {} more are beyond the {most} that {title} allows",
                    there.len(),
                    new.len()
                );
                return Err(Problem::new(Code::AudienceMissing, words)
                    .at_path(format!("audiences.{}", first.name))
                    .cure("delete audiences there that nobody needs any more; nothing was made")
                    .into());
            }
        }
        Ok(())
    }
}
