//! The one writer: a thread that takes what is queued, writes it in one transaction, and answers after the commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use redb::WriteTransaction;
use tokio::sync::{mpsc, oneshot};

use crate::{
    crypto::SigningKey,
    store::{StoreError, WriteTx, audit, file::StoreFile, heads::Heads},
};

/// Changes that wait; whoever comes when it is full waits too.
const QUEUE: usize = 1024;

/// Most changes in one commit, so that the first of them does not wait for ever.
const GROUP: usize = 256;

/// Runs one change in the group's transaction; gives back how to answer it once the commit's fate is known.
type Job = Box<dyn FnOnce(&WriteTransaction, &std::path::Path) -> Result<Answer, StoreError> + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(file: Arc<StoreFile>, signer: SigningKey, heads: Arc<Heads>) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&file, &signer, &heads, jobs))
            .map_err(|error| StoreError::Other(format!("the store's writer does not start: {error}")))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn submit<T, E>(
        &self,
        change: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job: Job = Box::new(move |transaction, path| {
            let mut view = WriteTx::new(transaction, path);
            // A panic in one change must not take the others, or the writer, with it.
            let result = catch_unwind(AssertUnwindSafe(|| change(&mut view)));
            let result = result.unwrap_or_else(|_| Err(StoreError::Other("a change panicked".to_owned()).into()));
            if result.is_ok() {
                view.apply()?;
            }
            Ok(Box::new(move |committed: Result<(), StoreError>| {
                // Whoever asked may have gone away; then nobody wants the answer.
                drop(answer.send(result.and_then(|value| committed.map(|()| value).map_err(E::from))));
            }))
        });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gone = || E::from(StoreError::Other("the store is closed".to_owned()));
        queue.ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        outcome.await.unwrap_or_else(|_| Err(StoreError::Other("the change was not committed".to_owned()).into()))
    }

    pub(super) async fn shutdown(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread ends once the queue is empty and no sender is left.
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }
}

fn serve(file: &StoreFile, signer: &SigningKey, heads: &Heads, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            let Ok(job) = jobs.try_recv() else { break };
            group.push(job);
        }
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let path = file.path().to_owned();
        let outcome = file.commit(|transaction| {
            for job in group {
                answers.push(job(transaction, &path)?);
            }
            audit::seal(transaction, &path, signer, heads.newest_row())
        });
        let outcome = outcome.map(|head| heads.note(head));
        // A job that was not reached has dropped its answer: its caller reads "not committed".
        for answer in answers {
            answer(outcome.clone());
        }
    }
}
