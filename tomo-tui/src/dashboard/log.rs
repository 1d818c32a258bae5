//! What a view of a log has done for it: lines read from the daemon.

use tomo_proto::api::{
    app::{AppLogs, AppLogsAnswer},
    container::ContainerLogs,
};

use crate::{
    client::{Client, ClientError},
    dashboard::views::logs::{LogFrom, LogOf},
};

/// A view waits this long for a new line before it asks again.
const WAIT_S: u32 = 25;
/// The same for the first line of a time.
const FIRST_WAIT_S: u32 = 1;
/// Lines a view begins with.
const TAIL: u32 = 500;
/// Lines of one answer, at the most.
const PAGE: u32 = 1_000;

/// Reads lines, or waits for some.
///
/// # Errors
/// Those of the daemon.
pub(super) async fn read(client: &Client, of: LogOf, from: LogFrom) -> Result<AppLogsAnswer, ClientError> {
    let (tail, since, cursor, wait_s) = match from {
        LogFrom::Newest => (TAIL, None, None, None),
        LogFrom::Minutes(minutes) => (PAGE, Some(format!("{minutes}m")), None, Some(FIRST_WAIT_S)),
        LogFrom::Cursor(cursor) => (PAGE, None, Some(cursor), Some(WAIT_S)),
    };
    let (tail, grep) = (Some(tail), None);
    match of {
        LogOf::App(app) => client.call(&AppLogs { app, tail, since, grep, cursor, wait_s }).await,
        LogOf::Container { server, container } => {
            client.call(&ContainerLogs { server, container, tail, since, grep, cursor, wait_s }).await
        }
    }
}
