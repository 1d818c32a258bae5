//! Images, volumes and networks of a server: listed, pulled, made. What goes is a plan: see `discard`.

use tomo_proto::{
    api::{
        check_name,
        stock::{
            ImageList, ImageListAnswer, ImagePull, NetworkCreate, NetworkList, NetworkListAnswer, VolumeCreate,
            VolumeList, VolumeListAnswer,
        },
    },
    error::ErrorCode,
    model::{
        operation::{Operation, OperationKind},
        server::Server,
        spec::check_image,
        stock::Network,
    },
    wire::command::Command,
};

use crate::{
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        app::refused,
        error::ServiceError,
        lookup,
    },
    store::records::Work,
};

impl Context {
    /// A server whose things are not one app's: whoever sees some apps only sees none of them.
    pub(super) fn whole_server(&self, caller: &Caller, text: &str) -> Result<Server, ServiceError> {
        let server = self.store.read(|view| lookup::server(view, caller, text))?;
        if caller.selectors.apps.is_empty() {
            return Ok(server);
        }
        let message = "this token sees some apps only: images, volumes and networks belong to the whole server";
        Err(ServiceError::new(ErrorCode::Denied, message).with_next("auth_whoami {}"))
    }

    /// Whether the server's policy, as it was last told, allows a verb. The agent decides by the file.
    pub(super) fn allow_verb(&self, server: &Server, verb: &str) -> Result<(), ServiceError> {
        let Some(live) = self.live.server(server.id) else { return Ok(()) };
        live.policy.allow_verb(verb).map_err(|objection| refused(&server.name, objection))
    }
}

impl Handle<ImageList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ImageList>,
        request: ImageList,
    ) -> Result<ImageListAnswer, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        Ok(ImageListAnswer { images: self.context.stock(&server).await?.images })
    }
}

impl Handle<VolumeList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeList>,
        request: VolumeList,
    ) -> Result<VolumeListAnswer, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        Ok(VolumeListAnswer { volumes: self.context.stock(&server).await?.volumes })
    }
}

impl Handle<NetworkList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, NetworkList>,
        request: NetworkList,
    ) -> Result<NetworkListAnswer, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        Ok(NetworkListAnswer { networks: self.context.stock(&server).await?.networks })
    }
}

impl Handle<ImagePull> for Services {
    async fn handle(&self, caller: Authorized<'_, ImagePull>, request: ImagePull) -> Result<Operation, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        check_image(&request.image)
            .map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("image"))?;
        self.context.allow_verb(&server, "pull")?;
        if let Some(live) = self.context.live.server(server.id) {
            live.policy.allow_image(&request.image).map_err(|objection| refused(&server.name, objection))?;
        }
        let command = Command::PullImage { image: request.image.clone() };
        let work = Work::OnServer { server: server.id, kind: OperationKind::PullImage, command };
        self.context
            .operate(&caller, &server, ["image_pull", "image", &request.image], request.reason.as_ref(), work)
            .await
    }
}

impl Handle<VolumeCreate> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeCreate>,
        request: VolumeCreate,
    ) -> Result<Operation, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        check_name(&request.name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("name"))?;
        self.context.allow_verb(&server, "create")?;
        let command = Command::CreateVolume { name: request.name.clone() };
        let work = Work::OnServer { server: server.id, kind: OperationKind::CreateVolume, command };
        self.context
            .operate(&caller, &server, ["volume_create", "volume", &request.name], request.reason.as_ref(), work)
            .await
    }
}

/// What nobody makes or removes.
pub(super) fn engines_own(network: &str) -> ServiceError {
    ServiceError::new(ErrorCode::Invalid, format!("network \"{network}\" is the engine's own"))
}

impl Handle<NetworkCreate> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, NetworkCreate>,
        request: NetworkCreate,
    ) -> Result<Operation, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        check_name(&request.name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("name"))?;
        if Network::BUILT_IN.contains(&request.name.as_str()) {
            return Err(engines_own(&request.name).with_field("name").with_next("choose another name"));
        }
        self.context.allow_verb(&server, "create")?;
        let command = Command::CreateNetwork { name: request.name.clone(), internal: request.internal };
        let work = Work::OnServer { server: server.id, kind: OperationKind::CreateNetwork, command };
        self.context
            .operate(&caller, &server, ["network_create", "network", &request.name], request.reason.as_ref(), work)
            .await
    }
}
