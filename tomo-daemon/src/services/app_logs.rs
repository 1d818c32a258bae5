//! Log lines of containers, straight from their server, those of an app as one log. The cursor says what was read of each: nothing that
//! is kept between two calls is needed for the next.

mod page;
mod reader;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::future::{join_all, try_join_all};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tomo_proto::{
    api::app::{AppLogs, AppLogsAnswer},
    error::ErrorCode,
    id::{AppId, CommandId},
    model::{
        app::{App, Service},
        server::Server,
    },
    wire::command::{Command, CommandEvent, CommandRequest, ContainerRef},
};

use page::{Cursor, Joined, Page};
pub(super) use reader::Kept;
use reader::{Place, Reader, Reading};

use crate::{
    crypto,
    live::Topic,
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        audit::limit,
        error::ServiceError,
        lookup, span,
    },
};

/// Longest wait for a line.
const WAIT_MAX: u32 = 50;
/// An agent has this long for lines that are there.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// What comes this soon behind a line that was waited for comes along with it.
const BEHIND: Duration = Duration::from_millis(120);

/// A watched log is followed by one command for this long, then by the next.
const FOLLOW_MS: u64 = 600_000;
/// Pause before a log that cannot be followed is tried again.
const FOLLOW_AGAIN: Duration = Duration::from_secs(5);

/// Who watches which log.
pub(super) type LogWatches = Mutex<HashMap<AppId, Weak<LogWatch>>>;

/// While it lives, new lines in an app's log are told as [`Topic::AppLogs`].
#[derive(Debug)]
pub struct LogWatch {
    _follower: AbortOnDropHandle<()>,
}

impl Handle<AppLogs> for Services {
    async fn handle(&self, caller: Authorized<'_, AppLogs>, request: AppLogs) -> Result<AppLogsAnswer, ServiceError> {
        let (found, is_whole) = self.context.store.read(|view| {
            let found = lookup::service(view, &caller, &request.app)?;
            Ok::<_, ServiceError>((found, lookup::app(view, &caller, &request.app).is_ok()))
        })?;
        let (app, server, service) = found;
        let sources = match service {
            // Asked about the app, all its services are read as one log.
            None if is_whole => sources(&app)?,
            one => vec![Source::of(&app, Service { name: one.as_deref(), spec: &app.spec }, None)?],
        };
        let AppLogs { tail, since, grep, cursor, latest, wait_s, .. } = request;
        let query = Query { tail, since, grep, cursor, latest, wait_s };
        self.context.read_logs(&caller, &server, sources, query).await
    }
}

/// A container whose log is read.
#[derive(Debug)]
pub(super) struct Source {
    container: ContainerRef,
    /// What its lines are marked with.
    service: Option<String>,
}

impl Source {
    pub(super) const fn container(container: ContainerRef) -> Self {
        Self { container, service: None }
    }

    fn of(app: &App, service: Service<'_>, mark: Option<String>) -> Result<Self, ServiceError> {
        let container = ContainerRef::new(service.container(&app.name));
        let container = container.map_err(|error| ServiceError::new(ErrorCode::Invalid, error))?;
        Ok(Self { container, service: mark })
    }
}

/// Every container of an app.
fn sources(app: &App) -> Result<Vec<Source>, ServiceError> {
    let services = app.spec.in_order();
    let marked = services.len() > 1;
    let own = || app.spec.alias.clone().unwrap_or_else(|| app.name.clone());
    let mark = |service: &Service<'_>| marked.then(|| service.name.map_or_else(own, str::to_owned));
    services.into_iter().map(|service| Source::of(app, service, mark(&service))).collect()
}

/// Which lines of a log.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) tail: Option<u32>,
    pub(super) since: Option<String>,
    pub(super) grep: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) latest: bool,
    pub(super) wait_s: Option<u32>,
}

