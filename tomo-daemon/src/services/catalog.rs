//! The catalog, and how an app is made of a template: answers are checked, secrets that nobody gave are made and sealed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tomo_proto::{
    api::{
        app::AppDeploy,
        catalog::{CatalogEntry, CatalogGet, CatalogList, CatalogListAnswer, CatalogRefresh},
    },
    error::ErrorCode,
    model::{
        app::{App, AppSpec},
        audit::AuditOutcome,
        catalog::{Template, TemplateSummary},
        spec::SECRET_REFERENCE,
    },
};

use crate::{
    catalog::Content,
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        error::ServiceError,
        lookup::{self, not_found},
        secret, spec,
    },
};

/// Templates that lie elsewhere are fetched this often.
const FETCH_EVERY: Duration = Duration::from_secs(24 * 3_600);

impl Handle<CatalogList> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, CatalogList>,
        request: CatalogList,
    ) -> Result<CatalogListAnswer, ServiceError> {
        self.context.list_catalog(request.query).await
    }
}

impl Context {
    async fn list_catalog(&self, query: Option<String>) -> Result<CatalogListAnswer, ServiceError> {
        let Content { entries, problems } = self.read_catalog().await?;
        let query = query.unwrap_or_default().to_lowercase();
        let fits = |template: &Template| {
            let Template { id, name, summary, category, tags, .. } = template;
            let text = format!("{id} {name} {summary} {category} {}", tags.join(" ")).to_lowercase();
            query.split_whitespace().all(|word| text.contains(word))
        };
        let templates = entries.into_values().filter(|entry| fits(&entry.template)).map(|entry| TemplateSummary {
            id: entry.template.id,
            name: entry.template.name,
            summary: entry.template.summary,
            category: entry.template.category,
            tags: entry.template.tags,
            version: entry.template.version,
            memory_min_mib: entry.template.memory_min_mib,
            source: entry.source,
        });
        Ok(CatalogListAnswer { templates: templates.collect(), problems })
    }
}

impl Handle<CatalogGet> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, CatalogGet>,
        request: CatalogGet,
    ) -> Result<CatalogEntry, ServiceError> {
        self.context.template(&request.template).await
    }
}

impl Handle<CatalogRefresh> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, CatalogRefresh>,
        _request: CatalogRefresh,
    ) -> Result<CatalogListAnswer, ServiceError> {
        self.context.write_row(self.context.entry(&caller, "catalog_refresh", AuditOutcome::Ok)).await?;
        self.context.catalog.fetch().await;
        self.context.list_catalog(None).await
    }
}

impl Context {
    /// Fetches templates that lie elsewhere, as long as the daemon runs.
    pub(super) async fn fetch_catalogs(self: Arc<Self>) {
        while self.catalog.is_fetched() {
            self.catalog.fetch().await;
            tokio::select! {
                () = tokio::time::sleep(FETCH_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn read_catalog(&self) -> Result<Content, ServiceError> {
        let catalog = self.catalog.clone();
        let failed = |error| ServiceError::new(ErrorCode::Internal, "the catalog cannot be read").with_source(error);
        tokio::task::spawn_blocking(move || catalog.read()).await.map_err(failed)
    }

    async fn template(&self, id: &str) -> Result<CatalogEntry, ServiceError> {
        let mut content = self.read_catalog().await?;
        content.entries.remove(id).ok_or_else(|| {
            not_found("template", id, content.entries.keys().map(String::as_str), "catalog_list {}")
                .with_field("template")
        })
    }
}

impl Services {
    /// Makes the configuration of a request that names a template.
    pub(super) async fn fill_template(&self, caller: &Caller, request: &mut AppDeploy) -> Result<(), ServiceError> {
        let invalid = |message: &str, field: &str| ServiceError::new(ErrorCode::Invalid, message).with_field(field);
        let Some(id) = &request.template else {
            return match (request.answers.is_empty(), request.spec == AppSpec::default()) {
                (false, _) => Err(invalid("answers belong to a template, and none is named", "answers")),
                (true, true) => Err(invalid("a deploy needs spec or template", "spec").with_next("catalog_list {}")),
                (true, false) => Ok(()),
            };
        };
        if request.spec != AppSpec::default() {
            return Err(invalid("a deploy takes spec or template, not both", "template"));
        }
        let template = self.context.template(id).await?.template;
        let render = |answers: &BTreeMap<String, String>| {
            template.render(&request.name, answers).map_err(|misfit| {
                let next = format!("catalog_get {{\"template\":\"{}\"}}", template.id);
                ServiceError::new(ErrorCode::Invalid, misfit.message).with_field(misfit.field).with_next(next)
            })
        };
        let mut answers = request.answers.clone();
        answers.retain(|_, answer| !answer.is_empty());
        let kept = self.kept_references(caller, request)?;
        for question in template.questions.iter().filter(|question| question.secret) {
            let known = template.variable_of(&question.name).and_then(|variable| kept.get(variable));
            if let (Some(reference), false) = (known, answers.contains_key(&question.name)) {
                answers.insert(question.name.clone(), reference.clone());
            }
        }
        // Nothing is made for a request that comes to nothing.
        spec::check(&render(&answers)?)?;
        for question in &template.questions {
            if let (Some(way), false) = (question.generate, answers.contains_key(&question.name)) {
                let wanted = format!("{}.{}", request.name, question.name);
                let name = self.context.put_secret(caller, wanted, secret::generate(way)).await?;
                answers.insert(question.name.clone(), format!("{SECRET_REFERENCE}{name}"));
            }
        }
        request.spec = render(&answers)?;
        Ok(())
    }

    /// The secrets that the app has already, by variable: an update goes on with them.
    fn kept_references(&self, caller: &Caller, request: &AppDeploy) -> Result<BTreeMap<String, String>, ServiceError> {
        self.context.store.read(|view| {
            let server = lookup::server(view, caller, &request.server).map_err(|error| error.with_field("server"))?;
            let apps = view.list::<App>()?;
            let app = apps.into_iter().find(|app| app.server == server.id && app.name == request.name);
            let env = app.map(|app| app.spec.env).unwrap_or_default();
            Ok(env.into_iter().filter(|(_, value)| value.starts_with(SECRET_REFERENCE)).collect())
        })
    }
}
