//! What the dashboard asks for, and the runner that does it: the only part that talks to the daemon.

use std::{panic::AssertUnwindSafe, path::PathBuf, time::Duration};

use futures::FutureExt as _;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, spawn_blocking},
    time::sleep,
};
use tomo_proto::{
    api::{
        app::{
            AppDeploy, AppDiagnose, AppGet, AppList, AppPart, AppRemove, AppRestart, AppRollback, AppStart, AppStop,
        },
        audit::{AuditSearch, AuditVerify},
        auth::AuthWhoami,
        catalog::{CatalogGet, CatalogList, CatalogRefresh},
        container::{ContainerAdopt, ContainerGet},
        operation::{OperationCancel, OperationGet, OperationList},
        overview::Overview,
        person::{
            ConnectServer, CreateEnrolment, CreateToken, DeleteRegistry, DeleteSecret, ForgetCredential,
            GenerateSecret, ListSecrets, Login, PersonRequest, SetRegistry, SetSecret, UnlockVault, UpdateAgent,
        },
        plan::{PlanApply, PlanApprove, PlanDeny, PlanGet, PlanList},
        registry::RegistryList,
        server::{ServerGet, ServerList, ServerListPart, ServerMetrics, ServerPart, ServerRemove},
        settings::{SettingsGet, SettingsSet},
        stock::ServerPrune,
        terminal::TerminalOf,
        volume_backup::VolumeBackupCreate,
    },
    compose::Finding,
    error::ErrorCode,
    model::{plan::Plan, registry::Registry, server::ServerSummary, stock::Item},
};

use crate::{
    cli::{
        compose::{self, Unfit},
        ssh_config,
    },
    client::{self, Client, ClientError, Target},
    dashboard::{
        action::Action,
        clipboard,
        completion::Completion,
        config,
        event::{Answer, Event, MetricsRange},
        layers::{
            compose::{ComposeRequest, Composed},
            deploy::{DeployRequest, secret_name},
            make::Made,
        },
        log::{self, Saving},
        people, stock,
        theme::ThemeName,
        together::{self, Task},
        views::history::{OF_CONTAINER, OF_HOST},
        views::logs::{Asked, LogFrom, LogOf, Part},
        visit::{self, Edit, Visit},
    },
    shell,
};

/// Apps that one list holds at the most.
const LIST_LIMIT: u32 = 1_000;
/// What stands for a secret's value in an environment.
const SECRET: &str = "secret://";
/// Waits between two tries to reach the daemon.
const RETRY: [u64; 5] = [200, 400, 800, 1_500, 3_000];

