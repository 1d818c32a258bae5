//! Tables that are read often, decoded: each as it is after one of its changes. Whoever reads knows how often the table of its view
//! was changed, so that a view never sees more or less than its own moment.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::Record;

type Tables = HashMap<&'static str, (u64, Arc<dyn Any + Send + Sync>)>;

#[derive(Debug, Default)]
pub(super) struct Decoded {
    tables: Mutex<Tables>,
}

impl Decoded {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A table as it is after so many changes, if that is the one that is kept.
    pub(super) fn get<R: Record>(&self, changes: u64) -> Option<Arc<Vec<R>>> {
        let tables = self.tables();
        let (known, records) = tables.get(R::TABLE)?;
        if *known != changes {
            return None;
        }
        Arc::clone(records).downcast().ok()
    }

    /// Keeps a table, unless a newer one is kept.
    pub(super) fn put<R: Record>(&self, changes: u64, records: Arc<Vec<R>>) {
        let mut tables = self.tables();
        if tables.get(R::TABLE).is_none_or(|(known, _)| *known < changes) {
            tables.insert(R::TABLE, (changes, records));
        }
    }

    /// Forgets everything: the file was closed, and another may be opened.
    pub(super) fn clear(&self) {
        self.tables().clear();
    }
}
