//! What a deploy finds on the host before it changes anything: which containers are to be made, and which there are.

use bollard::models::ContainerInspectResponse;
use tomo_proto::{
    error::ErrorCode,
    model::app::{AppSpec, Service},
    text::display_line,
    wire::command::ContainerRef,
};

use crate::{
    commands::{
        Failure,
        deploy::{
            Deploying,
            container::{body_of, files_of, is_made_of, port_in_the_way, volume_in_the_way},
            host,
            swap::{self, Old, app_of, is_on_its_way, label, name_of, runs},
        },
        progress, pull,
    },
    docker::{APP_LABEL, MADE_LABEL},
};

/// A container that is to be made, and the one in whose place it comes.
pub(super) struct Part<'a> {
    pub(super) service: Service<'a>,
    pub(super) old: Option<ContainerInspectResponse>,
    pub(super) image_id: String,
}

impl Part<'_> {
    /// The end of a step's text.
    pub(super) fn of_service(&self) -> String {
        self.service.name.map_or_else(String::new, |name| format!(" of service {name}"))
    }
}

/// Everything that a deploy found.
pub(super) struct Looked<'a> {
    /// What is to be made, each after those it depends on.
    pub(super) parts: Vec<Part<'a>>,
    /// Containers of services that the app does not have any more.
    gone: Vec<ContainerInspectResponse>,
    /// Whether the old container is one that Tomo did not make.
    adopts: bool,
    /// The image of the app's own container.
    pub(super) image_id: String,
}

impl Looked<'_> {
    /// The same for the journal.
    pub(super) fn swaps(&self, app: &str) -> Vec<swap::Part> {
        let called = |old: &ContainerInspectResponse| self.adopts.then(|| name_of(old).to_owned());
        let old =
            |old: &ContainerInspectResponse| Some(Old { id: old.id.clone()?, ran: runs(old), called: called(old) });
        let made = self.parts.iter().map(|part| swap::Part {
            container: part.service.container(app),
            old: part.old.as_ref().and_then(old),
            new: None,
        });
        let gone =
            self.gone.iter().map(|gone| swap::Part { container: name_of(gone).to_owned(), old: old(gone), new: None });
        made.chain(gone).collect()
    }

    fn olds(&self) -> impl Iterator<Item = &ContainerInspectResponse> {
        self.parts.iter().filter_map(|part| part.old.as_ref()).chain(&self.gone)
    }

    /// Old containers that run and have to stop before a new one starts: they have a port that it wants, write to a volume that it
    /// writes to, or answer to a name by which other services reach it.
    pub(super) fn in_the_way_of<'s>(
        &'s self,
        part: &'s Part<'_>,
        spec: &'s AppSpec,
    ) -> impl Iterator<Item = &'s ContainerInspectResponse> {
        self.olds().filter(|old| runs(old)).filter(move |old| {
            let is_its_own = part.old.as_ref().is_some_and(|own| own.id == old.id);
            port_in_the_way(part.service.spec, old)
                || is_its_own && (volume_in_the_way(part.service.spec, old) || spec.is_depended_on(part.service.name))
        })
    }
}

/// Whether a container can become an app's: one that an app has, or that a command made for a while, does not.
pub(in crate::commands) fn check_adopted(found: &ContainerInspectResponse) -> Result<(), Failure> {
    let whose = match (app_of(found), label(found, APP_LABEL).or(label(found, MADE_LABEL))) {
        (Some(app), _) => format!("belongs to app \"{}\"", display_line(app, 60)),
        (None, Some(_)) => "was made by Tomo".to_owned(),
        (None, None) => return Ok(()),
    };
    let message = format!("container \"{}\" {whose} already", display_line(name_of(found), 80));
    Err(Failure::new(ErrorCode::Conflict, message).with_next("choose a container that is no app's"))
}

impl<'a> Deploying<'a> {
    /// The container that the app takes over.
    async fn adopted(&self, container: &ContainerRef) -> Result<ContainerInspectResponse, Failure> {
        let found = self.engine.inspect(container.as_str()).await?;
        check_adopted(&found)?;
        let shown = display_line(name_of(&found), 80);
        let host = found.host_config.as_ref();
        if host.and_then(|host| host.auto_remove) == Some(true) {
            let message = format!("container \"{shown}\" is removed as soon as it stops: it could not be put back");
            return Err(Failure::new(ErrorCode::Conflict, message).with_next("run it anew without --rm"));
        }
        Ok(found)
    }

    /// Looks whether the host can take it, and has its images come. Changes nothing else.
    pub(super) async fn look(&self) -> Result<Looked<'a>, Failure> {
        let (engine, deploy, events) = (self.engine, self.deploy, self.events);
        progress(events, "check the host", None).await;
        let app = deploy.app.to_string();
        let mut parts = Vec::new();
        for service in deploy.spec.in_order() {
            let name = service.container(&deploy.name);
            let mut old = engine.find(&name).await?;
            if let (Some(adopts), None) = (&deploy.adopts, service.name) {
                let adopted = self.adopted(adopts).await?;
                if old.as_ref().is_some_and(|old| old.id != adopted.id) {
                    let message = format!("a container called \"{name}\" is there already");
                    return Err(Failure::new(ErrorCode::Conflict, message)
                        .with_next("choose another name for the app, or remove it"));
                }
                old = Some(adopted);
            } else if old.as_ref().is_some_and(|old| label(old, APP_LABEL) != Some(&app)) {
                let message = format!("a container called \"{name}\" is there that does not belong to this app");
                return Err(Failure::new(ErrorCode::Conflict, message)
                    .with_next("choose another name for the app, or remove it"));
            }
            parts.push(Part { service, old, image_id: String::new() });
        }
        let mut gone = Vec::new();
        for found in engine.list().await? {
            let name = found.names.iter().flatten().next().map_or("", |name| name.trim_start_matches('/'));
            let is_own = found.labels.as_ref().and_then(|labels| labels.get(APP_LABEL)) == Some(&app);
            let is_known = parts.iter().any(|part| part.service.container(&deploy.name) == name);
            if is_own && !is_known && !is_on_its_way(name) {
                gone.extend(engine.find(name).await?);
            }
        }
        let about = engine.about().await?;
        let mut looked = Looked { parts, gone, adopts: deploy.adopts.is_some(), image_id: String::new() };
        host::check_ports(deploy, &looked.olds().collect::<Vec<_>>(), events).await?;
        host::check_room(&about, &looked, &deploy.spec, events).await?;
        for part in &mut looked.parts {
            let name = &part.service.spec.image;
            let image = pull::ensure(engine, name, events).await?;
            host::check_architecture(&about, &image, name)?;
            if part.service.name.is_none() {
                looked.image_id.clone_from(&image.id);
            }
            part.image_id = image.id;
        }
        // A service that would be made anew as it is goes on; the app's own container is always a new one.
        let mut parts = Vec::new();
        for part in looked.parts {
            let body = body_of(deploy, &part.service, &part.image_id, &self.free_ports)?;
            let files = files_of(deploy, part.service.spec)?;
            let stays = match part.old.as_ref().filter(|old| part.service.name.is_some() && runs(old)) {
                Some(old) => is_made_of(engine, &body, &files, old).await?,
                None => false,
            };
            if !stays {
                parts.push(part);
            }
        }
        Ok(Looked { parts, ..looked })
    }
}
