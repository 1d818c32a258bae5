//! One thing done to several objects: a few at a time, each to its end, each told of by its name.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc;
use tomo_proto::{
    api::operation::OperationGet,
    model::operation::{Operation, OperationStatus},
};

use crate::{
    client::{Client, ClientError},
    dashboard::{
        effect::{Effect, carry_out},
        event::{Answer, Event},
        state::undo::Undo,
    },
};

/// Objects that are under way at a time.
const AT_ONCE: usize = 8;
/// Seconds that one call waits for the end of an operation.
const WAIT_S: u32 = 50;

/// What is done to one of them.
#[derive(Debug)]
pub(crate) struct Task {
    /// What a person calls it.
    pub(crate) name: String,
    pub(crate) effect: Effect,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// What takes it back, if something does.
    pub(crate) told: Result<Option<Undo>, Undone>,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Undone {
    /// The daemon says no, or cannot be reached.
    Refused(ClientError),
    Failed(String),
}

/// Does them all; each tells by an event what came of it.
pub(super) async fn carry_out_all(client: Client, tasks: Vec<Task>, events: mpsc::Sender<Event>) {
    let outcomes = stream::iter(tasks).map(|Task { name, effect }| {
        let client = &client;
        async move {
            // A panic is that of one of them.
            let told = AssertUnwindSafe(to_its_end(client, effect)).catch_unwind().await;
            let told = told
                .unwrap_or_else(|_| Err(Undone::Failed("something inside went wrong; the log has more".to_owned())));
            Outcome { name, told }
        }
    });
    let mut outcomes = std::pin::pin!(outcomes.buffer_unordered(AT_ONCE));
    while let Some(outcome) = outcomes.next().await {
        if events.send(Event::Answer(Answer::OfSeveral(outcome))).await.is_err() {
            return;
        }
    }
}

async fn to_its_end(client: &Client, effect: Effect) -> Result<Option<Undo>, Undone> {
    let answer = match carry_out(client, effect).await {
        Some(Answer::Approved(Ok(plan), true)) => carry_out(client, Effect::Apply(plan.plan.to_string())).await,
        answer => answer,
    };
    match answer {
        Some(Answer::Started(Ok(operation))) => ended(client, *operation).await,
        Some(Answer::PeopleChanged(told)) => told.map(|changed| changed.back.map(Undo::role)).map_err(Undone::Refused),
        Some(
            Answer::Planned(Ok(_), _)
            | Answer::Approved(Ok(_), _)
            | Answer::Denied(Ok(_))
            | Answer::Cancelled(Ok(_))
            | Answer::RegistryChanged(Ok(_)),
        ) => Ok(None),
        Some(
            Answer::Started(Err(error))
            | Answer::Planned(Err(error), _)
            | Answer::Approved(Err(error), _)
            | Answer::Denied(Err(error))
            | Answer::Cancelled(Err(error))
            | Answer::RegistryChanged(Err(error)),
        ) => Err(Undone::Refused(error)),
        _ => Err(Undone::Failed("it cannot be done to several at once".to_owned())),
    }
}

/// Waits until an operation has ended.
async fn ended(client: &Client, mut operation: Operation) -> Result<Option<Undo>, Undone> {
    while !operation.status.is_final() {
        let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(WAIT_S) };
        operation = client.call(&request).await.map_err(Undone::Refused)?;
    }
    match operation.status {
        OperationStatus::Succeeded => Ok(Undo::of(&operation)),
        status => {
            Err(Undone::Failed(operation.error.map_or_else(|| status.as_str().to_owned(), |error| error.message)))
        }
    }
}
