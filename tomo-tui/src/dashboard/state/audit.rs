//! Rows of the audit trail, and what its check found.

use tomo_proto::api::audit::{AuditSearchAnswer, AuditVerifyAnswer};

use crate::{
    client::ClientError,
    dashboard::{
        state::{Fetch, State},
        views::View,
    },
};

impl State {
    pub(super) fn took_audit(&mut self, cursor: Option<String>, told: Result<AuditSearchAnswer, ClientError>) {
        if cursor.is_none() {
            self.fetched(Fetch::View);
        }
        match (told, &mut self.view) {
            (Ok(answer), View::Audit(view)) => {
                self.refused = None;
                view.take(cursor, answer);
                self.effects.extend(view.read_on());
            }
            (Err(error), View::Audit(_)) if cursor.is_none() => self.refuse(Fetch::View, error),
            (Err(error), view) => {
                if let View::Audit(view) = view {
                    view.resume();
                }
                self.failed(error);
            }
            _ => {}
        }
    }

    pub(super) fn took_verdict(&mut self, told: Result<AuditVerifyAnswer, ClientError>) {
        self.fetched(Fetch::View);
        match (told, &mut self.view) {
            (Ok(answer), View::Verdict(view)) => {
                self.refused = None;
                view.answer = Some(answer);
            }
            (Err(error), View::Verdict(_)) => self.refuse(Fetch::View, error),
            (Err(error), _) => self.failed(error),
            _ => {}
        }
    }
}
