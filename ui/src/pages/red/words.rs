//! Rates, shares and changes as a person reads them.

use crate::format::{Unit, duration};

const MINUS: char = '−';

/// The unit of all rates of a table, so that they can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateUnit {
    Second,
    Minute,
    Hour,
}

impl RateUnit {
    /// The unit that suits the highest rate, in a second.
    pub(crate) fn of(highest: f64) -> Self {
        match highest * 60.0 {
            30.0.. => Self::Second,
            0.5..30.0 => Self::Minute,
            _ if highest > 0.0 => Self::Hour,
            _ => Self::Second,
        }
    }

    /// How many of these make one in a second.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3_600.0,
        }
    }

    /// `per second`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Second => "per second",
            Self::Minute => "per minute",
            Self::Hour => "per hour",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Second => "/s",
            Self::Minute => "/min",
            Self::Hour => "/h",
        }
    }

    /// `4.23/s`
    pub(crate) fn text(self, per_second: f64) -> String {
        format!("{}{}", self.number(per_second), self.symbol())
    }

    /// `4.2/s`, where there is little room.
    pub(crate) fn short(self, per_second: f64) -> String {
        let value = per_second * self.factor();
        let text = match value {
            0.0..0.1 if value > 0.0 => "<0.1".to_owned(),
            0.0..10.0 => Unit::Plain.text((value * 10.0).round() / 10.0),
            10.0..10_000.0 => Unit::Plain.text(value.round()),
            _ => Unit::Count.text((value / 1e3).round()) + " k",
        };
        format!("{text}{}", self.symbol())
    }

    /// Three digits of it.
    fn number(self, per_second: f64) -> String {
        let value = per_second * self.factor();
        let digits = match value {
            0.0..0.1 => 1e3,
            0.1..1.0 => 1e3,
            1.0..10.0 => 1e2,
            10.0..100.0 => 1e1,
            _ => 1.0,
        };
        let rounded = (value * digits).round() / digits;
        if rounded == 0.0 && value > 0.0 { "<0.001".to_owned() } else { Unit::Plain.text(rounded) }
    }
}

/// A part of a whole: `0 %`, `0.02 %`, `1.3 %`, `12 %`.
pub(crate) fn percent(part: f64) -> String {
    let value = 100.0 * part;
    match value {
        _ if part <= 0.0 => "0 %".to_owned(),
        0.0..0.01 => "<0.01 %".to_owned(),
        0.01..0.995 => format!("{value:.2} %"),
        0.995..9.95 => format!("{value:.1} %"),
        // All is only what is all.
        99.5.. if part < 1.0 => format!("{:.1} %", (value * 10.0).floor() / 10.0),
        _ => format!("{value:.0} %"),
    }
}

/// How one number is to another: `+12 %`, `−30 %`, `×14`.
pub(crate) fn relative(now: f64, before: f64) -> String {
    let change = now / before - 1.0;
    match change {
        _ if !change.is_finite() => "–".to_owned(),
        9.0.. => format!("×{:.0}", change + 1.0),
        _ if (100.0 * change).abs() < 0.5 => "±0 %".to_owned(),
        0.0.. => format!("+{:.0} %", 100.0 * change),
        _ => format!("{MINUS}{:.0} %", -100.0 * change),
    }
}

/// By how many percentage points a part changed: `+1.3`, `−0.2`.
pub(crate) fn points(now: f64, before: f64) -> String {
    let change = 100.0 * (now - before);
    let size = change.abs();
    let places = if size < 0.995 { 2 } else { usize::from(size < 9.95) };
    match change {
        _ if size < 0.005 => "±0".to_owned(),
        0.0.. => format!("+{size:.places$}"),
        _ => format!("{MINUS}{size:.places$}"),
    }
}

/// A duration in nanoseconds; a dash where there is none.
pub(crate) fn seconds_text(nanos: Option<f64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), |nanos| duration(nanos.round().max(0.0) as u64))
}

/// Nanoseconds as milliseconds, for machines.
pub(crate) fn milliseconds(nanos: f64) -> f64 {
    (nanos / 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_say_none_or_all_of_what_is_not() {
        let cases = [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.000_2, "0.02 %"),
            (0.013, "1.3 %"),
            (0.124, "12 %"),
            (0.999_9, "99.9 %"),
            (1.0, "100 %"),
        ];
        for (part, text) in cases {
            assert_eq!(percent(part), text);
        }
    }

    #[test]
    fn changes_say_their_sign() {
        let cases = [(1.12, "+12 %"), (0.7, "−30 %"), (14.2, "×14"), (1.001, "±0 %"), (0.0, "−100 %")];
        for (now, text) in cases {
            assert_eq!(relative(now, 1.0), text);
        }
        assert_eq!(relative(1.0, 0.0), "–");
        assert_eq!([points(0.02, 0.007), points(0.0, 0.25), points(0.1, 0.1)], ["+1.3", "−25", "±0"]);
    }

    #[test]
    fn rates_of_a_table_share_a_unit() {
        let cases = [(250.0, "250/s"), (0.5, "0.5/s"), (0.1, "6/min"), (0.002, "7.2/h"), (0.0, "0/s")];
        for (rate, text) in cases {
            assert_eq!(RateUnit::of(rate).text(rate), text);
        }
        assert_eq!(RateUnit::Second.text(0.000_1), "<0.001/s");
        assert_eq!(RateUnit::Second.text(1_234.567), "1\u{202f}235/s");
    }
}
