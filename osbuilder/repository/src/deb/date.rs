//! Dates as Release files spell them: `Sat, 09 Aug 2025 10:27:54 UTC`. Nothing
//! here reads a clock or a time zone of the machine.

/// Seconds since 1970 UTC; `None` where the text is no such date.
pub fn parse(text: &str) -> Option<i64> {
    let text = match text.split_once(',') {
        Some((weekday, rest)) if weekday.len() == 3 => rest,
        Some(_) => return None,
        None => text,
    };
    let mut words = text.split_ascii_whitespace();
    let day = number(words.next()?, 2)?;
    let month = month(words.next()?)?;
    let year = number(words.next()?, 4).filter(|year| *year >= 1970)?;
    let time = words.next()?;
    let zone = words.next()?;
    let utc = ["UTC", "GMT", "Z", "+0000", "-0000"];
    if words.next().is_some() || !utc.contains(&zone) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(text: &str, max_digits: usize) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= max_digits;
    (digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn month(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let index = MONTHS.iter().position(|name| *name == text)?;
    i64::try_from(index + 1).ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = |y: i64| y / 4 - y / 100 + y / 400;
    let years = (year - 1970) * 365 + leap_days(before) - leap_days(1969);
    let months: i64 = (1..month).map(|m| days_in(year, m)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_become_seconds() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Sat, 09 Aug 2025 10:27:54 UTC", Some(1_754_735_274)),
            ("Thu, 29 Feb 2024 23:59:59 +0000", Some(1_709_251_199)),
            ("1 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Mon, 01 Jan 2106 00:00:00 UTC", Some(4_291_747_200)),
            ("Sat, 30 Feb 2025 10:27:54 UTC", None),
            ("Sat, 09 Aug 2025 10:27:54 CEST", None),
            ("Sat, 09 Aug 2025 24:00:00 UTC", None),
            ("Sat, 09 Aug 99999 10:00:00 UTC", None),
            ("Sat, 09 August 2025 10:27:54 UTC", None),
            ("2025-08-09T10:27:54Z", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
