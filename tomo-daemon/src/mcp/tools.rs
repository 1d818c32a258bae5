//! The tools: one entry for each contract, with what lists it and what carries it out.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use rmcp::model::{CallToolResult, ContentBlock, Tool as McpTool, ToolAnnotations};
use serde_json::Value;
use tomo_proto::{
    api::{Effect, Tool},
    error::ErrorCode,
    for_each_tool,
    text::display_line,
};

use crate::{
    mcp::{error, schema},
    services::{
        Handle, Services,
        access::{self, Caller},
        error::ServiceError,
    },
};

/// Most text of one result for a program; what is longer is refused with a hint.
const RESULT_BYTES: usize = 48 * 1024;
/// The dashboard reads whole fleets.
const PERSON_RESULT_BYTES: usize = 4 << 20;

/// Which tools a path offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `/mcp`: the core set.
    Core,
    /// `/mcp/readonly`: reads, whatever the token.
    ReadOnly,
    /// `/mcp/full`: everything.
    Full,
}

type Calling = Pin<Box<dyn Future<Output = CallToolResult> + Send>>;

pub(super) struct Entry {
    tool: McpTool,
    core: bool,
    effect: Effect,
    may: fn(&Caller) -> bool,
    pub(super) call: fn(Arc<Services>, Caller, Value) -> Calling,
}

impl Entry {
    fn of<T: Tool>() -> Self
    where
        Services: Handle<T>,
    {
        let (read_only, destructive, idempotent) = match T::EFFECT {
            Effect::Read => (true, false, true),
            Effect::Operate { destructive } => (false, destructive, !T::NAME.ends_with("restart")),
            Effect::Plan => (false, false, true),
            Effect::Apply => (false, true, true),
            Effect::Person => (false, true, true),
        };
        let annotations = ToolAnnotations::with_title(T::TITLE)
            .read_only(read_only)
            .destructive(destructive)
            .idempotent(idempotent)
            .open_world(false);
        let tool = McpTool::new(T::NAME, T::DESCRIPTION, Arc::new(schema::of::<T>()))
            .with_title(T::TITLE)
            .with_raw_output_schema(Arc::new(schema::of::<T::Answer>()))
            .with_annotations(annotations);
        Self { tool, core: T::CORE, effect: T::EFFECT, may: access::may::<T>, call: call::<T> }
    }

    fn is_on(&self, surface: Surface) -> bool {
        match surface {
            Surface::Core => self.core,
            Surface::ReadOnly => self.effect == Effect::Read,
            Surface::Full => true,
        }
    }
}

fn call<T: Tool>(services: Arc<Services>, caller: Caller, arguments: Value) -> Calling
where
    Services: Handle<T>,
{
    Box::pin(async move {
        // Before the arguments: whoever may not use a tool learns nothing about them.
        let authorized = match services.authorize::<T>(&caller).await {
            Ok(authorized) => authorized,
            Err(error) => return error::result(error),
        };
        let request: T = match serde_json::from_value(arguments) {
            Ok(request) => request,
            Err(problem) => {
                let message =
                    format!("the arguments of {} do not fit: {}", T::NAME, display_line(&problem.to_string(), 300));
                let error = ServiceError::new(ErrorCode::Invalid, message)
                    .with_next(format!("see the input schema of {} in tools/list", T::NAME));
                return error::result(error);
            }
        };
        match services.handle(authorized, request).await {
            Ok(answer) => answered(&caller, &answer),
            Err(error) => error::result(error),
        }
    })
}

