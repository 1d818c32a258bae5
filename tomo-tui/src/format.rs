//! Figures as people read them: three digits, one unit, no longer than they must be.

use tomo_proto::model::{
    app::{AppDetail, PortSpec, Revision},
    image::ImageCheck,
    metric::Unit,
    spec::SECRET_REFERENCE,
    stock::short,
};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What stands for a figure that is not known.
pub(crate) const UNKNOWN: &str = "-";

/// A number of bytes.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(count: u64) -> String {
    bytes_of(count as f64)
}

/// Bytes per second.
pub(crate) fn rate(bytes_per_sec: f64) -> String {
    if bytes_per_sec.is_finite() { format!("{}/s", bytes_of(bytes_per_sec)) } else { UNKNOWN.to_owned() }
}

/// A share (0–1) in percent.
pub(crate) fn ratio(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if !percent.is_finite() {
        UNKNOWN.to_owned()
    } else if percent.abs() < 0.05 || percent.abs() >= 9.95 {
        format!("{percent:.0}%").replace("-0%", "0%")
    } else {
        format!("{percent:.1}%")
    }
}

/// A plain number; thousands as `K`, millions as `M`.
pub(crate) fn number(value: f64) -> String {
    scaled(value, 1_000.0, &["", "K", "M", "G", "T"], 2)
}

/// A file of an app's: a secret by its name, anything else by its size.
pub(crate) fn file(path: &str, contents: &str) -> String {
    match contents.strip_prefix(SECRET_REFERENCE) {
        Some(name) => format!("{path} = {SECRET_REFERENCE}{name}"),
        None => format!("{path} ({})", bytes(contents.len() as u64)),
    }
}

/// A span of time in its two largest units.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{part}"),
    };
    if seconds == 0 && ms > 0 {
        format!("{ms}ms")
    } else if days > 0 {
        two(days, "d", hours % 24, "h")
    } else if hours > 0 {
        two(hours, "h", minutes % 60, "m")
    } else if minutes > 0 {
        two(minutes, "m", seconds % 60, "s")
    } else {
        format!("{seconds}s")
    }
}

/// How long ago something was, in its largest unit; clocks that disagree by a little say `now`.
pub(crate) fn age(now_ms: u64, at_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1_000;
    match seconds {
        0 => "now".to_owned(),
        1..=59 => format!("{seconds}s ago"),
        60..=3_599 => format!("{}m ago", seconds / 60),
        3_600..=86_399 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// What is known of the image that a registry has under the name of one that runs.
pub(crate) fn image_check(check: &ImageCheck) -> String {
    match (&check.problem, &check.running, &check.offered) {
        (Some(problem), ..) => format!("cannot be told: {problem}"),
        (None, None, _) => "it came from no registry".to_owned(),
        (None, Some(_), None) => "it is named by its digest, which never changes".to_owned(),
        (None, Some(running), Some(offered)) if check.is_update() => {
            format!("has another image under that name: {}, {} runs", short(offered), short(running))
        }
        _ => "has the image that runs".to_owned(),
    }
}

/// A measured value in its unit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(crate) fn value(unit: Unit, value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    match unit {
        Unit::Ratio => ratio(value),
        Unit::Bytes => bytes_of(value),
        Unit::BytesPerSec => rate(value),
        Unit::PerSec => format!("{}/s", number(value)),
        // A container may use a hundredth of a core all day.
        Unit::Number if (0.0005..0.0995).contains(&value) => format!("{value:.3}"),
        Unit::Number => number(value),
        Unit::Celsius => format!("{value:.0}C"),
        Unit::Seconds => duration((value * 1_000.0) as u64),
    }
}

/// A value beside an axis: round numbers without the zeros that say nothing.
pub(crate) fn tick(unit: Unit, at: f64) -> String {
    let text = if unit == Unit::Number && at < 1.0 { format!("{at:.4}") } else { value(unit, at) };
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (figure, unit) = text.split_at(digits);
    if figure.contains('.') { format!("{}{unit}", figure.trim_end_matches('0').trim_end_matches('.')) } else { text }
}

/// The top of an axis from 0 that has room for `highest`: a round number whose half is round too.
pub(crate) fn axis_top(unit: Unit, highest: f64) -> f64 {
    const DECIMAL: [f64; 6] = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    const BINARY: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];
    if !highest.is_finite() || highest <= 0.0 {
        return match unit {
            Unit::Bytes | Unit::BytesPerSec => 1_024.0,
            _ => 1.0,
        };
    }
    let (base, steps): (f64, &[f64]) = match unit {
        Unit::Bytes | Unit::BytesPerSec => (1_024.0, &BINARY),
        _ => (10.0, &DECIMAL),
    };
    // What is under a byte, or a thousandth of anything, is noise.
    let least = match unit {
        _ if base > 10.0 => 1.0,
        // Its quarters are to be told apart.
        Unit::Number => 0.004,
        _ => 0.001,
    };
    let highest = highest.max(least);
    let scale = base.powf(highest.log(base).floor());
    let top = steps.iter().map(|step| step * scale).find(|top| *top >= highest * (1.0 - 1e-9));
    top.filter(|top| top.is_finite()).unwrap_or(highest)
}

/// Breaks text at blanks so that no line is wider than `width` columns; a word that is wider is broken where it must be.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for character in word.chars() {
                if line.width() + character.width().unwrap_or(0) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(character);
            }
        }
        lines.push(line);
    }
    lines
}

