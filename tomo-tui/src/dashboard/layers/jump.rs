//! A time that charts are to show.

use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};

use crate::dashboard::{
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// What is understood.
const FORMS: &str = "As 14:30, 2026-11-28 14:30, or how long ago: 90m, 6h, 2d";

/// The form.
#[derive(Debug)]
pub(crate) struct JumpForm {
    pub(crate) sheet: Sheet,
    now_ms: u64,
}

impl JumpForm {
    pub(crate) fn new(now_ms: u64) -> Self {
        let check = move |text: &str| moment(text, now_ms, &TimeZone::system()).map(drop);
        let field = Field::text("time", "Time").placeholder("14:30").help(FORMS).check(check);
        let sheet = Sheet::new(Form::new(vec![field]).button("Go there"), "Show another time", 8, "time");
        Self { sheet: sheet.hints("Enter goes there   Esc leaves", ""), now_ms }
    }
}

impl Asks for JumpForm {
    type Wanted = u64;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<u64> {
        moment(&self.sheet.form.value("time"), self.now_ms, &TimeZone::system()).ok().map(Ok)
    }
}

/// A moment (UTC ms) that a person wrote in their own zone; a time of day is the last one that was.
fn moment(text: &str, now_ms: u64, zone: &TimeZone) -> Result<u64, String> {
    let text = text.trim().trim_start_matches('-');
    let unclear = || format!("that is no time: {}{}", FORMS[..1].to_lowercase(), &FORMS[1..]);
    let now = i64::try_from(now_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).ok_or_else(unclear)?;
    let now = now.to_zoned(zone.clone());
    let written: Option<Zoned> =
        if let Ok(time) = civil::Time::strptime("%H:%M", text).or_else(|_| civil::Time::strptime("%H:%M:%S", text)) {
            let today = now.date().to_datetime(time).to_zoned(zone.clone()).ok();
            let yesterday = || now.date().yesterday().ok()?.to_datetime(time).to_zoned(zone.clone()).ok();
            today.filter(|today| *today <= now).or_else(yesterday)
        } else {
            let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
            let date = || civil::Date::strptime("%Y-%m-%d", text).ok().map(|date| date.at(0, 0, 0, 0));
            let time = formats.iter().find_map(|format| civil::DateTime::strptime(format, text).ok()).or_else(date);
            let ago = || now.checked_sub(text.parse::<Span>().ok()?).ok();
            time.and_then(|time| time.to_zoned(zone.clone()).ok()).or_else(ago)
        };
    let written = written.ok_or_else(unclear)?;
    if written > now {
        return Err("that is still to come".to_owned());
    }
    u64::try_from(written.timestamp().as_millisecond()).map_err(|_| unclear())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_people_do_and_lies_in_the_past() {
        // 2027-01-15 08:00:00 UTC.
        let (now, minute) = (1_800_000_000_000_u64, 60_000);
        for (text, wanted) in [
            ("07:30", Some(now - 30 * minute)),
            ("08:00", Some(now)),
            ("09:00", Some(now - 23 * 60 * minute)),
            ("07:59:30", Some(now - 30_000)),
            ("2027-01-15 07:00", Some(now - 60 * minute)),
            ("2027-01-15T07:00:00", Some(now - 60 * minute)),
            ("2027-01-15", Some(now - 480 * minute)),
            ("90m", Some(now - 90 * minute)),
            ("-2d", Some(now - 2 * 1_440 * minute)),
            ("1h 30m", Some(now - 90 * minute)),
            ("2027-01-15 09:00", None),
            ("25:00", None),
            ("2027-02-30 01:00", None),
            ("soon", None),
            ("日", None),
            ("", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(moment(text, now, &TimeZone::UTC).ok(), wanted, "{text:?}");
        }
        let error = moment("2027-01-15 09:00", now, &TimeZone::UTC).expect_err("it is in the future");
        assert_eq!(error, "that is still to come");
    }
}
