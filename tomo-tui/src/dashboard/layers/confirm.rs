//! Questions: a plan is shown whole, "no" has the keys at first, and what cannot be undone wants the target's name typed.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{
    api::{person::HostKeyScan, plan::PlanApprove, stock::ServerPrune},
    model::plan::{Approval, Plan, PlanStatus},
    text::display_line,
};
use unicode_width::UnicodeWidthStr as _;

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, Hit, centered, split_bottom},
    effect::Effect,
    views::plan::plan_lines,
};
use crate::format::wrap;

/// What a person chose.
#[derive(Debug)]
pub(crate) enum Decision {
    Cancel,
    /// Leaves a form for good.
    Discard,
    /// Takes this person's own plan back.
    Withdraw(String),
    Do(Box<Effect>),
    Approve {
        request: PlanApprove,
        apply: bool,
    },
}

#[derive(Debug)]
enum Choice {
    Cancel,
    Discard,
    /// Taken when its button is pressed.
    Do(Option<Box<Effect>>),
    Approve {
        apply: bool,
    },
}

/// A question with its buttons.
#[derive(Debug)]
pub(crate) struct Confirm {
    title: String,
    /// What is left undone where the answer is no; empty where nobody has to be told.
    what: String,
    content: Content,
    buttons: Vec<(String, Choice)>,
    focus: usize,
    /// What must be typed first, and what was.
    typed: Option<(String, String)>,
    /// Whether Enter was pressed with another name.
    misnamed: bool,
    /// The plan that "no" takes back, if this person has just asked for it.
    own: Option<String>,
    scroll: u16,
    /// Remembered by drawing: how far one can scroll.
    scroll_end: Cell<u16>,
}

#[derive(Debug)]
enum Content {
    Text(String),
    Plan(Box<Plan>),
    /// Several, after what is said of them.
    Plans(String, Vec<Plan>),
}

