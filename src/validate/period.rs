//! The `ranges` of a TimePeriod and of a ScheduledDowntime: day definition -> times.
//!
//! A grammar of our own, because Icinga silently takes much for something else. Read in its
//! `lib/icinga/legacytimeperiod.cpp` (2.13.6 and 2.16.5) and probed with 2.13.6: `day 32` is no
//! day, `april 31` and `2026-02-30` are days of the next month, words at the end are ignored,
//! `monday 0` hangs it. 2.16 (#10633) adds only that the times are strings. Two faults touch
//! nearly every definition, so they are not for us to refuse:
//! - Before 2.13.11 and 2.14.4 (#9983) a TimePeriod holds also on the day after any definition but
//!   a plain weekday, and `monday -1` is a week late when the next month begins with a monday.
//! - A stride counts 24 hours a day: after the change to summer time it is a day late (the same in
//!   2.16.5).

use crate::text::quoted;

const MONTHS: &str = "january february march april may june july august september october november december";
/// Of a common year: Icinga takes `february 29` for March 1 without a leap day, `february -29` for
/// January 31.
const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const WEEKDAYS: &str = "sunday monday tuesday wednesday thursday friday saturday";
const MAX_DAY_CHARACTERS: usize = 200;
const MAX_TIMES_CHARACTERS: usize = 1000;
const END_OF_DAY: u32 = 24 * 60 * 60;

/// A day, by what it is counted from: only two days counted from the same make a range.
#[derive(Clone, Copy)]
enum Day {
    Date(i64, i64, i64),
    Weekday,
    Monthly(Nth),
    Yearly(usize, Nth),
}

/// A place in a month; a number below zero counts from the end.
#[derive(Clone, Copy)]
enum Nth {
    Day(i64),
    Weekday(i64, i64),
}

impl Nth {
    /// Returns the day in a month of this length that begins on this weekday; outside of the month
    /// if it has none.
    fn day(self, length: i64, first: i64) -> i64 {
        match self {
            Self::Day(n) if n > 0 => n,
            Self::Day(n) => length + 1 + n,
            Self::Weekday(weekday, n) if n > 0 => 1 + (weekday - first).rem_euclid(7) + 7 * (n - 1),
            Self::Weekday(weekday, n) => length - (first + length - 1 - weekday).rem_euclid(7) + 7 * (n + 1),
        }
    }

    fn in_every_month(self) -> bool {
        matches!(self, Self::Day(-28..=28) | Self::Weekday(_, -4..=4))
    }
}

/// Returns what is wrong with a day definition.
pub fn day_problem(text: &str) -> Option<String> {
    definition(text).err().map(with_example)
}

/// Returns what is wrong with a day definition of a ScheduledDowntime, which allows only days that
/// every month has. Icinga looks for the next such day in any month; on 2026-11-23, 2.13.6 planned
/// `day 31` and `tuesday 5` for December 1.
pub fn downtime_day_problem(text: &str) -> Option<String> {
    let days = match definition(text) {
        Ok(days) => days,
        Err(problem) => return Some(with_example(problem)),
    };
    let missing = days.iter().any(|day| matches!(day, Day::Monthly(nth) if !nth.in_every_month()));
    let problem = "not every month has this day, and Icinga then takes a day of another month for the downtime; \
                   \"day -1\" is the last day, \"monday -1\" the last monday, \"day 15 - -1\" runs to the end";
    missing.then(|| with_example(problem.into()))
}

