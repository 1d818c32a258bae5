//! Adopting: planning an app that takes the place of a container that Tomo did not make. What is on the host is read anew when the plan
//! is applied.

use std::collections::BTreeMap;

use tomo_proto::{
    api::{check_name, container::ContainerAdopt, person::SecretText},
    error::ErrorCode,
    id::ServerId,
    model::{
        adoption::{Adoptable, Adopted},
        app::{App, AppSpec},
        container::Container,
        plan::{Plan, PlannedChange},
        server::Server,
        spec::{ASIDE, SECRET_REFERENCE},
    },
    text::display_line,
    wire::command::{Command, ContainerRef, Found},
};

use crate::{
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        app,
        container::reference,
        error::ServiceError,
        spec,
    },
    store::{Record as _, records::SecretRecord},
};

/// What a plan says of the container that is adopted.
pub(super) fn warnings(adopted: &Adopted, app: &str, keep_minutes: u32) -> Vec<String> {
    let (old, kept) = (&adopted.name, format!("tomo-{app}{ASIDE}"));
    let mut warnings = vec![
        match keep_minutes {
            0 => format!("container \"{old}\" is removed once the app lives; its volumes stay"),
            _ => format!(
                "container \"{old}\" is stopped once the app lives, kept as {kept} for {keep_minutes} min and then removed; its volumes stay"
            ),
        },
        "what it has written outside of its volumes stays behind in it".to_owned(),
        "the app may gain no privileges (no-new-privileges) and has at most 4096 processes".to_owned(),
    ];
    warnings.extend(adopted.lost.iter().map(|lost| format!("lost: {lost}")));
    warnings
}

impl Context {
    /// A container as it would be adopted; an agent may lie: what is shown of it is safe.
    async fn adoptable(&self, server: &Server, container: ContainerRef) -> Result<Adoptable, ServiceError> {
        let found = self.ask(server, Command::ReadConfiguration { container }).await?;
        let read = found.into_iter().find_map(|found| match found {
            Found::Adoptable(read) => Some(*read),
            _ => None,
        });
        let mut read = read.ok_or_else(|| {
            let message = format!("the agent of server \"{}\" cannot read configurations yet", server.name);
            ServiceError::new(ErrorCode::Conflict, message).with_next("update the agent of that server")
        })?;
        for text in read.adopted.lost.iter_mut().chain(&mut read.barred) {
            *text = display_line(text, 300);
        }
        read.adopted.name = display_line(&read.adopted.name, 128);
        Ok(read)
    }