/// Something to be done outside of the state.
#[derive(Debug)]
pub(crate) enum Effect {
    Whoami,
    Login(Login),
    Overview,
    /// The whole fleet.
    Servers,
    /// Some servers, by name.
    Rows {
        names: Vec<String>,
        /// Others, with their sparklines.
        with_sparks: Vec<String>,
    },
    Server(String),
    /// What a server's host allows.
    Policy(String),
    Container {
        server: String,
        container: String,
    },
    /// Images, volumes and networks of a server.
    Stock(String),
    /// Backups of a server's volumes.
    Backups(String),
    Registries,
    /// Logins and tokens, and for an admin the accounts.
    People {
        accounts: bool,
    },
    ChangePeople(people::Change),
    CreateToken(CreateToken),
    /// A page of the audit: the newest rows, or those from a cursor on.
    Audit {
        cursor: Option<String>,
        rows: u32,
    },
    VerifyAudit,
    Settings,
    /// Asks for the plan.
    ChangeSettings(SettingsSet),
    SetRegistry(SetRegistry),
    DeleteRegistry(DeleteRegistry),
    BackUpVolume {
        server: String,
        volume: String,
        stop: bool,
    },
    /// Proves that a backup restores, or reads it to its end.
    TryBackup {
        action: Action,
        backup: String,
    },
    /// Asks for the plan that restores a backup, or removes it.
    PlanBackup {
        action: Action,
        backup: String,
    },
    Metrics(MetricsRange),
    Apps,
    App(String),
    /// The app, and what its registry has.
    CheckImage(String),
    Diagnose(String),
    Logs {
        asked: Asked,
        of: LogOf,
        from: LogFrom,
    },
    /// Looks for lines of a log that fit.
    Sift(Asked, Box<Part>),
    /// Writes lines of a log to a file.
    SaveLog(Box<Saving>),
    CompletePath(String),
    Plans,
    Plan(String),
    Operations,
    /// Waits for a change of the operation for a moment.
    Operation {
        id: String,
        wait: bool,
    },
    Catalog,
    /// The same, with what lies elsewhere fetched anew.
    RefreshCatalog,
    Template(String),
    Start(String),
    Stop(String),
    Restart(String),
    /// Starts, stops or restarts a container that is no app's.
    Operate {
        action: Action,
        server: String,
        container: String,
    },
    Discard {
        server: String,
        item: Item,
    },
    Prune(ServerPrune),
    /// Pulls an image, makes a volume or a network.
    Make {
        made: Made,
        server: String,
        name: String,
    },
    /// Asks for the plan that makes an app of a container.
    Adopt {
        request: Box<ContainerAdopt>,
    },
    /// Asks for the plan.
    RollBack(String),
    Remove {
        app: String,
        volumes: bool,
    },
    RemoveServer(String),
    /// Stores the secrets, then asks for the plan.
    Deploy(Box<DeployRequest>),
    /// Deletes secrets that were stored for a plan.
    DeleteSecrets(Vec<String>),
    Approve {
        request: PlanApprove,
        apply: bool,
    },
    Deny(String),
    /// Takes back a plan that nobody is to decide any more.
    Withdraw(String),
    Apply(String),
    Cancel(String),
    Enroll(CreateEnrolment),
    /// Takes the next step of a visit by SSH.
    Visit(Box<Visit>),
    /// Takes the next step of a change of a server.
    EditServer(Box<Edit>),
    /// Reads the SSH client's own file.
    ReadSshConfig,
    ReadCompose(Box<ComposeRequest>),
    /// Looks around on a server by SSH, with the kept credential.
    TestServer(String),
    ForgetCredential(String),
    /// Puts the newest release that fits on a host.
    UpdateAgent(String),
    UnlockVault(UnlockVault),
    /// Opens a terminal into a container that a person sees under this name.
    OpenTerminal(String, TerminalOf),
    /// Listens for changes of these resources instead of those before.
    Watch(Vec<String>),
    /// Does one thing to several objects.
    Together {
        verb: &'static str,
        tasks: Vec<Task>,
    },
    /// Does what takes the last act back, which a person was asked about in these words.
    TakeBack(String),
    /// Sends it to the terminal's clipboard.
    Copy(String),
    /// Gives it to tmux.
    LoadTmux(String),
    ChooseTheme(ThemeName),
    /// Writes a theme into the person's file.
    KeepTheme(PathBuf, ThemeName),
    /// Looks which logins are saved here.
    Profiles,
    /// Goes to another daemon, and leaves this one.
    Switch(Box<Target>),
    ToggleMouse,
    Suspend,
    Quit,
}

/// Runs effects; answers come back as events. Whatever is under way ends with it.
pub(crate) struct Runner {
    client: Client,
    events: mpsc::Sender<Event>,
    tasks: JoinSet<()>,
    watching: Option<AbortHandle>,
}

impl Runner {
    pub(crate) fn new(client: Client, events: mpsc::Sender<Event>) -> Self {
        Self { client, events, tasks: JoinSet::new(), watching: None }
    }

    /// Starts an effect. Those that are the terminal's are not for here.
    pub(crate) fn start(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        let (client, events) = (self.client.clone(), self.events.clone());
        if let Effect::Watch(uris) = effect {
            let following = async move {
                // Whatever goes wrong inside, changes are followed again.
                while !told_if_it_panics(&events, watch(client.clone(), uris.clone(), events.clone())).await {
                    sleep(Duration::from_millis(RETRY[RETRY.len() - 1])).await;
                }
            };
            let watching = self.tasks.spawn(following);
            if let Some(before) = self.watching.replace(watching) {
                before.abort();
            }
            return;
        }
        if let Effect::Together { tasks, .. } = effect {
            return self.spawn(together::carry_out_all(client, tasks, events));
        }
        self.spawn(async move {
            if let Some(answer) = carry_out(&client, effect).await {
                // The dashboard has been left: nobody waits.
                drop(events.send(Event::Answer(answer)).await);
            }
        });
    }

    /// Lets a task run; if it panics, that is told.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let events = self.events.clone();
        self.tasks.spawn(async move {
            told_if_it_panics(&events, task).await;
        });
    }
}

