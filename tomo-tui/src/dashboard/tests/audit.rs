//! The audit trail: read on as one goes down, filtered, read in full, verified.

use tomo_proto::{
    api::audit::{AuditSearchAnswer, AuditVerifyAnswer, AuditWitness},
    model::audit::{AuditEntry, AuditOutcome},
};

use super::*;

#[test]
fn what_became_a_plan_is_planned_and_not_done() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("9");
    let rows = [("app_remove", "plan"), ("plan_deny", "plan"), ("app_start", "app")].into_iter().zip([3, 2, 1]);
    let rows = rows.map(|((action, kind), seq)| AuditEntry {
        action: action.to_owned(),
        resource_type: kind.to_owned(),
        outcome: AuditOutcome::Ok,
        ..entry(seq)
    });
    let entries: Vec<AuditEntry> = rows.collect();
    let answer = AuditSearchAnswer { entries, ..AuditSearchAnswer::default() };
    dashboard.send(Event::Answer(Answer::Audit(None, Ok(answer))));
    assert_eq!(dashboard.screen().matches("✓ planned").count(), 1, "{}", dashboard.screen());
    assert_eq!(dashboard.screen().matches("✓ ok").count(), 2, "{}", dashboard.screen());
}

fn entry(seq: u64) -> AuditEntry {
    AuditEntry {
        seq,
        at_ms: NOW - (2_000 - seq) * 60_000,
        actor: if seq.is_multiple_of(3) { "token:ci (ana)" } else { "user:ana" }.to_owned(),
        action: if seq == 701 { "app_remove" } else { "app_deploy" }.to_owned(),
        resource_type: "app".to_owned(),
        resource: format!("shop-{seq}"),
        outcome: AuditOutcome::ALL[usize::try_from(seq % 4).unwrap_or_default()],
        reason: (seq == 999).then(|| "because \u{1b}[31mred".to_owned()),
        details: "revision 4, image registry.example/shop:1.2".to_owned(),
        ip_address: "10.0.0.1".to_owned(),
        hash: "0123456789abcdef".repeat(4),
    }
}

/// So many rows, this one first.
pub(super) fn page(first: u64, count: u64) -> AuditSearchAnswer {
    let last = first.saturating_sub(count - 1).max(1);
    let next_cursor = (last > 1).then(|| last.to_string());
    AuditSearchAnswer { entries: (last..=first).rev().map(entry).collect(), next_cursor }
}

pub(super) fn verdict() -> AuditVerifyAnswer {
    let witness = |name: &str, heads, problem: Option<&str>| AuditWitness {
        witness: name.to_owned(),
        heads,
        newest_row: 1_000,
        taken_back: 0,
        problem: problem.map(str::to_owned),
    };
    AuditVerifyAnswer {
        rows: 1_000,
        head: "fedcba9876543210".repeat(4),
        witnesses: vec![witness("this daemon", 900, None), witness("web-3", 0, Some("its agent is not connected"))],
        ..AuditVerifyAnswer::default()
    }
}

pub(super) fn broken() -> AuditVerifyAnswer {
    AuditVerifyAnswer { broken: Some("row 17 does not follow from the one before".to_owned()), ..verdict() }
}

fn opened() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let effects = dashboard.press("9");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Audit { cursor: None, rows: 200 })), "{effects:?}");
    dashboard.answer_view();
    dashboard.screen();
    dashboard
}

/// The page that is asked for.
fn asked(effects: &[Effect]) -> Option<u64> {
    effects
        .iter()
        .find_map(|effect| if let Effect::Audit { cursor, .. } = effect { cursor.as_ref()?.parse().ok() } else { None })
}

fn answer(dashboard: &mut Dashboard, cursor: u64) -> Vec<Effect> {
    let answer = page(cursor - 1, 200);
    dashboard.send(Event::Answer(Answer::Audit(Some(cursor.to_string()), Ok(answer))))
}

