//! Plain HTTP to a daemon, over TCP or its local socket, as whoever holds a bearer.

use std::{path::Path, sync::Arc, time::Instant};

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::Value;
use tomo_proto::{
    api::{
        Tool,
        operation::OperationGet,
        person::PersonRequest,
        plan::{PlanApply, PlanApprove},
    },
    error::ApiError,
    model::{operation::Operation, plan::Plan},
};

use crate::{
    eventually::PATIENCE,
    mcp::{Mcp, ToolResult},
};

/// A client of one daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: String,
    bearer: Option<String>,
}

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// What the daemon says.
    pub error: ApiError,
}

impl Http {
    /// A client over TCP, as nobody. TLS is trusted if it comes from the CA in this PEM file.
    ///
    /// # Panics
    /// It cannot be set up.
    #[must_use]
    pub fn tcp(url: &str, ca: &Path) -> Self {
        Self { client: set_up(ca, |builder| builder), base: url.to_owned(), bearer: None }
    }

    /// A client over the local socket, as the user that runs the test.
    ///
    /// # Panics
    /// It cannot be set up.
    #[must_use]
    pub fn socket(path: &Path, ca: &Path) -> Self {
        let client = set_up(ca, |builder| builder.unix_socket(path.to_owned()));
        Self { client, base: "http://localhost".to_owned(), bearer: None }
    }

    /// The same with a JWT or API token.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// The JWT or API token it sends.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    /// Begins any request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Begins a GET.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Begins a POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Sends what no tool may carry: logins, passwords, tokens, secrets.
    ///
    /// # Errors
    /// The daemon refuses.
    ///
    /// # Panics
    /// The daemon cannot be reached, or does not answer JSON.
    pub async fn person<R: PersonRequest>(&self, request: &R) -> Result<R::Answer, Refused> {
        let body = serde_json::to_value(request).expect("a request is JSON");
        let response = self.post(R::PATH, &body).send().await.expect("the daemon answers");
        let status = response.status();
        let body = response.text().await.expect("the answer comes");
        if status.is_success() {
            return Ok(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{}: {error}: {body}", R::PATH)));
        }
        let error = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{} {status}: {error}: {body}", R::PATH));
        Err(Refused { status, error })
    }

    /// Sends a person's request to a daemon that may end meanwhile.
    pub async fn raw_person<R: PersonRequest>(&self, request: &R) -> Option<u16> {
        let body = serde_json::to_value(request).expect("a request is JSON");
        Some(self.post(R::PATH, &body).send().await.ok()?.status().as_u16())
    }

    /// Calls a tool by its contract, on `/mcp/full` in the modern era. A rate limit is waited out for as long as the answer says.
    ///
    /// # Errors
    /// The tool refuses.
    ///
    /// # Panics
    /// The daemon cannot be reached, or refuses the request itself.
    pub async fn call<T: Tool>(&self, request: &T) -> Result<T::Answer, ApiError> {
        let arguments = serde_json::to_value(request).expect("arguments are JSON");
        let result = self.call_by_name(T::NAME, arguments).await;
        match result.error {
            Some(error) => Err(error),
            None => {
                Ok(serde_json::from_value(result.structured).unwrap_or_else(|error| panic!("{}: {error}", T::NAME)))
            }
        }
    }

    /// Calls a tool by name with any arguments, on `/mcp/full` in the modern era. A rate limit is waited out.
    ///
    /// # Panics
    /// The daemon cannot be reached, or refuses the request itself.
    pub async fn call_by_name(&self, name: &str, arguments: Value) -> ToolResult {
        let begun = Instant::now();
        loop {
            let result = self.mcp("/mcp/full").call(name, arguments.clone()).await;
            match result.retry_after() {
                Some(pause) if begun.elapsed() < PATIENCE => tokio::time::sleep(pause).await,
                _ => return result,
            }
        }
    }

    /// Agrees to a plan and carries it out, as a person who may do both, and waits for the end.
    ///
    /// # Errors
    /// The daemon refuses, or what was planned cannot be begun.
    pub async fn carry_out(&self, plan: Plan) -> Result<Operation, ApiError> {
        let operation = self.begin(plan).await?;
        self.wait_for(operation).await
    }

    /// Agrees to a plan and applies it, without waiting for the end.
    ///
    /// # Errors
    /// The daemon refuses, or what was planned cannot be begun.
    pub async fn begin(&self, plan: Plan) -> Result<Operation, ApiError> {
        let name = Some(plan.target.clone());
        self.call(&PlanApprove { plan: plan.plan.to_string(), hash: plan.hash, name }).await?;
        self.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await
    }

    /// Waits for an operation's end.
    ///
    /// # Errors
    /// The daemon refuses.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn wait_for(&self, mut operation: Operation) -> Result<Operation, ApiError> {
        let begun = Instant::now();
        while !operation.status.is_final() {
            assert!(begun.elapsed() < 4 * PATIENCE, "it does not end: {operation:?}");
            let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(10) };
            operation = self.call(&request).await?;
        }
        Ok(operation)
    }

    /// MCP in the modern (2026-07-28) era on a path.
    #[must_use]
    pub fn mcp(&self, path: &str) -> Mcp {
        Mcp::modern(self.clone(), path)
    }

    /// MCP in the legacy (2025-11-25) era on a path: initialized, with a session.
    pub async fn legacy_mcp(&self, path: &str) -> Mcp {
        Mcp::legacy(self.clone(), path, &serde_json::json!({})).await
    }
}

fn set_up(ca: &Path, finish: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).expect("the CA's file can be read") {
        roots.add(certificate.expect("the CA's file is PEM")).expect("the CA's certificate is one");
    }
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.expect("the provider has TLS 1.3").with_root_certificates(roots).with_no_client_auth();
    let builder = Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(PATIENCE);
    finish(builder).build().expect("a client can be set up")
}