impl Context {
    /// Reads the logs of containers of one server as one, by time.
    ///
    /// # Errors
    /// What was asked for does not fit, or the agent is away or says no.
    pub(super) async fn read_logs(
        &self,
        caller: &Caller,
        server: &Server,
        sources: Vec<Source>,
        query: Query,
    ) -> Result<AppLogsAnswer, ServiceError> {
        let lines = limit(query.tail, 100, 1_000)?;
        let wait_s = query.wait_s.unwrap_or(0);
        if wait_s > WAIT_MAX {
            return Err(ServiceError::new(ErrorCode::Invalid, format!("wait_s is 0 to {WAIT_MAX}, not {wait_s}"))
                .with_field("wait_s"));
        }
        let now_ms = self.clock.now_ms();
        let since = query.since.as_deref().map(|since| span::parse(since, "since", now_ms)).transpose()?;
        let cursors = query.cursor.iter().flat_map(|text| text.split(',')).map(Cursor::parse);
        let cursors = cursors.collect::<Result<Vec<Cursor>, _>>()?;
        let follow = (!cursors.is_empty() || since.is_some()) && wait_s > 0;
        let reads_on = !cursors.is_empty() || follow;
        let latest = query.latest && !cursors.is_empty();
        let place = Place {
            server: server.id,
            containers: sources.iter().map(|source| source.container.clone()).collect(),
            grep: query.grep,
            cursor: query.cursor.unwrap_or_default(),
        };
        let kept = if follow { self.kept_logs.take(&place) } else { None };
        let most = reads_on.then_some(lines);
        let mut readers = kept.unwrap_or_else(|| {
            let reader = |(at, source)| {
                // A service that came after the cursor is read from its beginning.
                let start = cursors.get(at).copied().unwrap_or(Cursor { at_ms: since.unwrap_or(0), count: 0 });
                Reader::new(source, Page::new(start))
            };
            sources.into_iter().enumerate().map(reader).collect()
        });
        let reading = Reading {
            tail: if reads_on && !latest { None } else { u32::try_from(lines).ok() },
            follow,
            deadline: if follow { Duration::from_secs(wait_s.into()) } else { READ_TIMEOUT },
            grep: place.grep.as_deref(),
            came: &CancellationToken::new(),
        };
        try_join_all(readers.iter_mut().map(|reader| {
            reader.page.turn(most);
            reader.read(self, caller, server, &reading)
        }))
        .await?;
        let has_ended = readers.iter().all(|reader| reader.has_ended);
        let mut pages: Vec<&mut Page> = readers.iter_mut().map(|reader| &mut reader.page).collect();
        let joined = if reads_on { page::oldest(&mut pages, lines) } else { page::newest(&mut pages, lines) };
        let Joined { lines, truncated, cursors, more, skipped } = joined;
        let truncated = u32::try_from(truncated).unwrap_or(u32::MAX);
        let next_cursor = cursors.into_iter().map(Cursor::to_text).collect::<Vec<_>>().join(",");
        // Whoever wants the newest lines does not go on from where more came than fit.
        if follow && !(latest && more) {
            self.keep_open(Place { cursor: next_cursor.clone(), ..place }, readers);
        }
        Ok(AppLogsAnswer { lines, truncated, skipped, more, next_cursor, ended: has_ended && !more })
    }
}

impl Services {
    /// Tells of new lines in an app's log for as long as the returned value lives. All who watch one log share one follower.
    #[must_use]
    pub fn watch_app_logs(&self, app: AppId) -> Arc<LogWatch> {
        let mut watches = self.context.log_watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, watch| watch.strong_count() > 0);
        if let Some(watch) = watches.get(&app).and_then(Weak::upgrade) {
            return watch;
        }
        let follower = self.context.tasks.spawn(Arc::clone(&self.context).tell_of_lines(app));
        let watch = Arc::new(LogWatch { _follower: AbortOnDropHandle::new(follower) });
        watches.insert(app, Arc::downgrade(&watch));
        watch
    }
}

impl Context {
    async fn tell_of_lines(self: Arc<Self>, app: AppId) {
        loop {
            tokio::select! {
                () = self.follow_lines(app) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Follows the log of each of an app's containers for a while, whether another one has ended or not; then the app may have others.
    async fn follow_lines(&self, app: AppId) {
        let app = self.store.read(|view| view.get::<App>(app.to_u64()));
        let sources = app.ok().flatten().and_then(|app| Some((sources(&app).ok()?, app)));
        let Some((sources, app)) = sources else { return sleep(FOLLOW_AGAIN).await };
        let follow = async |source: Source| {
            loop {
                self.follow_container(&app, source.container.clone()).await;
                sleep(FOLLOW_AGAIN).await;
            }
        };
        // None of them ends by itself.
        drop(timeout(Duration::from_millis(FOLLOW_MS), join_all(sources.into_iter().map(follow))).await);
    }

    /// Follows a log until it ends or its agent goes away.
    async fn follow_container(&self, app: &App, container: ContainerRef) {
        let now_ms = self.clock.now_ms();
        let command = Command::ReadLogs { container, tail: Some(0), since_ms: None, follow: true };
        let id = CommandId::from_parts(now_ms, crypto::random_u32());
        let request = CommandRequest { id, deadline_ms: FOLLOW_MS, command, logins: Vec::new() };
        let Ok(mut sent) = self.hub.send(app.server, request).await else { return };
        while let Some(event) = sent.events.recv().await {
            match event {
                CommandEvent::Log { .. } => self.live.publish(Topic::AppLogs(app.id)),
                CommandEvent::Outcome(_) => return,
                _ => {}
            }
        }
    }
}