#[test]
fn older_rows_come_as_one_goes_down_and_each_page_once() {
    let mut dashboard = opened();
    for text in ["shop-1000", "200 rows read; going down reads on", "token:ci"] {
        dashboard.shows(text);
    }
    assert_eq!(asked(&dashboard.press("j")), None, "the end is far");
    assert_eq!(asked(&dashboard.press("G")), Some(801));
    assert_eq!(asked(&dashboard.press("G k j")), None, "it is on its way");
    dashboard.shows("reading on");
    assert_eq!(asked(&answer(&mut dashboard, 801)), None, "one key reads one page");
    dashboard.shows("400 rows read");
    for cursor in [601, 401, 201] {
        assert_eq!(asked(&dashboard.press("G")), Some(cursor));
        answer(&mut dashboard, cursor);
    }
    assert_eq!(asked(&dashboard.press("G")), None);
    dashboard.shows("1000 rows read, back to the first one");
    dashboard.shows("app shop-1\n");
    dashboard.press("g");
    dashboard.shows("shop-1000");
}

#[test]
fn a_filter_reads_on_by_itself_until_there_is_enough() {
    let mut dashboard = opened();
    let mut effects = dashboard.press("/");
    for key in ["'", "a", "p", "p", "_", "r", "e", "m"] {
        effects.extend(dashboard.press(key));
    }
    assert_eq!(asked(&effects), Some(801));
    dashboard.shows("nothing fits the filter");
    let mut cursor = 801;
    let mut pages = 0;
    while let Some(next) = asked(&answer(&mut dashboard, cursor)) {
        (cursor, pages) = (next, pages + 1);
    }
    assert_eq!((cursor, pages), (201, 3), "to the first row");
    dashboard.shows("1 of 1000 rows read fit");
    dashboard.shows("app_remove");
    let effects = dashboard.press("enter enter");
    assert!(matches!(&dashboard.state.view, View::Record(_)), "{effects:?}");
    dashboard.shows("shop-701");
}

#[test]
fn new_rows_come_on_top_and_a_gap_is_read_anew() {
    let mut dashboard = opened();
    let effects = dashboard.press("ctrl-r");
    let look = |effect: &Effect| matches!(effect, Effect::Audit { cursor: None, rows } if *rows < 200);
    assert!(effects.iter().any(look), "only what is new: {effects:?}");
    dashboard.send(Event::Answer(Answer::Audit(None, Ok(page(1_003, 20)))));
    dashboard.shows("203 rows read");
    let effects = dashboard.send(Event::Answer(Answer::Audit(None, Ok(page(1_300, 20)))));
    assert_eq!(asked(&effects), Some(1_281), "the screen has room for more");
    answer(&mut dashboard, 1_281);
    dashboard.shows("220 rows read");
    dashboard.press("g");
    dashboard.shows("shop-1300");
    dashboard.send(Event::Answer(Answer::Audit(None, Ok(page(40, 200)))));
    dashboard.shows("40 rows read, back to the first one");
}

#[test]
fn a_row_is_read_in_full_and_commands_no_terminal() {
    let mut dashboard = opened();
    dashboard.press("j enter");
    for text in
        ["audit › row 999", "app_deploy", "failed", "token:ci (ana)", "10.0.0.1", "revision 4", "because", "hash"]
    {
        match text {
            "failed" => dashboard.shows(entry(999).outcome.as_str()),
            text => dashboard.shows(text),
        }
    }
    assert!(!dashboard.screen().contains('\u{1b}'));
    dashboard.press("esc");
    dashboard.shows("shop-998");
}

#[test]
fn the_trail_is_verified_and_what_was_tampered_with_is_told() {
    let mut dashboard = opened();
    let effects = dashboard.press("V");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::VerifyAudit)), "{effects:?}");
    dashboard.shows("checking every row");
    dashboard.answer_view();
    for text in ["the audit trail is whole", "1000 rows verified", "witness this daemon: 900 heads fit", "web-3"] {
        dashboard.shows(text);
    }
    dashboard.send(Event::Answer(Answer::Verified(Ok(Box::new(broken())))));
    dashboard.shows("was tampered with: row 17");
    let screen = dashboard.screen();
    assert!(!screen.contains("is whole") && !screen.contains("verified"), "{screen}");
}

#[test]
fn who_may_not_search_the_audit_is_told_so() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    assert!(dashboard.press("9").is_empty());
    dashboard.shows("it needs the scope audit");
    let mut dashboard = Dashboard::filled(Role::Operator);
    dashboard.press("9");
    dashboard.send(Event::Answer(Answer::Audit(None, Err(refused(ErrorCode::Denied, "not any more")))));
    dashboard.shows("not any more");
}