impl Confirm {
    fn new(title: &str, content: Content, buttons: Vec<(String, Choice)>) -> Self {
        let mut letters = title.chars();
        let what =
            letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), letters.as_str()));
        Self {
            title: title.to_owned(),
            what,
            content,
            buttons,
            focus: 0,
            typed: None,
            misnamed: false,
            own: None,
            scroll: 0,
            scroll_end: Cell::new(0),
        }
    }

    /// Names what it is done to, for whoever says no.
    pub(crate) fn of(self, target: &str) -> Self {
        Self { what: format!("{} {target}", self.what), ..self }
    }

    /// What is left undone where the answer is no.
    pub(crate) fn undone(&self) -> Option<&str> {
        (!self.what.is_empty()).then_some(self.what.as_str())
    }

    /// Asks before an effect.
    pub(crate) fn question(title: &str, question: String, yes: &str, effect: Effect) -> Self {
        let buttons = vec![("Cancel".to_owned(), Choice::Cancel), (yes.to_owned(), Choice::Do(Some(Box::new(effect))))];
        Self::new(title, Content::Text(question), buttons)
    }

    /// Names the button that leaves everything as it is.
    pub(crate) fn or(mut self, no: &str) -> Self {
        if let Some((label, _)) = self.buttons.first_mut() {
            no.clone_into(label);
        }
        self
    }

    /// Asks before something is done to several things, all of which the question names; plans are shown whole.
    pub(crate) fn several(title: &str, question: String, plans: Vec<Plan>, yes: &str, effect: Effect) -> Self {
        Self { content: Content::Plans(question, plans), ..Self::question(title, String::new(), yes, effect) }
    }

    /// Agrees to a plan as it is, or carries out one that was agreed to.
    pub(crate) fn approval(plan: &Plan) -> Effect {
        let id = plan.plan.to_string();
        if plan.status == PlanStatus::Approved {
            return Effect::Apply(id);
        }
        Effect::Approve { request: PlanApprove { plan: id, hash: plan.hash.clone(), name: None }, apply: true }
    }

    /// Asks before an effect that cannot be undone: the name of what it is done to has to be typed.
    pub(crate) fn by_name(title: &str, question: String, yes: &str, name: &str, effect: Effect) -> Self {
        Self { typed: Some((name.to_owned(), String::new())), ..Self::question(title, question, yes, effect) }.of(name)
    }

    /// Shows a host's key, and how it compares with the one that was agreed to before; whoever finds it right goes on with an effect.
    pub(crate) fn host_key(place: &str, scan: &HostKeyScan, before: Option<&str>, effect: Effect) -> Self {
        let compared = match before {
            None => String::new(),
            Some(before) if before == scan.host_key => "It is the one that was agreed to before.\n\n".to_owned(),
            Some(before) => format!("It was another one before:\n\n{}\n\n", display_line(before, 80)),
        };
        let question = format!(
            "{} shows this host key ({}):\n\n{}\n\n{compared}Nothing that proves who you are was sent to it. On the host itself \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says which it has. If they differ, somebody is in between.",
            display_line(place, 120),
            display_line(&scan.algorithm, 40),
            display_line(&scan.host_key, 80)
        );
        let what = format!("connect to {}", display_line(place, 120));
        Self { what, ..Self::question("Is this the host?", question, "It is the right key", effect) }
    }

    /// Asks whether an app's volumes go with it; what comes next is a plan.
    pub(crate) fn removal(name: &str, server: &str, id: &str) -> Self {
        let remove = |volumes| Choice::Do(Some(Box::new(Effect::Remove { app: id.to_owned(), volumes })));
        let buttons = vec![
            ("Cancel".to_owned(), Choice::Cancel),
            ("Keep its volumes".to_owned(), remove(false)),
            ("Delete its volumes too".to_owned(), remove(true)),
        ];
        let text =
            format!("Remove {name} from {server}. The plan is shown next; nothing changes before you agree to it.");
        Self::new("Remove app", Content::Text(text), buttons).of(&format!("{server}/{name}"))
    }

    /// Asks what is to be cleared away; what comes next is a plan.
    pub(crate) fn prune(server: &str) -> Self {
        let prune = |all, volumes| {
            let prune = ServerPrune { server: server.to_owned(), all, volumes, reason: None };
            Choice::Do(Some(Box::new(Effect::Prune(prune))))
        };
        let buttons = vec![
            ("Cancel".to_owned(), Choice::Cancel),
            ("What Tomo made".to_owned(), prune(false, false)),
            ("And its volumes".to_owned(), prune(false, true)),
            ("Everything unused".to_owned(), prune(true, true)),
        ];
        let text = format!(
            "Clear away what nothing uses on {server}. The plan is shown next, with each thing and its size; nothing changes \
             before you agree to it. An app's things stay, and volumes too, unless you say otherwise."
        );
        Self::new("Prune", Content::Text(text), buttons).of(server)
    }

    /// Asks before typed text is lost.
    pub(crate) fn leave_form() -> Self {
        let buttons = vec![("Go on typing".to_owned(), Choice::Cancel), ("Discard".to_owned(), Choice::Discard)];
        let what = String::new();
        Self { what, ..Self::new("Leave the form", Content::Text("What you typed is lost.".to_owned()), buttons) }
    }

    /// Shows a plan. `own`: this person asked for it just now, so agreeing also carries it out.
    pub(crate) fn plan(plan: Plan, own: bool) -> Self {
        let mut buttons = vec![(if own { "Back" } else { "Cancel" }.to_owned(), Choice::Cancel)];
        if !own && plan.status == PlanStatus::Pending {
            buttons.push(("Approve".to_owned(), Choice::Approve { apply: false }));
        }
        let yes = if plan.data_loss.is_some() { "Approve and apply for good" } else { "Approve and apply" };
        buttons.push((yes.to_owned(), Choice::Approve { apply: true }));
        let typed = (plan.approval == Approval::Human).then(|| (plan.target.clone(), String::new()));
        let title = format!("Plan {}", plan.plan);
        let own = own.then(|| plan.plan.to_string());
        let what = plan.summary.clone();
        Self { typed, own, what, ..Self::new(&title, Content::Plan(Box::new(plan)), buttons) }
    }

    /// A paste cannot stand for a name that is to be typed.
    ///
    /// # Errors
    /// Says so.
    pub(crate) fn paste(&self) -> Result<(), String> {
        match self.typed {
            Some(_) => Err("type the name: a paste is not taken here".to_owned()),
            None => Ok(()),
        }
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        let by = match action {
            Action::Up => -1,
            _ => 1,
        };
        self.scroll = self.scroll.saturating_add_signed(by).min(self.scroll_end.get());
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Decision> {
        match key.code {
            KeyCode::Esc => return Some(self.no()),
            KeyCode::Enter => {
                self.misnamed = self.typed.as_ref().is_some_and(|(wanted, typed)| !typed.is_empty() && wanted != typed);
                return if self.misnamed { None } else { self.press(self.focus) };
            }
            KeyCode::Left | KeyCode::BackTab => self.focus = (self.focus + self.buttons.len() - 1) % self.buttons.len(),
            KeyCode::Right | KeyCode::Tab => self.focus = (self.focus + 1) % self.buttons.len(),
            KeyCode::Up => self.scroll(Action::Up),
            KeyCode::Down => self.scroll(Action::Down),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(10).min(self.scroll_end.get()),
            KeyCode::Backspace => {
                if let Some((_, typed)) = &mut self.typed {
                    typed.pop();
                }
                self.follow_name();
            }
            KeyCode::Char(character) => match &mut self.typed {
                Some((_, typed)) => {
                    typed.push(character);
                    self.follow_name();
                }
                None => match character {
                    'h' => self.focus = self.focus.saturating_sub(1),
                    'l' => self.focus = (self.focus + 1).min(self.buttons.len() - 1),
                    'k' => self.scroll(Action::Up),
                    'j' => self.scroll(Action::Down),
                    'n' => return Some(self.no()),
                    _ => {}
                },
            },
            _ => {}
        }
        None
    }

    fn no(&self) -> Decision {
        self.own.clone().map_or(Decision::Cancel, Decision::Withdraw)
    }

    /// Whoever has typed the name whole has said yes to the last button; until then "no" has the keys.
    fn follow_name(&mut self) {
        self.misnamed = false;
        let named = self.typed.as_ref().is_some_and(|(wanted, typed)| wanted == typed);
        self.focus = if named { self.buttons.len() - 1 } else { 0 };
    }

    /// Presses a button; nothing happens while the name is not typed.
    pub(crate) fn press(&mut self, button: usize) -> Option<Decision> {
        let named = self.typed.as_ref().is_none_or(|(wanted, typed)| wanted == typed);
        let name = self.typed.as_ref().map(|(_, typed)| typed.clone());
        match &mut self.buttons.get_mut(button)?.1 {
            Choice::Cancel => Some(self.no()),
            Choice::Discard => Some(Decision::Discard),
            Choice::Do(effect) if named => effect.take().map(Decision::Do),
            Choice::Approve { apply } if named => {
                let Content::Plan(plan) = &self.content else { return None };
                // Agreed to already: only the carrying out is left.
                if plan.status == PlanStatus::Approved {
                    return Some(Decision::Do(Box::new(Effect::Apply(plan.plan.to_string()))));
                }
                let request = PlanApprove { plan: plan.plan.to_string(), hash: plan.hash.clone(), name };
                Some(Decision::Approve { request, apply: *apply })
            }
            Choice::Do(_) | Choice::Approve { .. } => None,
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let width = area.width.saturating_sub(4).min(76);
        let inner_width = usize::from(width.saturating_sub(4));
        let lines = match &self.content {
            Content::Text(text) => wrap(text, inner_width).into_iter().map(Line::from).collect(),
            Content::Plan(plan) => plan_lines(plan, canvas.theme, inner_width, canvas.now_ms),
            Content::Plans(text, plans) => {
                let mut lines: Vec<Line<'_>> = wrap(text, inner_width).into_iter().map(Line::from).collect();
                for plan in plans {
                    lines.extend([Line::default(), Line::styled("─".repeat(inner_width), canvas.theme.border)]);
                    lines.extend(plan_lines(plan, canvas.theme, inner_width, canvas.now_ms));
                }
                lines
            }
        };
        let below = if self.typed.is_some() { 5 } else { 2 };
        let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(below + 2);
        let frame = centered(area, width, wanted);
        let inner = canvas.dialogue(frame, &self.title);
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let (body, foot) = split_bottom(inner, below);
        // What there is no room for is counted in a row of its own.
        let (body, count) = split_bottom(body, u16::from(lines.len() > usize::from(body.height)));
        let hidden = lines.len() - usize::from(body.height).min(lines.len());
        self.scroll_end.set(u16::try_from(hidden).unwrap_or(u16::MAX));
        let from = usize::from(self.scroll).min(hidden);
        canvas.lines(body, &lines[from..]);
        if hidden > from {
            let more = format!("↓ {} more", hidden - from);
            let line = Line::styled(format!("{more:>width$}", width = usize::from(count.width)), canvas.theme.dim);
            canvas.line(count, &line);
        }
        if let Some((wanted, typed)) = &self.typed {
            let ask = format!("This cannot be undone. Type \"{}\" to go on:", display_line(wanted, 48));
            canvas.text(Rect { y: foot.y + 1, height: 1, ..foot }, &ask, canvas.theme.bad);
            let line = Rect { y: foot.y + 2, height: u16::from(foot.height > 2), ..foot };
            canvas.text(line, &format!("> {typed}"), canvas.theme.text);
            if self.misnamed {
                let note = Rect { y: foot.y + 3, height: u16::from(foot.height > 3), ..foot };
                canvas.text(note, &format!("that is not \"{}\"", display_line(wanted, 48)), canvas.theme.warn);
            }
            let column = line.x.saturating_add(u16::try_from(typed.width() + 2).unwrap_or(u16::MAX));
            canvas.cursor =
                (line.height > 0).then(|| Position::new(column.min(line.right().saturating_sub(1)), line.y));
        }
        self.draw_buttons(canvas, split_bottom(inner, 1).1);
    }

    fn draw_buttons(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let named = self.typed.as_ref().is_none_or(|(wanted, typed)| wanted == typed);
        let mut x = area.x;
        for (place, (title, choice)) in self.buttons.iter().enumerate() {
            let off = matches!(choice, Choice::Do(_) | Choice::Approve { .. }) && !named;
            let style = match (place == self.focus, off) {
                (true, _) => Style::reset().patch(canvas.theme.selected),
                (false, true) => canvas.theme.dim,
                (false, false) => canvas.theme.key,
            };
            let label = format!("[ {title} ]");
            let width = u16::try_from(label.width()).unwrap_or(0).min(area.right().saturating_sub(x));
            let button = Rect { x, width, ..area };
            canvas.line(button, &Line::from(Span::styled(label, style)));
            canvas.hits.add(button, Hit::Button(place));
            x = x.saturating_add(width + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;
    use tomo_proto::{id::PlanId, model::plan::Plan};

    use super::*;

    fn plan(approval: Approval) -> Plan {
        Plan {
            plan: PlanId::from_u64(1),
            summary: "remove server web-1".to_owned(),
            target: "web-1".to_owned(),
            status: PlanStatus::Pending,
            approval,
            changes: Vec::new(),
            downtime: None,
            data_loss: None,
            warnings: Vec::new(),
            reason: None,
            requested_by: "token:ci (ana)".to_owned(),
            decided_by: None,
            operation: None,
            outcome: None,
            hash: "abc".to_owned(),
            created_at: 0,
            expires_at: 0,
        }
    }

    fn press(confirm: &mut Confirm, code: KeyCode) -> Option<Decision> {
        confirm.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn no_has_the_keys_at_first() {
        let mut confirm = Confirm::plan(plan(Approval::Confirm), false);
        assert!(matches!(press(&mut confirm, KeyCode::Enter), Some(Decision::Cancel)));
        press(&mut confirm, KeyCode::Tab);
        let approved = press(&mut confirm, KeyCode::Enter);
        assert!(
            matches!(approved, Some(Decision::Approve { apply: false, request }) if request.hash == "abc" && request.name.is_none())
        );
    }

    #[test]
    fn a_name_is_typed_and_not_pasted() {
        let mut confirm = Confirm::plan(plan(Approval::Human), true);
        assert!(confirm.paste().is_err());
        press(&mut confirm, KeyCode::Tab);
        assert!(press(&mut confirm, KeyCode::Enter).is_none(), "no name yet");
        press(&mut confirm, KeyCode::Char('x'));
        assert!(press(&mut confirm, KeyCode::Enter).is_none(), "another name");
        press(&mut confirm, KeyCode::Backspace);
        for character in "web-1".chars() {
            assert!(press(&mut confirm, KeyCode::Char(character)).is_none());
        }
        let approved = press(&mut confirm, KeyCode::Enter);
        assert!(
            matches!(approved, Some(Decision::Approve { apply: true, request }) if request.name.as_deref() == Some("web-1"))
        );
    }
}
