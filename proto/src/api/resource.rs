//! MCP resources: addresses that can be read and, most of them, watched for changes.

/// One kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Address, with the parts in braces to be filled in.
    pub uri: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Type of its content.
    pub mime_type: &'static str,
    /// Whether notices tell when it changes.
    pub watched: bool,
}

/// JSON, as the tool of the same thing answers it.
pub const JSON: &str = "application/json";
/// Markdown, for people and models.
pub const MARKDOWN: &str = "text/markdown";
/// Lines of text, untrusted.
pub const PLAIN: &str = "text/plain";

const fn resource(uri: &'static str, title: &'static str, mime_type: &'static str, watched: bool) -> Resource {
    Resource { uri, title, mime_type, watched }
}

/// Every kind there is.
pub const RESOURCES: [Resource; 9] = [
    resource("tomo://help", "How to use Tomo over MCP", MARKDOWN, false),
    resource("tomo://overview", "The fleet", JSON, true),
    resource("tomo://servers/{server}", "A server", JSON, true),
    resource("tomo://apps/{app}", "An app", JSON, true),
    resource("tomo://apps/{app}/logs", "An app's newest log lines", PLAIN, true),
    resource("tomo://operations/{operation}", "An operation", JSON, true),
    resource("tomo://operations/{operation}/log", "An operation's log", PLAIN, true),
    resource("tomo://plans/{plan}", "A plan", JSON, true),
    resource("tomo://audit/{id}", "A row of the audit trail", JSON, false),
];