fn bytes_of(count: f64) -> String {
    scaled(count, 1_024.0, &["B", "K", "M", "G", "T"], 1)
}

/// Three digits of `value` in the first unit that needs no more; `decimals` of the smallest unit when it is not whole.
fn scaled(value: f64, base: f64, units: &[&str], decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let mut rest = value;
    for (place, unit) in units.iter().enumerate() {
        if rest.abs() < 999.5 || place + 1 == units.len() {
            let decimals = match rest.abs() {
                whole if whole >= 99.95 => 0,
                _ if place == 0 && base > 1_000.0 => 0,
                tens if tens >= 9.995 => 1,
                _ => decimals,
            };
            return format!("{rest:.decimals$}{unit}");
        }
        rest /= base;
    }
    UNKNOWN.to_owned()
}

/// What is said of a revision: that it runs, or that its container is kept.
pub(crate) fn place_of(detail: &AppDetail, revision: &Revision, until: impl Fn(u64) -> String) -> String {
    if detail.revision == Some(revision.id) {
        return ", runs".to_owned();
    }
    let kept = detail.kept.as_ref().filter(|kept| kept.revision == revision.id);
    kept.map_or_else(String::new, |kept| until(kept.until))
}

/// `8080:80`, `127.0.0.1:53:53/udp`: how the ports of an app are published, as the form takes them.
pub(crate) fn ports(ports: &[PortSpec]) -> String {
    let one = |port: &PortSpec| {
        let protocol = if port.protocol.as_str() == "tcp" { "" } else { "/udp" };
        let loopback = if port.loopback { "127.0.0.1:" } else { "" };
        format!("{loopback}{}:{}{protocol}", port.host_text(), port.container)
    };
    ports.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        for (count, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1.0K"),
            (150 << 10, "150K"),
            (102_390, "100K"),
            (3 << 30, "3.0G"),
            (5_000 << 40, "5000T"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn values_carry_their_unit() {
        for (unit, at, text) in [
            (Unit::Ratio, 0.0, "0%"),
            (Unit::Ratio, 0.042, "4.2%"),
            (Unit::Ratio, 0.4249, "42%"),
            (Unit::Ratio, 1.0, "100%"),
            (Unit::Bytes, 1.2 * 1024.0 * 1024.0 * 1024.0, "1.2G"),
            (Unit::BytesPerSec, 3.4 * 1024.0 * 1024.0, "3.4M/s"),
            (Unit::PerSec, 12.34, "12.3/s"),
            (Unit::Number, 0.5, "0.50"),
            (Unit::Number, 0.0042, "0.004"),
            (Unit::Number, 0.0, "0.00"),
            (Unit::Number, 12_345.0, "12.3K"),
            (Unit::Celsius, 54.4, "54C"),
            (Unit::Seconds, 273_600.0, "3d 4h"),
            (Unit::Number, f64::NAN, "-"),
            (Unit::Seconds, f64::INFINITY, "-"),
            (Unit::Ratio, -0.0, "0%"),
        ] {
            assert_eq!(value(unit, at), text, "{unit:?} {at}");
        }
    }

    #[test]
    fn text_is_broken_at_blanks_and_long_words_anywhere() {
        for (text, lines) in [
            ("", &[][..]),
            ("one two three", &["one two", "three"]),
            ("a\n\nb", &["a", "", "b"]),
            ("abcdefghij", &["abcdefg", "hij"]),
            ("日本語日本", &["日本語", "日本"]),
        ] {
            assert_eq!(wrap(text, 7), lines, "{text:?}");
        }
    }

    #[test]
    fn spans_of_time_have_two_units() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (12_000, "12s"),
            (90_000, "1m 30s"),
            (3_600_000, "1h"),
            (3_900_000, "1h 5m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(age(10_000, 6_000), "4s ago");
        assert_eq!(age(10_000, 12_000), "now");
        assert_eq!(age(7_500_000, 0), "2h ago");
    }

    #[test]
    fn an_axis_ends_at_a_round_number_above_the_data() {
        for (unit, highest, top, label) in [
            (Unit::Ratio, 0.62, 0.8, "80%"),
            (Unit::Ratio, 1.0, 1.0, "100%"),
            (Unit::Number, 3.1, 4.0, "4"),
            (Unit::Number, 0.0, 1.0, "1"),
            (Unit::Number, 0.3, 0.4, "0.4"),
            (Unit::Number, 0.0004, 0.004, "0.004"),
            (Unit::BytesPerSec, 700_000.0, 1_048_576.0, "1M/s"),
            (Unit::Bytes, 512.0, 512.0, "512B"),
            (Unit::Bytes, f64::NAN, 1_024.0, "1K"),
        ] {
            let found = axis_top(unit, highest);
            assert!((found - top).abs() < top * 1e-9, "{unit:?} {highest}: {found}");
            assert_eq!(tick(unit, found), label);
        }
        for highest in [1e-300, 1e-5, 7.0, 1e18, 1e300, f64::MAX] {
            for unit in [Unit::Ratio, Unit::Bytes, Unit::Seconds] {
                let top = axis_top(unit, highest);
                assert!(top.is_finite() && top >= highest, "{unit:?} {highest}: {top}");
            }
        }
    }
}
