//! Compose files for whoever has no `tomo` beside the file: the text comes in, what `app_deploy` takes goes out.

use tomo_proto::{
    api::app::{AppImport, AppImported},
    compose::{self, FILE_BYTES, Finding, Wanted},
    error::ErrorCode,
};

use crate::services::{Handle, Services, access::Authorized, error::ServiceError};

/// Findings in one message.
const SHOWN: usize = 20;

impl Handle<AppImport> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, AppImport>,
        request: AppImport,
    ) -> Result<AppImported, ServiceError> {
        let invalid = |message: String| ServiceError::new(ErrorCode::Invalid, message).with_field("compose");
        if request.compose.len() as u64 > FILE_BYTES {
            return Err(invalid(format!("a compose file has at most {FILE_BYTES} bytes")));
        }
        let read = |path: &str| {
            let missing = || "its text is not there: give it in files, or leave out env_file".to_owned();
            request.files.get(path).cloned().ok_or_else(missing)
        };
        let wanted = Wanted {
            service: request.service.as_deref(),
            name: request.name.as_deref(),
            values: &request.values,
            base: request.base.as_deref(),
            leave_out: &request.leave_out,
            health: request.health.clone(),
            read: &read,
        };
        let lines = |findings: &[Finding]| findings.iter().take(SHOWN).map(Finding::to_string).collect::<Vec<_>>();
        let imported = compose::import(&request.compose, &wanted).map_err(|found| {
            let more = match found.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            invalid(format!("it cannot be imported: line {}{more}", lines(&found).join("; line ")))
                .with_next("change the file; what the app can do without: leave_out")
        })?;
        Ok(AppImported { name: imported.name, spec: imported.spec, notes: lines(&imported.notes) })
    }
}