fn answered<A: serde::Serialize>(caller: &Caller, answer: &A) -> CallToolResult {
    let value = match serde_json::to_value(answer) {
        Ok(value) => value,
        Err(problem) => {
            return error::result(
                ServiceError::new(ErrorCode::Internal, "the answer does not encode").with_source(problem),
            );
        }
    };
    let text = value.to_string();
    let limit = if caller.is_person() { PERSON_RESULT_BYTES } else { RESULT_BYTES };
    if text.len() > limit {
        let message = format!("the answer has {} bytes, over the limit of {limit}", text.len());
        return error::result(
            ServiceError::new(ErrorCode::Invalid, message)
                .with_next("narrow it: a smaller limit, a query, a shorter time, fewer parts in include"),
        );
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    result
}

/// All tools, by name.
pub(super) struct Registry {
    entries: BTreeMap<&'static str, Entry>,
}

impl Registry {
    pub(super) fn new() -> Self {
        let mut entries = BTreeMap::new();
        macro_rules! add {
            ($($tool:ty),* $(,)?) => {$(
                entries.insert(<$tool as Tool>::NAME, Entry::of::<$tool>());
            )*};
        }
        use tomo_proto as proto;
        macro_rules! each {
            ($($tool:ty),* $(,)?) => { add!($($tool),*) };
        }
        _ = proto::version::RELEASE;
        for_each_tool!(each);
        Self { entries }
    }

    /// What a caller sees on a path: sorted, the same every time.
    pub(super) fn list(&self, surface: Surface, caller: &Caller) -> Vec<McpTool> {
        self.entries
            .values()
            .filter(|entry| entry.is_on(surface) && (entry.may)(caller))
            .map(|entry| entry.tool.clone())
            .collect()
    }

    pub(super) fn describe(&self, surface: Surface, name: &str) -> Option<McpTool> {
        self.find(surface, name).map(|entry| entry.tool.clone())
    }

    pub(super) fn find(&self, surface: Surface, name: &str) -> Option<&Entry> {
        self.entries.get(name).filter(|entry| entry.is_on(surface))
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;
    use tomo_proto::model::user::{Role, Scope, Selectors};

    use super::*;
    use crate::services::access::Principal;

    fn caller(scopes: impl IntoIterator<Item = Scope>, person: bool) -> Caller {
        let (user, name) = (tomo_proto::id::UserId::from_u64(1), "ana".to_owned());
        let principal = if person {
            Principal::Session { session: tomo_proto::id::SessionId::from_u64(1), user, name, role: Role::Admin }
        } else {
            Principal::Token {
                token: tomo_proto::id::TokenId::from_u64(1),
                name: name.clone(),
                owner: user,
                owner_name: name,
            }
        };
        let scopes = scopes.into_iter().collect();
        Caller {
            principal,
            scopes,
            selectors: Selectors::default(),
            ip_address: String::new(),
            ended: CancellationToken::new(),
        }
    }

    #[test]
    fn the_core_list_keeps_its_budget() {
        let registry = Registry::new();
        let core = registry.list(Surface::Core, &caller(Scope::ALL, false));
        let wire = serde_json::to_string(&core).expect("encodes");
        // What a model reads: names, descriptions, input schemas. Four bytes a token is on the safe side for JSON.
        let read: usize = core
            .iter()
            .map(|tool| {
                let schema = serde_json::to_string(&tool.input_schema).expect("encodes");
                tool.name.len() + tool.description.as_ref().map_or(0, |text| text.len()) + schema.len()
            })
            .sum();
        assert!(wire.len() <= 32_000, "{} bytes on the wire", wire.len());
        assert!(read / 4 <= 3_000, "about {} tokens", read / 4);
        assert!(super::super::INSTRUCTIONS.len() <= 500);
    }

    #[test]
    fn lists_follow_token_and_path() {
        let registry = Registry::new();
        let names = |surface, caller: &Caller| -> Vec<String> {
            registry.list(surface, caller).into_iter().map(|tool| tool.name.into_owned()).collect()
        };
        let viewer = caller(Role::Viewer.scopes(), false);
        assert!(registry.list(Surface::Full, &viewer).iter().all(|tool| {
            tool.annotations.as_ref().and_then(|annotations| annotations.read_only_hint) == Some(true)
        }));
        let everything = caller(Scope::ALL, false);
        assert!(!names(Surface::Full, &everything).contains(&"plan_approve".to_owned()), "a token never approves");
        assert!(names(Surface::Full, &caller(Scope::ALL, true)).contains(&"plan_approve".to_owned()));
        assert!(!names(Surface::ReadOnly, &everything).contains(&"app_stop".to_owned()));
        let core = names(Surface::Core, &everything);
        assert!(
            core.is_sorted() && core.contains(&"overview".to_owned()) && !core.contains(&"settings_get".to_owned())
        );
    }

    #[test]
    fn schemas_are_slim_and_complete() {
        let registry = Registry::new();
        for tool in registry.list(Surface::Full, &caller(Scope::ALL, true)) {
            let text = serde_json::to_string(&(&tool.input_schema, &tool.output_schema)).expect("encodes");
            for noise in ["$schema", "$defs", "$ref", "\"null\"", "\"format\""] {
                assert!(!text.contains(noise), "{}: {noise} in {text}", tool.name);
            }
            assert_eq!(tool.input_schema.get("type"), Some(&Value::from("object")), "{}", tool.name);
        }
    }
}
