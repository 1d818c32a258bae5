//! Times as callers write them: a duration back from now, or RFC 3339.

use tomo_proto::error::ErrorCode;

use crate::services::error::ServiceError;

/// The time (UTC ms) a text stands for.
pub(super) fn parse(text: &str, field: &'static str, now_ms: u64) -> Result<u64, ServiceError> {
    let text = text.trim();
    let amount = |text: &str| -> Option<u64> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit_ms = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit_ms)
    };
    if let Some(back_ms) = amount(text) {
        return Ok(now_ms.saturating_sub(back_ms));
    }
    let absolute = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    absolute.ok_or_else(|| {
        let shown = tomo_proto::text::display_line(text, 40);
        ServiceError::new(
            ErrorCode::Invalid,
            format!("{field} \"{shown}\" is neither a duration (30s, 15m, 24h, 7d) nor RFC 3339"),
        )
        .with_field(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_count_back_from_now() {
        for (text, expected) in [
            ("30s", Some(999_970_000)),
            ("15m", Some(999_100_000)),
            ("0h", Some(1_000_000_000)),
            ("999999d", Some(0)),
            ("1970-01-01T00:00:05Z", Some(5_000)),
            ("", None),
            ("m", None),
            ("5", None),
            ("5y", None),
            ("-5m", None),
            ("99999999999999999999d", None),
            ("é", None),
        ] {
            assert_eq!(parse(text, "since", 1_000_000_000).ok(), expected, "{text}");
        }
    }
}
