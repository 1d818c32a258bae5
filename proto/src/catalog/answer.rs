//! Whether an answer fits its question.

use regex_lite::Regex;

use crate::{
    api::check_name,
    model::{
        catalog::{AnswerKind, Question},
        spec::SECRET_REFERENCE,
    },
    text::{display_line, is_display_safe},
};

/// Longest answer.
const ANSWER_BYTES: usize = 4 * 1024;

impl Question {
    /// Checks an answer; the message names the question.
    ///
    /// # Errors
    /// It does not fit.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        let wrong = |why: &str| {
            // What was meant as a secret stays out of the message.
            let shown = if self.secret { "the answer".to_owned() } else { format!("\"{}\"", display_line(answer, 60)) };
            Err(format!("question {}: {shown} {why}", self.name))
        };
        if self.secret {
            return match answer.strip_prefix(SECRET_REFERENCE) {
                Some(name) if check_name(name).is_ok() => Ok(()),
                _ => {
                    wrong("is no reference to a secret: store it with `tomo secret set NAME` and answer secret://NAME")
                }
            };
        }
        if answer.len() > ANSWER_BYTES || !answer.chars().all(is_display_safe) {
            return wrong("is longer than 4096 bytes, or holds characters that cannot be shown");
        }
        if answer.starts_with(SECRET_REFERENCE) {
            return wrong("names a secret, and this question asks for none");
        }
        let blank = answer.chars().any(char::is_whitespace);
        match self.kind {
            AnswerKind::String | AnswerKind::Enum => {}
            AnswerKind::Int if answer.parse::<i64>().is_err() => return wrong("is no whole number"),
            AnswerKind::Bool if !matches!(answer, "true" | "false") => return wrong("is neither true nor false"),
            AnswerKind::Url if blank || !is_url(answer) => {
                return wrong("is no address: write it as https://name.example.com");
            }
            AnswerKind::Email if blank || !is_email(answer) => return wrong("is no mail address"),
            AnswerKind::Timezone if !is_timezone(answer) => {
                return wrong("is no time zone: write it as Europe/Berlin, or UTC");
            }
            AnswerKind::Port if !answer.parse::<u16>().is_ok_and(|port| port > 0) => {
                return wrong("is no port: it is 1 to 65535");
            }
            AnswerKind::Path if !is_path(answer) => return wrong("is no absolute path, or has .. or : in it"),
            _ => {}
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == answer) {
            return wrong(&format!("is none of {}", self.choices.join(", ")));
        }
        match self.pattern.as_deref().map(whole) {
            Some(Ok(pattern)) if !pattern.is_match(answer) => {
                wrong(&format!("does not fit {}", self.pattern.as_deref().unwrap_or_default()))
            }
            Some(Err(error)) => Err(format!("question {}: its pattern is none: {error}", self.name)),
            _ => Ok(()),
        }
    }
}

/// A pattern that the whole answer has to fit.
pub(super) fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    !host.is_empty() && host.chars().all(|one| one.is_alphanumeric() || matches!(one, '.' | '-' | '_' | '[' | ']'))
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.')
    })
}

fn is_timezone(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '+' | '-'))
    };
    text == "UTC" || (text.contains('/') && text.split('/').all(word))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.len() > 1 && !text.contains(':') && !text.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(kind: AnswerKind) -> Question {
        let label = "l".to_owned();
        Question {
            name: "q".to_owned(),
            label,
            description: None,
            kind,
            default: None,
            required: false,
            pattern: None,
            choices: Vec::new(),
            secret: false,
            generate: None,
        }
    }

    #[test]
    fn answers_fit_their_kind_or_are_refused_by_name() {
        use AnswerKind as Kind;
        for (kind, good, bad) in [
            (Kind::Int, ["-3", "0"], ["x", "1.5"]),
            (Kind::Bool, ["true", "false"], ["yes", ""]),
            (Kind::Url, ["https://a.example", "http://h:8080/x"], ["a.example", "https:// x"]),
            (Kind::Email, ["a@b.example", "a.b+c@d.e"], ["a", "a@b"]),
            (Kind::Timezone, ["UTC", "America/Argentina/Salta"], ["Berlin", "../etc"]),
            (Kind::Port, ["1", "65535"], ["0", "65536"]),
            (Kind::Path, ["/srv/x", "/a b"], ["srv", "/a/../b"]),
            (Kind::String, ["", "é {{x}}"], ["a\nb", "secret://x"]),
        ] {
            for answer in good {
                assert_eq!(question(kind).check(answer), Ok(()), "{kind:?}: {answer}");
            }
            for answer in bad {
                let message = question(kind).check(answer).expect_err(answer);
                assert!(message.starts_with("question q: "), "{message}");
            }
        }
        let choices = Question { choices: ["a", "b"].map(str::to_owned).into(), ..question(Kind::Enum) };
        assert!(choices.check("a").is_ok() && choices.check("c").is_err());
        let pattern = Question { pattern: Some("[a-z]+|9".to_owned()), ..question(Kind::String) };
        assert!(pattern.check("abc").is_ok() && pattern.check("abc9").is_err());
        let secret = Question { secret: true, ..question(Kind::String) };
        assert!(secret.check("secret://db").is_ok());
        let message = secret.check("hunter2").expect_err("is refused");
        assert!(!message.contains("hunter2") && message.contains("tomo secret set"), "{message}");
    }
}
