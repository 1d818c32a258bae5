//! Planning what goes from a server: one thing by its name, or all that nothing uses. A plan names each thing as it is; one that is no
//! longer so when the plan is applied makes it stale.

use tomo_proto::{
    api::stock::{ImageRemove, NetworkRemove, ServerPrune, VolumeRemove},
    error::ErrorCode,
    id::ServerId,
    model::{
        app::App,
        plan::{Approval, Change, ChangeOp, Choice, Plan, PlannedChange},
        server::Server,
        stock::{Item, Network, short},
    },
};

use crate::{
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        app::{APP_LABEL, refused},
        error::ServiceError,
        lookup,
        plan::{Facts, state_of},
        spec::amount,
        stock::engines_own,
    },
    store::StoreError,
};

/// Things that one plan takes away: more do not fit what a person reads.
const MOST: usize = 200;

/// What a plan says that takes things away.
pub(super) fn facts(server: &Server, choice: Choice, items: &[Item]) -> Facts {
    let bytes = items.iter().filter_map(Item::size_bytes).sum();
    let changes = items.iter().map(|item| Change {
        op: ChangeOp::Remove,
        path: item.path(),
        from: Some(item.size_bytes().map_or_else(|| "size not known".to_owned(), amount)),
        to: None,
    });
    let volumes: Vec<&str> = items
        .iter()
        .filter_map(|item| if let Item::Volume(volume) = item { Some(volume.name.as_str()) } else { None })
        .collect();
    let stopped = items.iter().filter(|item| matches!(item, Item::Container(_))).count();
    let mut losses = Vec::new();
    if !volumes.is_empty() {
        losses.push(format!("everything in the volumes {}", volumes.join(", ")));
    }
    if stopped > 0 {
        losses.push(format!("what {stopped} stopped containers have written beside their volumes"));
    }
    let foreign = items.iter().filter(|item| choice != Choice::Named && !item.ours()).count();
    let mut warnings = Vec::new();
    if foreign > 0 {
        warnings.push(format!("{foreign} of them were not made by Tomo"));
    }
    if choice != Choice::Named {
        warnings.push(format!("layers that images share count for each of them: up to {} are freed", amount(bytes)));
    }
    let (summary, target) = match (choice, items) {
        (Choice::Named, [one]) => {
            let kind = one.path();
            let kind = kind.split_once('.').map_or("", |(kind, _)| kind.trim_end_matches('s'));
            let summary = format!("Remove {kind} \"{}\" from server \"{}\"", one.title(), server.name);
            (summary, one.title())
        }
        _ => {
            let things = if items.len() == 1 { "1 thing".to_owned() } else { format!("{} things", items.len()) };
            let summary = format!("Prune server \"{}\": remove {things}, {}", server.name, amount(bytes));
            (summary, server.name.clone())
        }
    };
    Facts {
        summary,
        target,
        approval: if losses.is_empty() { Approval::Confirm } else { Approval::Human },
        changes: changes.collect(),
        downtime: None,
        data_loss: (!losses.is_empty()).then(|| losses.join("; ")),
        warnings,
        state: state_of(&(server.id, server.agent)),
    }
}

impl Context {
    /// Whether each of a plan's things is still as it was.
    pub(super) async fn still_there(&self, server: ServerId, items: &[Item]) -> Result<bool, ServiceError> {
        let Some(server) = self.store.read(|view| view.get::<Server>(server.to_u64()))? else { return Ok(false) };
        let there: Vec<Item> = self.stock(&server).await?.items().collect();
        Ok(items.iter().all(|item| there.iter().any(|now| now.is_as(item))))
    }

    /// What of a server's things belongs to an app, whether it runs or not: its container, its volumes, its image.
    fn belongs_to_an_app(&self, server: &Server) -> Result<impl Fn(&Item) -> bool + use<>, StoreError> {
        let mut apps = self.store.read(|view| view.list::<App>())?;
        apps.retain(|app| app.server == server.id);
        let ids: Vec<String> = apps.iter().map(|app| app.id.to_string()).collect();
        let live = self.live.server(server.id);
        let containers = live.map(|live| live.containers.as_ref().clone()).unwrap_or_default();
        let containers: Vec<String> = containers
            .into_iter()
            .filter(|one| one.labels.get(APP_LABEL).is_some_and(|app| ids.contains(app)))
            .map(|one| one.id)
            .collect();
        Ok(move |item: &Item| match item {
            Item::Container(container) => containers.contains(&container.id),
            Item::Volume(volume) => {
                apps.iter().any(|app| app.spec.all_volumes().any(|mounted| mounted.source == volume.name))
            }
            Item::Image(image) => {
                let is_named = |wanted: &str| image.names.iter().any(|name| name == wanted);
                apps.iter().any(|app| app.spec.all_images().any(is_named))
            }
            Item::Network(network) => apps.iter().any(|app| network.name == format!("tomo-{}", app.name)),
        })
    }
}

