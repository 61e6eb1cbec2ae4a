//! Addresses with variables in double braces.

use std::time::Duration;

use hoptrail_proto::units::Time;
use jiff::Timestamp;

use super::encoded;

/// An address with variables.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Value(Value),
}

/// A variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    TraceId,
    SpanId,
    Service,
    Name,
    Start(Moment),
    End(Moment),
    Attribute { scope: &'static str, key: String },
}

/// How a time is written, and how much later or earlier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) unit: Unit,
    /// Nanoseconds.
    pub(super) shift: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Nanos,
    Iso,
}

impl Moment {
    /// The text of a time.
    pub(super) fn text(self, nanos: u64) -> Option<String> {
        let nanos = nanos.saturating_add_signed(self.shift);
        Some(match self.unit {
            Unit::Seconds => (nanos / 1_000_000_000).to_string(),
            Unit::Millis => (nanos / 1_000_000).to_string(),
            Unit::Nanos => nanos.to_string(),
            Unit::Iso => {
                let millis = i64::try_from(nanos / 1_000_000).ok()?;
                let time = Timestamp::from_millisecond(millis).ok()?;
                time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
            }
        })
    }
}

impl Template {
    /// Reads an address.
    pub(super) fn read(url: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = url;
        while let Some((text, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or_else(|| format!("{{{{{after} has no }}}}"))?;
            pieces.push(Piece::Text(text.to_owned()));
            pieces.push(Piece::Value(value(name.trim())?));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        for piece in &pieces {
            if let Piece::Text(text) = piece
                && text.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                return Err("the address has a space in it: write %20".to_owned());
            }
        }
        let Some(Piece::Text(start)) = pieces.first() else { return Err("it is empty".to_owned()) };
        let host = check_address(start)?;
        if pieces.len() > 1 && !host.contains(['/', '?', '#']) {
            return Err("the host is written out, and a / follows it, before the first variable".to_owned());
        }
        Ok(Self(pieces))
    }

    /// The address with the values; `None` when one is missing.
    pub(super) fn filled(&self, of: impl Fn(&Value) -> Option<String>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(value) => out.push_str(&encoded(&of(value)?)),
            }
        }
        Some(out)
    }
}

/// What follows the scheme of an address, which must be one that a page may lead to.
pub(super) fn check_address(url: &str) -> Result<&str, String> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or_else(|| format!("{url:?} must begin with http:// or https://"))?;
    if rest.is_empty() || rest.starts_with(['/', '?', '#']) {
        return Err(format!("{url:?}: the host is written out"));
    }
    Ok(rest)
}

fn value(text: &str) -> Result<Value, String> {
    let attribute = |prefix: &'static str| {
        let key = text.strip_prefix(prefix)?.strip_prefix('.').filter(|key| !key.is_empty())?;
        Some(Value::Attribute { scope: prefix, key: key.to_owned() })
    };
    if let Some(value) = attribute("resource").or_else(|| attribute("span")) {
        return Ok(value);
    }
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (name, shift) = text.split_at(end);
    let shift = shift_of(shift)?;
    let plain = match name.trim() {
        "trace_id" => Value::TraceId,
        "span_id" => Value::SpanId,
        "service" => Value::Service,
        "name" => Value::Name,
        time => return moment(time, shift.unwrap_or_default()),
    };
    if shift.is_some() { Err(format!("{text:?}: only times are shifted")) } else { Ok(plain) }
}

fn moment(name: &str, shift: i64) -> Result<Value, String> {
    let unknown = || format!("there is no variable {name:?}");
    let (which, unit) = name.split_once('_').ok_or_else(unknown)?;
    let unit = match unit {
        "s" => Unit::Seconds,
        "ms" => Unit::Millis,
        "ns" => Unit::Nanos,
        "iso" => Unit::Iso,
        _ => return Err(unknown()),
    };
    match which {
        "start" => Ok(Value::Start(Moment { unit, shift })),
        "end" => Ok(Value::End(Moment { unit, shift })),
        _ => Err(unknown()),
    }
}

/// `- 5m` in nanoseconds; `None` where there is nothing.
fn shift_of(text: &str) -> Result<Option<i64>, String> {
    let Some(sign) = text.chars().next() else { return Ok(None) };
    let length = text.trim_start_matches(['+', '-']).trim();
    let Time(length) = length.parse::<Time>().map_err(|_| format!("{length:?} is no duration"))?;
    let nanos = i64::try_from(Duration::as_nanos(&length)).map_err(|_| "the shift is too long".to_owned())?;
    Ok(Some(if sign == '-' { -nanos } else { nanos }))
}
