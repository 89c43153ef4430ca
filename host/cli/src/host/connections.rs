//! Connections of a serving host: what is kept or switched by its API holds from the next call on.
use super::bench::Workbench;
use crate::connections::{self, ConnectionDesk};
use caravan_api::bench::{ConnectionView, Forgotten, Sealing};
use caravan_model::Connection;
use caravan_store::{LaneState, Store as _};

/// The reason of a queue whose account is switched off.
const OFF: &str = "account_off";

impl Workbench {
    fn connection_desk(&self, who: String) -> ConnectionDesk<'_> {
        ConnectionDesk { runner: self.runner(), who, file: self.connections_file() }
    }

    pub(super) async fn all_connections(&self) -> anyhow::Result<Vec<ConnectionView>> {
        connections::all(self.runner().store(), self.connections_file()).await
    }

    pub(super) async fn one_connection(&self, name: &str) -> anyhow::Result<ConnectionView> {
        connections::one(self.runner().store(), self.connections_file(), name).await
    }

    pub(super) async fn keep(
        &self,
        who: String,
        name: String,
        connection: Connection,
        is_new: bool,
    ) -> anyhow::Result<ConnectionView> {
        self.connection_desk(who).keep(&name, connection, is_new).await?;
        self.bind_anew(&name).await?;
        self.one_connection(&name).await
    }

    /// Forgets a connection, and what is sealed for it, at the partner too where it has a way.
    pub(super) async fn forget(&self, who: String, name: String) -> anyhow::Result<Forgotten> {
        let desk = self.connection_desk(who.clone());
        desk.may_forget(&name).await?;
        if self.one_connection(&name).await?.sealed.is_some() {
            self.sealing(who, Sealing::Disconnect { connection: name.clone() }).await?;
        }
        let audiences = desk.forget(&name).await?;
        self.host().let_go(&name);
        self.runner().refresh();
        Ok(Forgotten { connection: name, audiences })
    }

    pub(super) async fn switch(
        &self,
        who: String,
        name: String,
        account: String,
        on: bool,
    ) -> anyhow::Result<ConnectionView> {
        let id = self.connection_desk(who).switch(&name, &account, on).await?;
        self.bind_anew(&name).await?;
        if on {
            for lane in self.runner().store().lanes().await? {
                let held = matches!(&lane.state, LaneState::Held { reason, .. } if reason.code == OFF);
                if held && lane.connection == name && lane.key.account == id {
                    self.runner().resume(&lane.key).await?;
                }
            }
        }
        self.one_connection(&name).await
    }

    /// One that this host uses is bound as it is now.
    async fn bind_anew(&self, name: &str) -> anyhow::Result<()> {
        if self.host().names().contains(name) {
            self.bind(name.to_owned()).await?;
        }
        Ok(())
    }
}
