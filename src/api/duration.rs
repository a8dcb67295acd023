//! Durations as users write them: `90s`, `5m`, `1h30m`.

use crate::text::quoted;

/// Returns the seconds of a duration, with their fraction.
///
/// # Errors
/// If the text is no duration, or longer than the schema allows.
pub fn parse_duration(text: &str) -> Result<f64, String> {
    let wrong = || format!("{} is not a duration; write for example 90s, 5m or 1h30m", quoted(text));
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    let mut parts = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        parts += 1;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        // As the schema bounds it, which manifests from files have not met. Such a sum fits.
        if digits == 0 || digits > 9 || parts > 5 {
            return Err(wrong());
        }
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (unit, factor) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .ok_or_else(wrong)?;
        milliseconds += number * factor;
        rest = &tail[unit.len()..];
    }
    Ok(milliseconds as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Ok(5400.0));
        assert_eq!(parse_duration("5ms"), Ok(0.005));
        let most = "999999999d".repeat(5);
        assert_eq!(parse_duration(&most), Ok(5.0 * 999_999_999.0 * 86_400.0));
        for bad in ["", "5", "m", "-5m", "1w", "5 m", "9999999999s", "5m3", &format!("{most}1s")] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