fn with_example(problem: String) -> String {
    format!(r#"{problem}; write for example "monday", "day -1" or "2026-12-24 - 2026-12-26""#)
}

/// Returns what is wrong with a list of times. Probed with 2.13.6: it takes no blanks, but `25:00`
/// and `09:60`; an end at or before the begin is on the next day, so `00:00-00:00` is the whole
/// day and not none.
pub fn times_problem(text: &str) -> Option<String> {
    let problem = if text.chars().nth(MAX_TIMES_CHARACTERS).is_some() {
        format!("longer than {MAX_TIMES_CHARACTERS} characters")
    } else if text.contains(char::is_whitespace) {
        "Icinga takes no blanks in times".into()
    } else {
        text.split(',').find_map(range_of_times_problem)?
    };
    Some(format!(r#"{problem}; write for example "09:00-12:00,13:00-17:00" or "00:00-24:00""#))
}

fn range_of_times_problem(range: &str) -> Option<String> {
    let Some((begin, end)) = range.split_once('-') else {
        return Some(format!("{} has no begin and end", quoted(range)));
    };
    match (second_of_day(begin), second_of_day(end)) {
        (None | Some(END_OF_DAY), _) => {
            Some(format!("{} is not HH:MM[:SS] from 00:00 to 23:59:59", quoted(begin)))
        }
        (_, None) => Some(format!("{} is not HH:MM[:SS] from 00:00 to 24:00", quoted(end))),
        (Some(0), Some(0)) => Some(format!("{} is the whole day for Icinga, not none", quoted(range))),
        _ => None,
    }
}

fn second_of_day(text: &str) -> Option<u32> {
    let parts: Vec<_> = text.split(':').map(|part| digits(part, 2)).collect();
    let (hour, minute, second) = match parts[..] {
        [Some(hour), Some(minute)] => (hour, minute, 0),
        [Some(hour), Some(minute), Some(second)] => (hour, minute, second),
        _ => return None,
    };
    let sum = hour * 3600 + minute * 60 + second;
    (minute < 60 && second < 60 && sum <= END_OF_DAY).then_some(sum)
}

/// Reads the one day, or both ends of the range.
fn definition(text: &str) -> Result<Vec<Day>, String> {
    if text.chars().nth(MAX_DAY_CHARACTERS).is_some() {
        return Err(format!("longer than {MAX_DAY_CHARACTERS} characters"));
    }
    let Some((days, stride)) = text.split_once('/') else {
        return text.split_once(" - ").map_or_else(|| Ok(vec![day(text)?]), |(a, b)| range(a, b));
    };
    // Probed: for "2026-05-10/2" Icinga never comes to a second day, and it takes a stride of 0 or
    // -2 for none.
    let stride = stride.strip_prefix(' ').and_then(|stride| number(stride, 366)).filter(|stride| *stride > 0);
    match (stride, days.strip_suffix(' ').and_then(|days| days.split_once(" - "))) {
        (Some(_), Some((begin, end))) => range(begin, end),
        _ => Err("a stride is a number from 1 to 366 after a range, as in \"day 1 - 15 / 5\"".into()),
    }
}

/// Reads both ends of a range. Icinga finds each by itself, seen from the day in question.
fn range(first: &str, second: &str) -> Result<Vec<Day>, String> {
    let begin = day(first)?;
    let end = match begin {
        // The short form: Icinga puts the first word of the begin before a number.
        Day::Monthly(Nth::Day(_)) | Day::Yearly(_, Nth::Day(_)) if second.parse::<i64>().is_ok() => {
            day(&format!("{} {second}", first.split(' ').next().unwrap_or_default()))?
        }
        _ => day(second)?,
    };
    let backwards = "the end is, or can be, before the begin, and Icinga then takes no day at all; days without a year \
                     end in the same month or year, so write two keys: \"december 24 - 31\" and \"january 1 - 6\"";
    // A begin before the month: a stride would count from there.
    let missing = |nth| matches!(nth, Nth::Day(-31..=-29) | Nth::Weekday(_, -5 | 5));
    let problem = match (begin, end) {
        (Day::Date(y1, m1, d1), Day::Date(y2, m2, d2)) => ((y2, m2, d2) < (y1, m1, d1)).then_some(backwards),
        (Day::Monthly(begin), Day::Monthly(end)) if missing(begin) || missing(end) => Some(
            "not every month has this begin or end; in a range write \"day 1\", or a weekday with 1 to 4 or -1 to -4",
        ),
        (Day::Monthly(begin), Day::Monthly(end)) => {
            let months = (28..=31).flat_map(|length| (0..7).map(move |weekday| (length, weekday)));
            let mut ends =
                months.map(|(length, first)| (length, begin.day(length, first), end.day(length, first)));
            // A month that is too short for the begin has no such days at all.
            ends.any(|(length, begin, end)| begin <= length && end < begin).then_some(backwards)
        }
        (Day::Yearly(..), Day::Yearly(..)) => {
            let mut years = (0..=1).flat_map(|leap| (0..7).map(move |january| (leap, january)));
            years
                .any(|(leap, january)| day_of_year(end, leap, january) < day_of_year(begin, leap, january))
                .then_some(backwards)
        }
        // Probed: on a tuesday "monday - friday" begins with the next monday, so it holds on
        // mondays alone.
        (Day::Weekday, Day::Weekday) => {
            Some("Icinga takes a range of weekdays for its first one; write a key for each weekday")
        }
        // Probed: "2026-12-24 - december 31" holds in june 2027 too, "day 1 - april 3" on none in
        // may.
        _ => Some(
            "both ends must be dates, days of every month (\"monday 3 - thursday 4\") or days of the year \
                   (\"april 10 - may 15\")",
        ),
    };
    problem.map_or(Ok(vec![begin, end]), |problem| Err(problem.into()))
}

/// Returns the day of the year; `leap` is 1 in a leap year, `january` the weekday of January 1.
fn day_of_year(day: Day, leap: i64, january: i64) -> i64 {
    let Day::Yearly(month, nth) = day else { return 0 };
    let length = |month| days_of(month) + if month == 1 { leap } else { 0 };
    let before: i64 = (0..month).map(length).sum();
    before + nth.day(length(month), (january + before) % 7)
}

fn days_of(month: usize) -> i64 {
    DAYS.get(month).copied().unwrap_or_default()
}

fn day(text: &str) -> Result<Day, String> {
    let month_of = |word: &str| MONTHS.split(' ').position(|name| name == word);
    let weekday_of = |word: &str| (0..).zip(WEEKDAYS.split(' ')).find(|day| day.1 == word).map(|day| day.0);
    let place = |n: &str, max| {
        let bounds = format!("the number is 1 to {max}, or -1 to -{max} from the end");
        number(n, max).ok_or_else(|| format!("there is no {}, or not in every year; {bounds}", quoted(text)))
    };
    let unknown =
        || format!("{} is no date of 1970 to 2099, and no day in full lower-case English", quoted(text));
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["day", n] => Ok(Day::Monthly(Nth::Day(place(n, 31)?))),
        [word] if weekday_of(word).is_some() => Ok(Day::Weekday),
        [word] => date(word).ok_or_else(unknown),
        [word, n] => match (month_of(word), weekday_of(word)) {
            (Some(month), _) => Ok(Day::Yearly(month, Nth::Day(place(n, days_of(month))?))),
            (_, Some(weekday)) => Ok(Day::Monthly(Nth::Weekday(weekday, place(n, 5)?))),
            _ => Err(unknown()),
        },
        [word, n, month] => match (weekday_of(word), month_of(month)) {
            // A missing fifth one is in the next month, as with "april 31".
            (Some(weekday), Some(month)) => Ok(Day::Yearly(month, Nth::Weekday(weekday, place(n, 4)?))),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// Reads a date that exists, from 1970 to 2099. Icinga 2.13.6 holds years up to 9999, but walks
/// through the range of a ScheduledDowntime day by day, each minute.
fn date(text: &str) -> Option<Day> {
    let [year, month, day] = text.split('-').collect::<Vec<_>>()[..] else { return None };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    // Right for these years: 2000 was a leap year.
    let leap = i64::from(month == 2 && year % 4 == 0);
    let days = days_of(usize::try_from(month.checked_sub(1)?).ok()?) + leap;
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    ((1970..=2099).contains(&year) && (1..=days).contains(&day)).then_some(Day::Date(year, month, day))
}

/// Reads a number of so many digits.
fn digits(text: &str, length: usize) -> Option<u32> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Reads a number from 1 to `max`, or from -1 to -`max`; not `+1` and not `01`, which Icinga takes
/// too.
fn number(text: &str, max: i64) -> Option<i64> {
    let value = text.parse::<i64>().ok().filter(|value| value.to_string() == text)?;
    (1..=max).contains(&value.checked_abs()?).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2.13.6 accepts these too, each for the days that a calendar gives, but for the faults
    /// above.
    const ACCEPTED: &str = "monday|sunday|day 1|day 31|day -1|day -31|april 30|april -30|february 28|february -28|\
        december 31|monday 1|monday 5|monday -1|monday -5|monday 1 may|thursday 4 november|friday -1 may|\
        sunday -4 february|2026-12-24|2028-02-29|2000-02-29|1970-01-01|2099-12-31|2026-12-24 - 2026-12-26|\
        2026-12-30 - 2027-01-02|2026-05-10 - 2026-05-14 / 2|day 1 - 15|day 1 - day 15|day 1 - 15 / 5|day 15 - 31|\
        day 20 - -1|day 20 - day -1|day -5 - -1|day 29 - -1|day -28 - -1|day 3 - 3|april 10 - 15|april 10 - may 15|\
        april 1 - december -1 / 7|february -1 - march 1|monday 3 - thursday 4|monday 2 - day 20|day 1 - friday -1|\
        monday 1 - friday -1 / 2|monday 1 april - friday 1 may|april 10 - monday 1 may|monday 1 may - june 1";
    /// 2.13.6 refuses these too.
    const REFUSED: &str = "|*| monday|monday |monday\t1|day  1|Monday|mon|jan 1|january|day|day x|monday may|\
        monday 1 foo|2026-13-01|2026-1-1|2026-12-24 - 26|2026-12-24-2026-12-26|2026-12-24 / 2|day 1-15|\
        day 1 - |- day 1|day 1 - 15 /|day 1 - 15 / x|monday / 2";
    /// 2.13.6 hangs at the first and accepts the others, most for other days than a reader; some
    /// only differ in form.
    const MISREAD: &str = "monday 0|monday 6|monday -6|monday 5 june|tuesday -5 may|monday 1 may x|monday - friday|\
        day 0|day 32|day -32|day 05|day +5|day 1 foo|day 1 - 15 april|april 0|april 31|may -32|february 29|\
        february -29|2026-02-29|2026-04-31|2100-01-01|1969-12-31|9999-12-31|0000-01-01|2026-12-26 - 2026-12-24|\
        2026-12-24  -  2026-12-26|2026-12-24- 2026-12-26|2026-05-10/2|day 1 / 2|day 1 - 15/5|day 1 - 15 / 0|\
        day 1 - 15 / -1|day 1 - 15 / 99999999999|monday 1 - 3|monday 1 - tuesday|monday 1 - friday 1|day 15 - 1|\
        monday 4 - friday -1|monday 3 - monday 5|day 20 - -10|day 1 - -31|day -31 - -1 / 7|\
        december 20 - january 5|day 1 - april 3|monday 1 april - may 3 / 0|2026-12-24 - december 31|day 1 - monday";
    const ACCEPTED_TIMES: &str = "09:00-17:00|09:00:00-17:00:30|09:00-17:00:30|00:00-24:00|00:00-24:00:00|\
        08:00-08:00|22:00-06:00|09:00-00:00|00:00:01-00:00|\
        09:00-12:00,13:00-17:00|09:00-12:00,11:00-13:00,23:59:59-24:00";
    const REFUSED_TIMES: &str = "|,|always|09:00|9-17|09:00-|-17:00|-1:00-10:00|09:00 - 17:00| 09:00-17:00|\
        09:00-17:00 |09:00-12:00, 13:00-17:00|09:00-12:00,|09:00-17:00-18:00|09.00-17.00|\
        09:00:00:00-17:00|09:00\u{2013}17:00";
    /// As with the days.
    const MISREAD_TIMES: &str = "9:00-17:00|009:00-17:00|+9:00-17:00|00:00-00:00|24:00-24:00|24:00-06:00|\
        00:00-24:01|00:00-25:00|00:00-24:00:01|09:60-10:00|09:00:60-10:00|99999999999:00-12:00";

    fn agree(accepted: &str, refused: &[&str], problem: fn(&str) -> Option<String>) {
        accepted.split('|').for_each(|text| assert_eq!(problem(text), None, "{text:?}"));
        for text in refused.iter().flat_map(|list| list.split('|')) {
            let helps = problem(text).is_some_and(|problem| problem.contains("; write for example "));
            assert!(helps, "{text:?}");
        }
    }

    #[test]
    fn icinga_and_the_reader_agree() {
        agree(ACCEPTED, &[REFUSED, MISREAD], day_problem);
        agree(ACCEPTED_TIMES, &[REFUSED_TIMES, MISREAD_TIMES], times_problem);
        let always = "monday|day 28|day -28|monday -4|february 28|may 31|2028-02-29|day 15 - -1";
        let missing = "day 31|day -29|monday 5|monday -5|day 15 - 31|day 29 - -1";
        agree(always, &[missing, REFUSED, MISREAD], downtime_day_problem);
    }

    #[test]
    fn every_text_gets_an_answer() {
        let parts: Vec<&str> = "monday|day|may|2026-12-24| | - |/|-|:|,|9|00|ß|\0|24:00".split('|').collect();
        let mut seed = 1_u64;
        let mut next = |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        };
        for _ in 0..5_000 {
            let text: String = (0..next(9)).map(|_| parts[next(parts.len())]).collect();
            let _ = (downtime_day_problem(&text), times_problem(&text));
        }
        assert!(day_problem(&"ß".repeat(201)).is_some_and(|problem| problem.contains("200 characters")));
        assert!(times_problem(&"00:00-24:00,".repeat(84)).is_some_and(|problem| problem.contains("1000")));
        assert!(day_problem("monday -9223372036854775808").is_some());
    }
}