    /// Whether a container is still as it was when its adoption was planned.
    pub(super) async fn still_adoptable(
        &self,
        server: ServerId,
        adopted: &Adopted,
        spec: &AppSpec,
    ) -> Result<bool, ServiceError> {
        let Some(server) = self.store.read(|view| view.get::<Server>(server.to_u64()))? else { return Ok(false) };
        let container = ContainerRef::new(&adopted.id).map_err(|error| ServiceError::new(ErrorCode::Invalid, error))?;
        match self.adoptable(&server, container).await {
            Ok(read) => Ok(read.is_as(adopted, spec)),
            Err(error) if matches!(error.code(), ErrorCode::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Seals the secrets of a container's variables. Returns references by variable; what was sealed by an earlier plan is found.
    async fn seal_variables(
        &self,
        caller: &Caller,
        app: &str,
        secrets: BTreeMap<String, SecretText>,
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        let mut names = BTreeMap::new();
        for (variable, value) in secrets {
            let wanted = secret_name(app, &variable);
            let name = match self.sealed_as(&wanted, &value).await? {
                Some(known) => known,
                None => self.put_secret(caller, wanted, value).await?,
            };
            names.insert(variable, format!("{SECRET_REFERENCE}{name}"));
        }
        Ok(names)
    }

    /// The secret of that name, or that name with a number, that has this value.
    async fn sealed_as(&self, wanted: &str, value: &SecretText) -> Result<Option<String>, ServiceError> {
        let vault = self.open_vault().await?;
        let known = self.store.read(|view| view.list::<SecretRecord>())?;
        let is_it = |record: &SecretRecord| {
            let number = record.name.strip_prefix(wanted).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                && vault
                    .open(SecretRecord::TABLE, record.key, "value", &record.sealed)
                    .is_ok_and(|opened| opened.as_slice() == value.reveal().as_bytes())
        };
        Ok(known.into_iter().find(is_it).map(|record| record.name))
    }
}

/// What the secret of an app's variable is called.
fn secret_name(app: &str, variable: &str) -> String {
    let plain = variable.to_ascii_lowercase();
    format!("{app}.{}", plain.trim_matches(|one: char| !one.is_ascii_alphanumeric()))
}

/// The app's name if none is given: the container's, as far as an app can be called so.
fn name_of(container: &Container) -> String {
    let name = container.name.to_ascii_lowercase();
    name.trim_matches(|one: char| !one.is_ascii_alphanumeric()).to_owned()
}

impl Handle<ContainerAdopt> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerAdopt>,
        request: ContainerAdopt,
    ) -> Result<Plan, ServiceError> {
        let (server, container) = self.context.container(&caller, &request.server, &request.container)?;
        let name = request.name.unwrap_or_else(|| name_of(&container));
        app::check_name(&caller, &name)
            .map_err(|error| error.with_next("give the app a name of its own (tomo: --name)"))?;
        if let Some(app) = &container.app {
            let message = format!("container \"{}\" belongs to app \"{app}\" already", container.name);
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_field("container")
                .with_next(format!("app_get {{\"app\":\"{}/{app}\"}}", server.name)));
        }
        self.context.store.read(|view| {
            let known = view.list::<App>()?;
            match known.iter().find(|app| app.server == server.id && app.name == name) {
                // A first deploy that failed leaves its app behind; the next one may come in its place.
                Some(app) if app.revision.is_some() => {
                    let message = format!("server \"{}\" has an app called \"{name}\" already", server.name);
                    Err(ServiceError::new(ErrorCode::Conflict, message)
                        .with_field("name")
                        .with_next("give the app another name (tomo: --name)"))
                }
                _ => Ok(()),
            }
        })?;
        self.context.allow(&server, Command::ADOPT, &container)?;
        let read = self.context.adoptable(&server, reference(&container)?).await?;
        let shown = &read.adopted.name;
        if !read.barred.is_empty() {
            let message = format!("container \"{shown}\" cannot be adopted: {}", read.barred.join("; "));
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_field("container")
                .with_next("change it, or deploy an app in its place by hand"));
        }
        if !read.adopted.lost.is_empty() && !request.accept_losses {
            let message = format!("container \"{shown}\" would lose: {}", read.adopted.lost.join("; "));
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_field("accept_losses")
                .with_next("if the app can do without: accept_losses (tomo: --accept-losses)"));
        }
        // Nothing is sealed for a request that comes to nothing.
        let named = read.secrets.keys().map(|variable| (variable.clone(), secret_name(&name, variable)));
        for (variable, wanted) in named.clone() {
            check_name(&wanted).map_err(|error| {
                let message =
                    format!("the secret of {} would be called \"{wanted}\": {error}", display_line(&variable, 60));
                ServiceError::new(ErrorCode::Invalid, message)
                    .with_field("name")
                    .with_next("choose a shorter name for the app")
            })?;
        }
        let references = named.map(|(variable, wanted)| (variable, format!("{SECRET_REFERENCE}{wanted}"))).collect();
        let trial = read.spec_with(&references);
        spec::check(&trial)?;
        self.context.check_place(&server, &name, &trial, Some(&read.adopted.id))?;
        let references = self.context.seal_variables(&caller, &name, read.secrets.clone()).await?;
        let change = PlannedChange::DeployApp {
            server: server.id,
            name,
            spec: Box::new(read.spec_with(&references)),
            back_to: None,
            adopts: Some(Box::new(read.adopted)),
        };
        self.record_plan(&caller, "container_adopt", change, request.reason).await
    }
}
