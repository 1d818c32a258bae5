//! The composition root: opens the store, starts the hub, the services and the listeners, and ends them in turn.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use tomo_proto::{
    api::check_name,
    id::{SessionId, UserId},
    model::{
        audit::AuditOutcome,
        user::{Role, User, check_password},
    },
};

use crate::{
    backup,
    catalog::Catalog,
    clock::{Clock, date},
    config::{CatalogConfig, Config},
    crypto,
    data::{self, DATA_KEY, STORE},
    door::{Door, Way},
    http::{self, Http},
    hub::Hub,
    live::Live,
    mcp::{self, ServerHandler, Surface},
    services::{Services, Trail},
    store::{
        NewAuditEntry, Store,
        records::{SessionRecord, UserRecord, VAULT_KEY, VaultRecord},
    },
    tls::{self, Authority},
    vault::{self, DataKey, Vault},
};

/// The systemd credential that can hold the master password.
const CREDENTIAL: &str = "tomo-master-password";

/// The running daemon.
#[derive(Debug)]
pub struct Daemon {
    store: Store,
    hub: Hub,
    services: Arc<Services>,
    http: Http,
    door: Option<Door>,
}

impl Daemon {
    /// Makes the data folder: store, CA, keys, and the first admin if one is given. Fails if there is one already.
    ///
    /// # Errors
    /// Names the file or folder and what to do.
    pub async fn init(data: &Path, admin: Option<(&str, &str)>, clock: &Clock) -> anyhow::Result<()> {
        if let Some((name, password)) = admin {
            check_name(name).map_err(anyhow::Error::msg)?;
            check_password(password).map_err(anyhow::Error::msg)?;
        }
        let making = data::begin(data)?;
        if !data.join("ca.key").exists() {
            Authority::create(data, clock)?;
        }
        vault::open_key_file(&data.join(DATA_KEY))?;
        let store = Store::create(&making.join(STORE), &tls::signing_key(data)?)?;
        if let Some((name, password)) = admin {
            add_admin(&store, name, password, clock).await?;
        }
        store.shutdown().await;
        data::finish(data)
    }

    /// Opens everything and serves.
    ///
    /// # Errors
    /// Names the file, folder or port and what to do.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        Self::start_with(config, clock, mcp::handlers).await
    }

    /// As [`Self::start`], with another MCP server behind the same transport, sign-in and limits: how the transport is held
    /// against the official suite, which calls tools of its own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with<H, S>(
        config: Config,
        clock: Clock,
        handlers: impl FnOnce(Arc<Services>, Live) -> anyhow::Result<H>,
    ) -> anyhow::Result<Self>
    where
        H: Fn(Surface) -> S + Clone + Send + Sync + 'static,
        S: ServerHandler + Send,
    {
        let data = &config.data;
        let store = open_store(data, &clock)?;
        data::clear(data)?;
        let vault = open_vault(&config, &store)?;
        let authority = Authority::open(data, &clock)?;
        let live = Live::new(clock.clone());
        let hub = Hub::start(&config.hub, authority.clone(), store.clone(), live.clone(), clock.clone()).map_err(
            |error| {
                let error = anyhow::Error::from(error);
                anyhow::anyhow!(
                    "{error:#}: stop what uses that UDP port, or choose another (hub.listen; --port of tomo local)"
                )
            },
        )?;
        let (listener, url) = http::bind(&config.http).await?;
        let CatalogConfig { folders, urls } = config.catalog.clone();
        let catalog = Catalog::new(folders, &urls, &data.join("catalogs"))?;
        let volumes = config.backups.volumes.clone();
        let services =
            Services::start(data, store.clone(), hub.clone(), live.clone(), vault, clock, url, catalog, volumes)
                .await?;
        let handlers = handlers(Arc::clone(&services), live)?;
        let http = Http::start(&config, listener, &services, &authority, handlers).await?;
        let way = Way { url: http.local_url(), fingerprint: http.fingerprint().map(str::to_owned) };
        let door = Door::open(&config.ssh, data, &services, way).await?;
        tracing::info!(http = %http.local_addr(), agents = %hub.local_addr(), tls = http.fingerprint().unwrap_or("none"), "the daemon serves");
        Ok(Self { store, hub, services, http, door })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Where agents connect.
    #[must_use]
    pub fn hub_addr(&self) -> SocketAddr {
        self.hub.local_addr()
    }

    /// Where the dashboard is shown over SSH, if it is.
    #[must_use]
    pub fn ssh_addr(&self) -> Option<SocketAddr> {
        self.door.as_ref().map(Door::address)
    }

    /// The services, for `tomo local`.
    #[must_use]
    pub const fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Stops listening, lets requests end (5 s at most), closes links and store.
    pub async fn shutdown(self) {
        if let Some(door) = self.door {
            door.shutdown().await;
        }
        self.http.shutdown().await;
        self.services.shutdown().await;
        self.hub.shutdown().await;
        self.store.shutdown().await;
    }

    /// Sets a person's password and ends that person's logins. Needs the daemon stopped.
    ///
    /// # Errors
    /// The store is in use, or there is no such person.
    pub async fn reset_password(data: &Path, name: &str, password: &str, clock: &Clock) -> anyhow::Result<()> {
        check_password(password).map_err(anyhow::Error::msg)?;
        let store = open_store(data, clock)?;
        let (name, hash, at_ms) = (name.to_owned(), crypto::hash_password(password)?, clock.now_ms());
        let done = store
            .write(move |change| {
                let users = change.list::<UserRecord>()?;
                let names: Vec<&str> = users.iter().map(|record| record.user.name.as_str()).collect();
                let Some(mut record) = users.iter().find(|record| record.user.name == name).cloned() else {
                    bail!("there is no user \"{name}\"; there are: {}", names.join(", "));
                };
                record.password_hash = hash;
                change.put(&record)?;
                for session in change.list::<SessionRecord>()? {
                    if session.session.user == record.user.id {
                        change.remove::<SessionRecord>(SessionId::to_u64(session.session.id));
                    }
                }
                change.audit(offline_entry("user.reset_password", &name, at_ms));
                Ok(())
            })
            .await;
        store.shutdown().await;
        done
    }

    /// Restores a backup as a data folder that holds no store yet; what was done, as text.
    ///
    /// # Errors
    /// Names the backup or folder, what is wrong with it and what to do; there is no store then.
    pub async fn restore(
        file: &Path,
        data: &Path,
        password: &str,
        older: bool,
        clock: &Clock,
    ) -> anyhow::Result<String> {
        let at_ms = clock.now_ms();
        let mark = |head: &backup::Head| NewAuditEntry {
            resource_type: "backup".to_owned(),
            details: format!("backup {} of {}, release {}", head.number, date(head.created_at), head.release),
            ..offline_entry("backup.restore", "", at_ms)
        };
        let (head, restored) = backup::restore(file, data, password.as_bytes(), older, at_ms, mark).await?;
        Ok(format!(
            "backup {} is restored to {}: {} files, {} audit rows verified",
            head.number,
            data.display(),
            restored.files,
            restored.rows
        ))
    }

    /// Checks the store, the audit trail, and that the trail fits the daemon's own witness; what is found, as text. Needs the daemon
    /// stopped.
    ///
    /// # Errors
    /// The store cannot be opened, or the audit trail was tampered with.
    pub async fn check(data: &Path, clock: &Clock) -> anyhow::Result<String> {
        let store = open_store(data, clock)?;
        let trail = Trail::check(&store);
        store.shutdown().await;
        let trail = trail?;
        if let Some(broken) = trail.broken(&[]) {
            bail!("the audit trail was tampered with: {broken}");
        }
        let (check, heads) = (&trail.chain, trail.own.heads());
        Ok(format!(
            "the store is sound; {} audit rows verified, head {}, {heads} heads in the daemon's own witness fit",
            check.rows, check.head
        ))
    }
}