/// Says whether a task came to its end. One that panics is told of: what it was to do is lost, and nothing else.
async fn told_if_it_panics(events: &mpsc::Sender<Event>, task: impl Future<Output = ()>) -> bool {
    let ended = AssertUnwindSafe(task).catch_unwind().await.is_ok();
    if !ended {
        let text = "something inside went wrong; the log has more".to_owned();
        drop(events.send(Event::Answer(Answer::Broken(text))).await);
    }
    ended
}

/// Tells of changes for as long as it runs; a lost daemon is tried again until it is back.
async fn watch(client: Client, uris: Vec<String>, events: mpsc::Sender<Event>) {
    let mut tries = 0;
    loop {
        match client.listen(uris.clone()).await {
            Ok(mut notices) => {
                tries = 0;
                if events.send(Event::LinkUp).await.is_err() {
                    return;
                }
                while let Some(uri) = notices.next().await {
                    if events.send(Event::Notice(uri)).await.is_err() {
                        return;
                    }
                }
                let url = client.target().url.clone();
                let lost = ClientError::NotConnected { url, reason: "the connection was closed".to_owned() };
                if events.send(Event::LinkDown(lost)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let over = matches!(error, ClientError::SignedOut(_) | ClientError::Certificate(_));
                if events.send(Event::LinkDown(error)).await.is_err() || over {
                    return;
                }
            }
        }
        sleep(Duration::from_millis(RETRY[tries])).await;
        tries = (tries + 1).min(RETRY.len() - 1);
    }
}

pub(super) async fn carry_out(client: &Client, effect: Effect) -> Option<Answer> {
    Some(match effect {
        Effect::Whoami => Answer::Whoami(client.call(&AuthWhoami {}).await),
        Effect::Login(login) => Answer::Login(client.person(&login).await),
        Effect::Overview => Answer::Overview(client.call(&Overview::default()).await.map(Box::new)),
        Effect::Servers => Answer::Servers(client.servers(None).await),
        Effect::Rows { names, with_sparks } => Answer::Rows(rows(client, names, with_sparks).await),
        Effect::Server(server) => {
            let request =
                ServerGet { server: server.clone(), include: vec![ServerPart::Containers, ServerPart::Policy] };
            Answer::Server(server, client.call(&request).await.map(Box::new))
        }
        Effect::Policy(server) => {
            let request = ServerGet { server: server.clone(), include: vec![ServerPart::Policy] };
            // Without an answer it stays unknown, and the daemon refuses what the host does not allow.
            Answer::Policy(server, client.call(&request).await.ok()?.policy)
        }
        Effect::Container { server, container } => {
            let request = ContainerGet { server: server.clone(), container: container.clone() };
            Answer::Container(server, container, client.call(&request).await.map(Box::new))
        }
        Effect::Stock(server) => Answer::Stock(server.clone(), stock::look(client, server).await),
        Effect::Registries => Answer::Registries(registries(client).await),
        Effect::People { accounts } => Answer::People(people::look(client, accounts).await.map(Box::new)),
        Effect::ChangePeople(change) => Answer::PeopleChanged(people::change(client, change).await),
        Effect::CreateToken(request) => Answer::TokenMade(client.person(&request).await.map(Box::new)),
        Effect::Audit { cursor, rows } => {
            let request = AuditSearch { cursor: cursor.clone(), limit: Some(rows), ..AuditSearch::default() };
            Answer::Audit(cursor, client.call(&request).await)
        }
        Effect::VerifyAudit => Answer::Verified(client.call(&AuditVerify {}).await.map(Box::new)),
        Effect::Settings => Answer::Settings(client.call(&SettingsGet {}).await.map(Box::new)),
        Effect::ChangeSettings(request) => Answer::Planned(client.call(&request).await.map(Box::new), Vec::new()),
        Effect::SetRegistry(request) => Answer::RegistryChanged(change_registry(client, &request).await),
        Effect::DeleteRegistry(request) => Answer::RegistryChanged(change_registry(client, &request).await),
        Effect::Backups(server) => Answer::Backups(server.clone(), stock::backups(client, server).await),
        Effect::BackUpVolume { server, volume, stop } => {
            let request = VolumeBackupCreate { server, volume, stop, reason: None };
            Answer::Started(client.call(&request).await.map(Box::new))
        }
        Effect::TryBackup { action, backup } => {
            Answer::Started(stock::try_backup(client, action, backup).await.map(Box::new))
        }
        Effect::PlanBackup { action, backup } => {
            Answer::Planned(stock::plan_backup(client, action, backup).await.map(Box::new), Vec::new())
        }
        Effect::Operate { action, server, container } => {
            Answer::Started(stock::operate(client, action, server, container).await.map(Box::new))
        }
        Effect::Discard { server, item } => {
            Answer::Planned(stock::discard(client, server, item).await.map(Box::new), Vec::new())
        }
        Effect::Prune(prune) => Answer::Planned(client.call(&prune).await.map(Box::new), Vec::new()),
        Effect::Make { made, server, name } => {
            Answer::Started(stock::make(client, made, server, name).await.map(Box::new))
        }
        Effect::Adopt { request } => Answer::Planned(client.call(&*request).await.map(Box::new), Vec::new()),
        Effect::Metrics(range) => {
            let request = metrics_request(&range);
            Answer::Metrics(range, client.call(&request).await)
        }
        Effect::Apps => Answer::Apps(client.call(&AppList { limit: Some(LIST_LIMIT), ..AppList::default() }).await),
        Effect::App(app) => {
            let request = AppGet { app: app.clone(), include: vec![AppPart::Revisions] };
            Answer::App(app, client.call(&request).await.map(Box::new))
        }
        Effect::CheckImage(app) => {
            let request = AppGet { app: app.clone(), include: vec![AppPart::Revisions, AppPart::Update] };
            Answer::App(app, client.call(&request).await.map(Box::new))
        }
        Effect::Diagnose(app) => Answer::Diagnosis(app.clone(), client.call(&AppDiagnose { app }).await.map(Box::new)),
        Effect::Logs { asked, of, from } => Answer::Logs(asked, log::read(client, of, from).await),
        Effect::SaveLog(saving) => {
            let saved = spawn_blocking(|| {
                let told = log::save(&saving);
                (saving, told)
            });
            match saved.await {
                Ok((saving, told)) => Answer::Saved(saving, told),
                Err(_) => Answer::Broken("writing the log went wrong; the log of tomo has more".to_owned()),
            }
        }
        Effect::CompletePath(typed) => match spawn_blocking(|| Completion::of(typed, client::typed_path)).await {
            Ok(completion) => Answer::Completed(completion),
            Err(_) => Answer::Broken("completing a path went wrong; the log of tomo has more".to_owned()),
        },
        Effect::Sift(asked, part) => match spawn_blocking(|| part.sift()).await {
            Ok(sifted) => Answer::Sifted(asked, sifted),
            Err(_) => Answer::Broken("looking through the log went wrong; the log of tomo has more".to_owned()),
        },
        Effect::Plans => Answer::Plans(client.call(&PlanList { limit: Some(100), ..PlanList::default() }).await),
        Effect::Plan(plan) => Answer::Plan(plan.clone(), client.call(&PlanGet { plan }).await.map(Box::new)),
        Effect::Operations => {
            Answer::Operations(client.call(&OperationList { limit: Some(100), ..OperationList::default() }).await)
        }
        Effect::Operation { id, wait } => {
            let request = OperationGet { operation: id.clone(), wait_s: wait.then_some(1) };
            Answer::Operation(id, client.call(&request).await.map(Box::new))
        }
        Effect::RefreshCatalog => Answer::Catalog(client.call(&CatalogRefresh {}).await),
        Effect::Catalog => Answer::Catalog(client.call(&CatalogList::default()).await),
        Effect::Template(id) => {
            Answer::Template(id.clone(), client.call(&CatalogGet { template: id }).await.map(Box::new))
        }
        Effect::Start(app) => Answer::Started(client.call(&AppStart { app, reason: None }).await.map(Box::new)),
        Effect::Stop(app) => Answer::Started(client.call(&AppStop { app, reason: None }).await.map(Box::new)),
        Effect::Restart(app) => Answer::Started(client.call(&AppRestart { app, reason: None }).await.map(Box::new)),
        Effect::RollBack(app) => {
            let request = AppRollback { app, revision: None, reason: None };
            Answer::Planned(client.call(&request).await.map(Box::new), Vec::new())
        }
        Effect::Remove { app, volumes } => {
            Answer::Planned(client.call(&AppRemove { app, volumes, reason: None }).await.map(Box::new), Vec::new())
        }
        Effect::RemoveServer(server) => {
            Answer::Planned(client.call(&ServerRemove { server, reason: None }).await.map(Box::new), Vec::new())
        }
        Effect::Deploy(request) => deploy(client, *request).await,
        Effect::DeleteSecrets(names) => {
            delete_secrets(client, names).await;
            return None;
        }
        Effect::Approve { request, apply } => Answer::Approved(client.call(&request).await.map(Box::new), apply),
        Effect::Withdraw(plan) => {
            let request = PlanDeny { plan, reason: Some("taken back in the preview".to_owned()) };
            Answer::Withdrawn(client.call(&request).await.map(Box::new))
        }
        Effect::Deny(plan) => Answer::Denied(client.call(&PlanDeny { plan, reason: None }).await.map(Box::new)),
        Effect::Apply(plan) => Answer::Started(client.call(&PlanApply { plan, reason: None }).await.map(Box::new)),
        Effect::Cancel(operation) => {
            Answer::Cancelled(client.call(&OperationCancel { operation, reason: None }).await.map(Box::new))
        }
        Effect::Enroll(request) => Answer::Enrolment(client.person(&request).await),
        Effect::Visit(visit) => Answer::Reached(visit.number, visit::reach(client, &visit).await),
        Effect::EditServer(edit) => Answer::Reached(edit.number, visit::change(client, &edit).await),
        Effect::ReadSshConfig => {
            let read = ssh_config::of_file(&ssh_config::usual_file());
            Answer::SshConfig(read.map_err(|error| format!("{error:#} – another file: tomo server import FILE")))
        }
        Effect::ReadCompose(request) => Answer::Composed(read_compose(*request).map(Box::new)),
        Effect::TestServer(server) => {
            let request = ConnectServer {
                server,
                host_key: None,
                credential: None,
                sudo_password: None,
                install: None,
                update_key: None,
                again: false,
                keep_credential: false,
            };
            Answer::Started(client.person(&request).await.map(Box::new))
        }
        Effect::UpdateAgent(server) => {
            Answer::Started(client.person(&UpdateAgent { server, ..UpdateAgent::default() }).await.map(Box::new))
        }
        Effect::ForgetCredential(server) => {
            let told = client.person(&ForgetCredential { server: server.clone() }).await;
            Answer::Forgotten(told.map(|_| server))
        }
        Effect::UnlockVault(request) => Answer::Unlocked(client.person(&request).await),
        Effect::LoadTmux(text) => {
            let loaded = spawn_blocking(|| {
                let told = clipboard::load_tmux(&text);
                (text, told)
            });
            match loaded.await {
                Ok((text, told)) => Answer::Copied(text, told),
                Err(_) => Answer::Broken("copying went wrong; the log of tomo has more".to_owned()),
            }
        }
        Effect::OpenTerminal(of, into) => Answer::Terminal(of, shell::open(client, into, Vec::new()).await),
        Effect::Profiles => Answer::Profiles(client::profiles()),
        Effect::KeepTheme(path, theme) => {
            let kept = spawn_blocking(move || config::choose_theme(&path, theme)).await;
            Answer::ThemeKept(
                kept.unwrap_or_else(|_| Err("writing it went wrong; the log of tomo has more".to_owned())),
            )
        }
        Effect::ChooseTheme(_)
        | Effect::Switch(_)
        | Effect::Watch(_)
        | Effect::Together { .. }
        | Effect::TakeBack(_)
        | Effect::Copy(_)
        | Effect::ToggleMouse
        | Effect::Suspend
        | Effect::Quit => return None,
    })
}

async fn registries(client: &Client) -> Result<Vec<Registry>, ClientError> {
    Ok(client.call(&RegistryList {}).await?.registries)
}

async fn change_registry<R: PersonRequest>(client: &Client, request: &R) -> Result<Vec<Registry>, ClientError> {
    client.person(request).await?;
    registries(client).await
}

fn read_compose(request: ComposeRequest) -> Result<Composed, Vec<String>> {
    let lines = |found: Vec<Finding>| -> Vec<String> { found.iter().map(|one| format!("line {one}")).collect() };
    let imported = compose::read_file(&request.file).map_err(|unfit| match unfit {
        Unfit::Unreadable(why) => vec![why],
        Unfit::Found(found) => {
            let next = "change the file, or name the keys that the app can do without under \"Leave out\"";
            lines(found).into_iter().chain([next.to_owned()]).collect()
        }
    })?;
    let (name, spec) = (imported.name, imported.spec);
    let deploy = AppDeploy { server: request.server, name, spec, ..AppDeploy::default() };
    Ok(Composed { deploy, notes: lines(imported.notes) })
}

/// A plan can only name secrets that are there; those of a plan that is not made go again.
async fn deploy(client: &Client, request: DeployRequest) -> Answer {
    let mut stored = Vec::new();
    match plan_deploy(client, request, &mut stored).await {
        Ok(plan) => Answer::Planned(Ok(Box::new(plan)), stored),
        Err(error) => {
            delete_secrets(client, stored).await;
            Answer::Planned(Err(error), Vec::new())
        }
    }
}

async fn plan_deploy(client: &Client, request: DeployRequest, stored: &mut Vec<String>) -> Result<Plan, ClientError> {
    let DeployRequest { secrets, named, generate, mut deploy } = request;
    let brings = !secrets.is_empty() || !named.is_empty();
    let mut taken = if brings { client.person(&ListSecrets {}).await?.names } else { Vec::new() };
    for (name, value) in named {
        client.person(&SetSecret { name: name.clone(), value }).await?;
        // One that was there before is not this plan's to delete.
        if !taken.contains(&name) {
            stored.push(name);
        }
    }
    for (variable, value) in secrets {
        let name = secret_name(&deploy.name, &variable, &taken);
        client.person(&SetSecret { name: name.clone(), value }).await?;
        let reference = format!("{SECRET}{name}");
        match deploy.template {
            Some(_) => deploy.answers.insert(variable, reference),
            None => deploy.spec.env.insert(variable, reference),
        };
        taken.push(name.clone());
        stored.push(name);
    }
    if !generate.is_empty() && is_new(client, &deploy).await? {
        for (question, generate) in generate {
            let made =
                match client.person(&GenerateSecret { name: format!("{}.{question}", deploy.name), generate }).await {
                    // A token keeps no secret: the daemon makes one for the plan.
                    Err(ClientError::Api(error)) if error.code == ErrorCode::Denied => break,
                    made => made?.name,
                };
            deploy.answers.insert(question, format!("{SECRET}{made}"));
            stored.push(made);
        }
    }
    client.call(&deploy).await
}

/// Servers by name, with sparklines or without.
async fn rows(
    client: &Client,
    names: Vec<String>,
    with_sparks: Vec<String>,
) -> Result<Vec<ServerSummary>, ClientError> {
    let mut servers = Vec::new();
    for (names, include) in [(names, Vec::new()), (with_sparks, vec![ServerListPart::Spark])] {
        let limit = u32::try_from(names.len()).ok();
        if !names.is_empty() {
            servers.extend(client.call(&ServerList { names, limit, include, ..ServerList::default() }).await?.servers);
        }
    }
    Ok(servers)
}

/// Whether there is no such app yet; one that is there goes on with the secrets it has.
async fn is_new(client: &Client, deploy: &AppDeploy) -> Result<bool, ClientError> {
    let app = format!("{}/{}", deploy.server, deploy.name);
    match client.call(&AppGet { app, include: Vec::new() }).await {
        Ok(_) => Ok(false),
        Err(ClientError::Api(error)) if error.code == ErrorCode::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

async fn delete_secrets(client: &Client, names: Vec<String>) {
    for name in names {
        // One that an app has come to name stays.
        drop(client.person(&DeleteSecret { name }).await);
    }
}

fn metrics_request(range: &MetricsRange) -> ServerMetrics {
    let of_container = |name: &String| {
        let measured = OF_CONTAINER.into_iter().filter(|metric| !metric.is_empty());
        measured.map(|metric| format!("{metric}/{name}")).collect::<Vec<_>>()
    };
    let metrics = if range.containers.is_empty() {
        OF_HOST.map(str::to_owned).into()
    } else {
        range.containers.iter().flat_map(of_container).collect()
    };
    let (since, until) = match range.until_ms {
        None => (format!("{}s", range.span_ms / 1_000), None),
        Some(until_ms) => (rfc3339(until_ms.saturating_sub(range.span_ms)), Some(rfc3339(until_ms))),
    };
    ServerMetrics {
        server: range.server.clone(),
        metrics,
        since: Some(since),
        until,
        step: Some(range.step_s),
        app: None,
    }
}

fn rfc3339(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_the_past_names_both_ends() {
        let range = MetricsRange {
            server: "a".to_owned(),
            containers: Vec::new(),
            span_ms: 60_000,
            until_ms: Some(1_800_000_060_000),
            step_s: 1,
        };
        let request = metrics_request(&range);
        assert_eq!(request.since.as_deref(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(request.until.as_deref(), Some("2027-01-15T08:01:00Z"));
        let now = metrics_request(&MetricsRange { until_ms: None, ..range });
        assert_eq!((now.since.as_deref(), now.until), (Some("60s"), None));
    }
}
