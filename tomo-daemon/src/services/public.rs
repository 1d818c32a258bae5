//! What may be said to people who are not signed in.

use std::fmt::Write as _;

use tomo_proto::model::{agent::AgentState, server::Server};

use crate::{
    services::{Services, error::ServiceError},
    store::StoreError,
};

/// The public status page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicStatus {
    /// What the owner called the page.
    pub title: String,
    /// The servers the owner chose to name, and whether each is up.
    pub servers: Vec<(String, bool)>,
}

impl Services {
    /// The status page's content, if it is switched on.
    ///
    /// # Errors
    /// The store failed.
    pub fn public_status(&self) -> Result<Option<PublicStatus>, ServiceError> {
        let settings = self.context.settings()?;
        if settings.status_page_title.is_empty() {
            return Ok(None);
        }
        let servers: Vec<Server> = self.context.store.read(|view| view.list::<Server>())?;
        let is_up = |name: &str| {
            let server = servers.iter().find(|server| server.name == name);
            server
                .and_then(|server| self.context.live.server(server.id))
                .is_some_and(|live| live.state == AgentState::Online)
        };
        let named = settings.status_page_servers.split(',').map(str::trim).filter(|name| !name.is_empty());
        let servers = named.map(|name| (name.to_owned(), is_up(name))).collect();
        Ok(Some(PublicStatus { title: settings.status_page_title, servers }))
    }

    /// Counts in Prometheus' text format.
    ///
    /// # Errors
    /// The store failed.
    pub fn public_figures(&self) -> Result<String, StoreError> {
        let servers: Vec<Server> = self.context.store.read(|view| view.list::<Server>())?;
        let online = self.context.live.servers().iter().filter(|(_, live)| live.state == AgentState::Online).count();
        let mut text = String::new();
        for (name, help, value) in [
            ("tomo_servers", "Servers that are managed.", servers.len()),
            ("tomo_agents_online", "Agents that are connected.", online),
            ("tomo_operations_running", "Operations under way.", self.context.operations.list().len()),
        ] {
            // Writing to a String cannot fail.
            _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        Ok(text)
    }
}