impl Services {
    /// Plans to take one thing away; `fits` tells which.
    async fn plan_removal(
        &self,
        caller: &Caller,
        action: &'static str,
        [server, kind, name]: [&str; 3],
        reason: Option<String>,
        fits: impl Fn(&Item) -> bool,
    ) -> Result<Plan, ServiceError> {
        let server = self.context.whole_server(caller, server)?;
        let there: Vec<Item> = self.context.stock(&server).await?.items().collect();
        let prefix = format!("{kind}s.");
        let Some(item) = there.iter().find(|item| fits(item)).cloned() else {
            let titles: Vec<String> =
                there.iter().filter(|item| item.path().starts_with(&prefix)).map(Item::title).collect();
            let list = format!("{kind}_list {{\"server\":\"{}\"}}", server.name);
            return Err(lookup::not_found(kind, name, titles.iter().map(String::as_str), &list));
        };
        if !item.used_by().is_empty() {
            let users = item.used_by().join(", ");
            let message = format!("{kind} \"{}\" of server \"{}\" is in use by {users}", item.title(), server.name);
            return Err(ServiceError::new(ErrorCode::Conflict, message).with_next("remove what uses it first"));
        }
        if let Some(live) = self.context.live.server(server.id) {
            let what = format!("{kind} \"{}\", which Tomo did not make", item.title());
            let allowed =
                if item.ours() { live.policy.allow_verb("remove") } else { live.policy.allow_foreign("remove", &what) };
            allowed.map_err(|objection| refused(&server.name, objection))?;
        }
        let change = PlannedChange::Discard { server: server.id, choice: Choice::Named, items: vec![item] };
        self.record_plan(caller, action, change, reason).await
    }
}

impl Handle<ImageRemove> for Services {
    async fn handle(&self, caller: Authorized<'_, ImageRemove>, request: ImageRemove) -> Result<Plan, ServiceError> {
        let name = &request.image;
        let fits = |item: &Item| match item {
            Item::Image(image) => image.names.contains(name) || image.id == *name || short(&image.id) == name,
            _ => false,
        };
        let names = [&*request.server, "image", name];
        self.plan_removal(&caller, "image_remove", names, request.reason.clone(), fits).await
    }
}

impl Handle<VolumeRemove> for Services {
    async fn handle(&self, caller: Authorized<'_, VolumeRemove>, request: VolumeRemove) -> Result<Plan, ServiceError> {
        let name = &request.volume;
        let fits = |item: &Item| matches!(item, Item::Volume(volume) if volume.name == *name);
        let names = [&*request.server, "volume", name];
        self.plan_removal(&caller, "volume_remove", names, request.reason.clone(), fits).await
    }
}

impl Handle<NetworkRemove> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, NetworkRemove>,
        request: NetworkRemove,
    ) -> Result<Plan, ServiceError> {
        let name = &request.network;
        if Network::BUILT_IN.contains(&name.as_str()) {
            let list = format!("network_list {{\"server\":\"{}\"}}", request.server);
            return Err(engines_own(name).with_field("network").with_next(list));
        }
        let fits = |item: &Item| match item {
            Item::Network(network) => network.name == *name || network.id == *name || short(&network.id) == name,
            _ => false,
        };
        let names = [&*request.server, "network", name];
        self.plan_removal(&caller, "network_remove", names, request.reason.clone(), fits).await
    }
}

/// Whether a prune is asked to take it. What is in a volume is nowhere else: somebody has to say that it goes.
const fn is_within(request: &ServerPrune, item: &Item) -> bool {
    (request.all || item.ours()) && (request.volumes || !matches!(item, Item::Volume(_)))
}

/// Why a prune has nothing to take, and what widens it to what is unused beside.
fn nothing_within(request: &ServerPrune, server: &str, others: &[Item]) -> ServiceError {
    if others.is_empty() {
        return ServiceError::new(
            ErrorCode::Conflict,
            format!("there is nothing on server \"{server}\" that nothing uses"),
        );
    }
    let volumes = others.iter().any(|item| matches!(item, Item::Volume(_)) && (request.all || item.ours()));
    let (with, switch) = if volumes { ("volumes", "volumes") } else { ("what others made", "all") };
    let mut wider = serde_json::json!({"server": server, "all": request.all, "volumes": request.volumes});
    wider[switch] = true.into();
    let message = format!(
        "nothing uses {} of the things on server \"{server}\", but this takes none of them; some are {with}",
        others.len()
    );
    ServiceError::new(ErrorCode::Conflict, message).with_next(format!("server_prune {wider}"))
}

impl Handle<ServerPrune> for Services {
    async fn handle(&self, caller: Authorized<'_, ServerPrune>, request: ServerPrune) -> Result<Plan, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        self.context.allow_verb(&server, "remove")?;
        if let (true, Some(live)) = (request.all, self.context.live.server(server.id)) {
            let allowed = live.policy.allow_foreign("remove", "what Tomo did not make");
            allowed.map_err(|objection| refused(&server.name, objection))?;
        }
        let belongs = self.context.belongs_to_an_app(&server)?;
        let stock = self.context.stock(&server).await?;
        let unused = stock.items().filter(|item| item.used_by().is_empty() && !belongs(item));
        let (mut items, others): (Vec<Item>, Vec<Item>) = unused.partition(|item| is_within(&request, item));
        if items.is_empty() {
            return Err(nothing_within(&request, &server.name, &others));
        }
        items.truncate(MOST);
        let choice = if request.all { Choice::All } else { Choice::Ours };
        let change = PlannedChange::Discard { server: server.id, choice, items };
        self.record_plan(&caller, "server_prune", change, request.reason).await
    }
}
