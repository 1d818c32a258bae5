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
        nearest,
    },
};

/// A result for a program that is longer comes with a hint.
const HINT_BYTES: usize = 16 * 1024;
/// Most text of one result for a program; what is longer is refused with the hint.
const RESULT_BYTES: usize = 48 * 1024;
/// The dashboard reads whole fleets.
const PERSON_RESULT_BYTES: usize = 4 << 20;
const NARROW: &str = "narrow it: a smaller limit, a query, a shorter time, fewer parts in include";

/// Most text of one answer.
pub(super) const fn most_bytes(caller: &Caller) -> usize {
    if caller.is_person() { PERSON_RESULT_BYTES } else { RESULT_BYTES }
}

/// What an answer over the limit becomes.
pub(super) fn too_long(bytes: usize, caller: &Caller) -> ServiceError {
    let message = format!("the answer has {bytes} bytes, over the limit of {}", most_bytes(caller));
    ServiceError::new(ErrorCode::Invalid, message).with_next(NARROW)
}

/// Which tools a path offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
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
            .with_raw_output_schema(Arc::new(schema::outline::<T::Answer>()))
            .with_annotations(annotations);
        Self { tool, core: T::CORE, effect: T::EFFECT, may: access::may::<T>, call: call::<T> }
    }

    /// Whether a caller may use it.
    pub(super) fn allows(&self, caller: &Caller) -> bool {
        (self.may)(caller)
    }

    /// Says which argument is not one, or is missing, before the types are looked at.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), ServiceError> {
        let name = &self.tool.name;
        let known: Vec<&str> = match self.tool.input_schema.get("properties") {
            Some(Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let given = arguments.as_object().into_iter().flatten();
        if let Some((wrong, _)) = given.into_iter().find(|(key, _)| !known.contains(&key.as_str())) {
            let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let near = nearest(wrong, known.iter().copied());
            let message = format!("{name} has no argument \"{}\"{near}; it takes {takes}", display_line(wrong, 60));
            return Err(self.wrong(message, wrong));
        }
        let required = self.tool.input_schema.get("required").and_then(Value::as_array).into_iter().flatten();
        match required.filter_map(Value::as_str).find(|key| arguments.get(key).is_none_or(Value::is_null)) {
            Some(missing) => Err(self.wrong(format!("{name} needs the argument \"{missing}\""), missing)),
            None => Ok(()),
        }
    }

    fn wrong(&self, message: String, field: &str) -> ServiceError {
        ServiceError::new(ErrorCode::Invalid, message)
            .with_field(display_line(field, 60))
            .with_next(format!("the same call with arguments that fit the input schema of {}", self.tool.name))
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
        let request: T = match serde_path_to_error::deserialize(arguments) {
            Ok(request) => request,
            Err(problem) => {
                let field = display_line(&problem.path().to_string(), 60);
                let what = display_line(&problem.inner().to_string(), 300);
                let error =
                    ServiceError::new(ErrorCode::Invalid, format!("{field} of {} does not fit: {what}", T::NAME))
                        .with_field(field)
                        .with_next(format!("the same call with arguments that fit the input schema of {}", T::NAME));
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
    let unsound = |problem| {
        error::result(ServiceError::new(ErrorCode::Internal, "the answer does not encode").with_source(problem))
    };
    let text = match serde_json::to_string(answer) {
        Ok(text) => text,
        Err(problem) => return unsound(problem),
    };
    if text.len() > most_bytes(caller) {
        return error::result(too_long(text.len(), caller));
    }
    let value = match serde_json::to_value(answer) {
        Ok(value) => value,
        Err(problem) => return unsound(problem),
    };
    let hint = (text.len() > HINT_BYTES && !caller.is_person())
        .then(|| ContentBlock::text(format!("{} bytes, which is long: {NARROW}", text.len())));
    let mut result = CallToolResult::success([ContentBlock::text(text)].into_iter().chain(hint).collect());
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
        self.offered(surface, caller).map(|entry| entry.tool.clone()).collect()
    }

    pub(super) fn names(&self, surface: Surface, caller: &Caller) -> impl Iterator<Item = &str> {
        self.offered(surface, caller).map(|entry| entry.tool.name.as_ref())
    }

    /// Whether a caller sees a tool on a path.
    pub(super) fn offers(&self, surface: Surface, caller: &Caller, name: &str) -> bool {
        self.find(surface, name).is_some_and(|entry| entry.allows(caller))
    }

    fn offered(&self, surface: Surface, caller: &Caller) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.is_on(surface) && entry.allows(caller))
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
    fn a_wrong_argument_is_named_with_what_fits() {
        let registry = Registry::new();
        let check = |name: &str, arguments: Value| {
            let entry = registry.find(Surface::Full, name).expect("is there");
            entry.check(&arguments).map_err(|error| (error.error.message, error.error.field.unwrap_or_default()))
        };
        let (message, field) = check("app_get", serde_json::json!({"ap": "web"})).expect_err("is refused");
        assert_eq!(
            (message.as_str(), field.as_str()),
            ("app_get has no argument \"ap\"; nearest: \"app\"; it takes app, include", "ap")
        );
        let (message, field) = check("app_get", serde_json::json!({})).expect_err("is refused");
        assert_eq!((message.as_str(), field.as_str()), ("app_get needs the argument \"app\"", "app"));
        let (message, _) = check("auth_whoami", serde_json::json!({"x": 1})).expect_err("is refused");
        assert_eq!(message, "auth_whoami has no argument \"x\"; it takes none");
        assert!(check("app_get", serde_json::json!({"app": "web"})).is_ok());
    }

    #[test]
    fn long_answers_come_with_a_hint_and_longer_ones_not_at_all() {
        let program = caller(Scope::ALL, false);
        let texts = |bytes: usize, caller: &Caller| {
            let result = answered(caller, &"x".repeat(bytes));
            let texts: Vec<String> =
                result.content.iter().filter_map(|block| block.as_text().map(|text| text.text.clone())).collect();
            (result.is_error == Some(true), texts)
        };
        assert_eq!(texts(10_000, &program).1.len(), 1);
        let (failed, long) = texts(20_000, &program);
        assert!(!failed && long.len() == 2 && long[1].contains("narrow it"), "{long:?}");
        let (failed, longer) = texts(60_000, &program);
        assert!(
            failed && longer[0].contains("over the limit") && longer[0].contains("\nnext: narrow it"),
            "{longer:?}"
        );
        assert_eq!(texts(60_000, &caller(Scope::ALL, true)).1.len(), 1, "the dashboard reads whole fleets");
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