/// Opens the store of a data folder.
fn open_store(data: &Path, clock: &Clock) -> anyhow::Result<Store> {
    let path = data.join(STORE);
    if !path.exists() {
        bail!("there is no store at {}: run `tomo-daemon init` first, or give the right --data", path.display());
    }
    Ok(Store::open(&path, &tls::signing_key(data)?, clock.now_ms())?)
}

/// The vault as it is at the start: open with the key file; or, with a master password, open if the host gives it and sealed if not.
fn open_vault(config: &Config, store: &Store) -> anyhow::Result<Vault> {
    let key_file = config.data.join(DATA_KEY);
    let Some(record) = store.read(|view| view.get::<VaultRecord>(VAULT_KEY))? else {
        return Ok(Vault::new(Some(vault::open_key_file(&key_file)?), key_file));
    };
    // A daemon that was killed while it took the key file over.
    vault::remove_key_file(&key_file)?;
    let key = match unlock_at_start(config, &record) {
        Ok(Some(key)) => Some(key),
        Ok(None) => {
            tracing::warn!("the vault is sealed: secrets cannot be used until `tomo vault unlock`");
            None
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the vault stays sealed until `tomo vault unlock`");
            None
        }
    };
    Ok(Vault::new(key, key_file))
}

/// Unlocks with the password that the configuration or a systemd credential gives, if there is one.
fn unlock_at_start(config: &Config, record: &VaultRecord) -> anyhow::Result<Option<DataKey>> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(CREDENTIAL));
    let configured = Some(&config.vault.password_file).filter(|path| !path.as_os_str().is_empty()).cloned();
    let Some(path) = configured.or_else(|| credential.filter(|path| path.exists())) else { return Ok(None) };
    let password = crypto::read_private(&path)?;
    let line = password.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let key = record.wrapped.unwrap(line).with_context(|| format!("{} does not open the vault", path.display()))?;
    Ok(Some(key))
}

fn offline_entry(action: &str, user: &str, at_ms: u64) -> NewAuditEntry {
    NewAuditEntry {
        at_ms,
        actor: "daemon".to_owned(),
        action: action.to_owned(),
        resource_type: "user".to_owned(),
        resource: user.to_owned(),
        outcome: AuditOutcome::Ok,
        reason: None,
        details: "on the daemon's own host".to_owned(),
        ip_address: String::new(),
    }
}

async fn add_admin(store: &Store, name: &str, password: &str, clock: &Clock) -> anyhow::Result<()> {
    let now_ms = clock.now_ms();
    let user = User {
        id: UserId::from_parts(now_ms, crypto::random_u32()),
        name: name.to_owned(),
        email: None,
        role: Role::Admin,
        created_at: now_ms,
        last_login_at: None,
    };
    let record = UserRecord { user, password_hash: crypto::hash_password(password)? };
    let entry = offline_entry("user.create", name, now_ms);
    store
        .write(move |change| {
            change.put(&record)?;
            change.audit(entry);
            Ok(())
        })
        .await
}
