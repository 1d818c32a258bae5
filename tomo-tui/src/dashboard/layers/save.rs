//! Where what a log shows is written.

use crate::dashboard::{
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// The form.
#[derive(Debug)]
pub(crate) struct SaveForm {
    pub(crate) sheet: Sheet,
}

impl SaveForm {
    /// Asks for a path, and suggests one.
    pub(crate) fn new(path: &str) -> Self {
        let some = |text: &str| if text.trim().is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let field = Field::path("path", "File").help("On this computer; what is shown is written").check(some);
        let mut form = Form::new(vec![field]).button("Save");
        form.set_value("path", path);
        let sheet = Sheet::new(form, "Save the log", 7, "path");
        Self { sheet: sheet.hints("Enter saves   Tab completes   Ctrl-U clears   Esc leaves", "writing   Esc leaves") }
    }
}

impl Asks for SaveForm {
    type Wanted = String;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<String> {
        Some(Ok(self.sheet.form.value("path").trim().to_owned()))
    }
}
