//! How often a test tries what is left to chance: a few times in the gate, as often as is promised in `tests/soak`.

/// How many times to try: `usual`, or what `TOMO_TEST_ROUNDS` says.
///
/// # Panics
/// The variable is no number.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    match std::env::var("TOMO_TEST_ROUNDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("TOMO_TEST_ROUNDS is \"{text}\", not a number")),
        Err(_) => usual,
    }
}
