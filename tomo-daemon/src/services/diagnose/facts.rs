//! What is known of an app that is looked at, and the questions that rules ask of it.

use tomo_proto::{
    error::ErrorCode,
    id::OperationId,
    model::{
        app::{AppSpec, AppStatus},
        container::{Container, ContainerState, Health},
        diagnosis::{Evidence, EvidenceSource, Examination, RunEnd},
        policy::Objection,
        server::EngineState,
    },
    text::display_line,
};

/// Characters of one quote.
const QUOTE: usize = 300;
/// Quotes of one cause.
const QUOTES: usize = 4;
/// What a running app wrote longer ago than this is past.
const RECENT_MS: u64 = 900_000;

/// Everything that rules may look at. Texts from hosts and containers are safe to show and still untrusted.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) server: String,
    pub(super) name: String,
    /// What an app is to run; absent for a container that is no app's.
    pub(super) spec: Option<AppSpec>,
    /// Whether a deploy of it has ever succeeded.
    pub(super) was_deployed: bool,
    pub(super) status: AppStatus,
    pub(super) is_online: bool,
    pub(super) engine: Option<EngineState>,
    /// What the host's policy has against what is to run.
    pub(super) objection: Option<Objection>,
    pub(super) container: Option<Container>,
    pub(super) examination: Option<Examination>,
    /// The newest failure that nothing has made good.
    pub(super) failed: Option<Failed>,
    /// The operation under way.
    pub(super) running: Option<OperationId>,
    /// Figures of the host that are over their limit.
    pub(super) over_limit: Vec<String>,
    pub(super) now_ms: u64,
}

/// An operation on the app that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) operation: OperationId,
    pub(super) is_deploy: bool,
    pub(super) code: ErrorCode,
    pub(super) message: String,
    /// The last lines of a container that did not live.
    pub(super) lines: Vec<String>,
    pub(super) at_ms: u64,
}

pub(super) fn quote(source: EvidenceSource, at_ms: u64, text: &str) -> Evidence {
    Evidence { source, at: Some(at_ms).filter(|at| *at > 0), text: display_line(text, QUOTE) }
}

impl Facts {
    /// The app as tools take it.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// How the last run ended; absent while the engine knows of none.
    pub(super) fn last_end(&self) -> Option<RunEnd> {
        self.examination.as_ref()?.ends.last().copied()
    }

    pub(super) fn state(&self) -> Option<ContainerState> {
        self.examination.as_ref().map(|seen| seen.state).or(self.container.as_ref().map(|one| one.state))
    }

    pub(super) fn restarts(&self) -> u32 {
        self.examination.as_ref().map_or(0, |seen| seen.restarts)
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        self.examination.as_ref().is_some_and(|seen| seen.health == Health::Unhealthy || seen.probe_failure.is_some())
    }

    /// Whether it ended by itself a short while ago and was started again.
    pub(super) fn has_just_died(&self) -> bool {
        let Some(seen) = &self.examination else { return false };
        self.restarts() > 0 && seen.ends.last().is_some_and(|end| seen.at_ms.saturating_sub(end.at_ms) < RECENT_MS)
    }

    /// The deploy that failed while what was there before goes on as it should.
    pub(super) fn fell_back(&self) -> Option<&Failed> {
        let runs = self.status == AppStatus::Running && !self.is_unhealthy() && !self.has_just_died();
        self.failed.as_ref().filter(|failed| runs && failed.is_deploy)
    }

    /// Whether it does not do what it should. Else what its log says may be usual for it.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.status == AppStatus::Failed || self.is_unhealthy() || self.has_just_died() || self.failed.is_some()
    }

    /// What the engine or the failed operation says, if one of these is in it (lower case).
    pub(super) fn told(&self, needles: &[&str]) -> Vec<Evidence> {
        let has = |text: &str| {
            let text = text.to_lowercase();
            needles.iter().any(|needle| text.contains(needle))
        };
        let mut told = Vec::new();
        if let Some(failed) = self.failed.as_ref().filter(|failed| has(&failed.message)) {
            let source = if failed.is_deploy { EvidenceSource::Deploy } else { EvidenceSource::Engine };
            told.push(quote(source, failed.at_ms, &failed.message));
        }
        if let Some(seen) = self.examination.as_ref().filter(|seen| has(&seen.error)) {
            told.push(quote(EvidenceSource::Engine, seen.at_ms, &seen.error));
        }
        told
    }

    /// Lines that the app wrote, newest first, with how far from the end each is: of a failed deploy, else of what runs or ran.
    fn written(&self) -> Vec<(u64, &str)> {
        let of_deploy =
            self.failed.iter().flat_map(|failed| failed.lines.iter().rev().map(|line| (failed.at_ms, line.as_str())));
        // A line that was written long before a running app was last in trouble is past.
        let since = match &self.examination {
            Some(seen) if self.state() == Some(ContainerState::Running) => seen.at_ms.saturating_sub(RECENT_MS),
            _ => 0,
        };
        // What went on has nothing to say about what failed.
        let is_about_it = self.fell_back().is_none_or(|failed| failed.lines.is_empty());
        let seen = self.examination.iter().filter(|_| is_about_it).flat_map(|seen| seen.log.iter().rev());
        let of_container = seen
            .filter(move |line| line.at_ms == 0 || line.at_ms >= since)
            .map(|line| (line.at_ms, line.text.as_str()));
        of_deploy.chain(of_container).collect()
    }

    /// Lines of the log with one of these in them (lower case), the newest few, oldest first; and how far from the end the newest is.
    pub(super) fn wrote(&self, fits: impl Fn(&str) -> bool) -> Option<(usize, Vec<Evidence>)> {
        let mut place = None;
        let mut quotes = Vec::new();
        for (at, (at_ms, text)) in self.written().into_iter().enumerate() {
            if fits(&text.to_lowercase()) {
                place = place.or(Some(at));
                quotes.push(quote(EvidenceSource::Log, at_ms, text));
                if quotes.len() == QUOTES - 1 {
                    break;
                }
            }
        }
        quotes.reverse();
        place.map(|place| (place, quotes))
    }

    /// The last lines, whatever they say.
    pub(super) fn last_lines(&self) -> Vec<Evidence> {
        let mut quotes: Vec<Evidence> = self
            .written()
            .iter()
            .take(QUOTES - 1)
            .map(|(at_ms, text)| quote(EvidenceSource::Log, *at_ms, text))
            .collect();
        quotes.reverse();
        quotes
    }

    /// How its last runs ended, as a quote of the engine.
    pub(super) fn ends(&self) -> Option<Evidence> {
        let seen = self.examination.as_ref()?;
        let last = seen.ends.last()?;
        let mut codes: Vec<String> = seen.ends.iter().rev().take(5).map(|end| end.exit_code.to_string()).collect();
        codes.reverse();
        let memory = if last.out_of_memory { ", killed for want of memory" } else { "" };
        let text = format!("{} restarts; exit codes of the last runs: {}{memory}", seen.restarts, codes.join(", "));
        Some(quote(EvidenceSource::Engine, last.at_ms, &text))
    }
}
