//! The tools, resources and prompts that the official MCP conformance suite calls, on Tomo's own transport, sign-in and limits.
//!
//! Prints one line of JSON, `{"url": …, "token": …}`, and serves until it is told to stop.

#![expect(deprecated, reason = "the older revision's logging, sampling and roots are part of what the suite asks for")]

mod catalog;
mod forms;
mod tools;

use std::{io::Write as _, net::SocketAddr};

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CompletionInfo,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tomo_daemon::{
    clock::Clock,
    config::{BackupsConfig, CatalogConfig, Config, HttpConfig, HubConfig, SocketConfig, SshConfig, VaultConfig},
    daemon::Daemon,
    mcp::{ServerHandler, Surface},
    services::HandlePerson as _,
};
use tomo_proto::{api::person::CreateToken, model::user::Scope};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        data: folder.path().join("data"),
        http: HttpConfig { listen: anywhere, allowed_hosts: Vec::new(), allowed_origins: Vec::new() },
        hub: HubConfig { listen: anywhere, advertise: Vec::new() },
        socket: SocketConfig { path: folder.path().join("tomo.sock"), admin_uid: None, admin_group: String::new() },
        vault: VaultConfig::default(),
        catalog: CatalogConfig::default(),
        backups: BackupsConfig::default(),
        ssh: SshConfig::default(),
    };
    let clock = Clock::system();
    Daemon::init(&config.data, Some(("admin", "a long enough password")), &clock).await?;
    let forms = forms::Forms::new()?;
    let make = |_, _| Ok(move |_: Surface| Fixture { forms: forms.clone() });
    let daemon = Daemon::start_with(config, clock, make).await?;
    let admin = daemon.services().socket_caller(0, "root".to_owned());
    let request = CreateToken {
        name: "suite".to_owned(),
        scopes: [Scope::Read].into(),
        selectors: Default::default(),
        expires_in_days: None,
    };
    let token = daemon.services().handle_person(&admin, request).await.map_err(|error| error.error)?.secret;
    let line = json!({"url": format!("http://{}", daemon.http_addr()), "token": token.reveal()});
    writeln!(std::io::stdout(), "{line}")?;
    let [mut terminated, mut interrupted] = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    daemon.shutdown().await;
    Ok(())
}

/// Answers the suite.
struct Fixture {
    forms: forms::Forms,
}

/// Makes one of the protocol's types from the JSON that the suite wants to see.
fn typed<T: DeserializeOwned>(json: Value) -> Result<T, ErrorData> {
    serde_json::from_value(json).map_err(|problem| ErrorData::internal_error(problem.to_string(), None))
}

/// The same for a result: it says that it is complete, which an older client is not told.
fn complete<T: DeserializeOwned>(mut json: Value) -> Result<T, ErrorData> {
    json["resultType"] = "complete".into();
    typed(json)
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("mcp-fixture", "1"))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list().ok()?.into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()?))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.forms.call(&request, &context)? {
            Some(response) => Ok(response),
            None => tools::call(&request, &context).await,
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        catalog::resources()
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        catalog::templates()
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        catalog::read(&request.uri)
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        catalog::prompts()
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        match self.forms.prompt(&request)? {
            Some(response) => Ok(response),
            None => catalog::prompt(&request),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["paris", "park", "party", "test-value"].map(str::to_owned);
        let values = known.into_iter().filter(|value| value.starts_with(&request.argument.value)).collect();
        let completion = CompletionInfo::with_all_values(values);
        Ok(CompleteResult::new(completion.map_err(|problem| ErrorData::internal_error(problem, None))?))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
