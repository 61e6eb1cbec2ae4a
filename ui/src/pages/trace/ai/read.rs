//! Messages out of attributes and events.

use hoptrail_proto::model::{AnyValue, Attribute, Span};
use serde_json::Value;

use crate::format;

/// Most messages of a request, most parts of a message, most characters of a part.
const MOST: usize = 200;
const MOST_PARTS: usize = 50;
const LONGEST: usize = 12_000;
/// Deeper values are shown as JSON.
const DEEPEST: usize = 4;

/// Attributes that have lists of messages, and who speaks where a message does not say.
const LISTS: [(&str, &str); 7] = [
    ("gen_ai.system_instructions", "system"),
    ("gen_ai.input.messages", "user"),
    ("gen_ai.prompt", "user"),
    ("gen_ai.tool.call.arguments", "assistant"),
    ("gen_ai.tool.call.result", "tool"),
    ("gen_ai.output.messages", "assistant"),
    ("gen_ai.completion", "assistant"),
];
/// Older instrumentation numbers its messages: `gen_ai.prompt.0.content`, `llm.input_messages.0.message.content`.
const NUMBERED: [(&str, &str); 4] = [
    ("gen_ai.prompt.", "user"),
    ("llm.input_messages.", "user"),
    ("gen_ai.completion.", "assistant"),
    ("llm.output_messages.", "assistant"),
];
/// Events that are a message each.
const EVENTS: [(&str, &str); 5] = [
    ("gen_ai.system.message", "system"),
    ("gen_ai.user.message", "user"),
    ("gen_ai.assistant.message", "assistant"),
    ("gen_ai.tool.message", "tool"),
    ("gen_ai.choice", "assistant"),
];

/// Something said by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Message {
    pub(in super::super) role: String,
    pub(in super::super) parts: Vec<Part>,
}

impl Message {
    /// The class of its style.
    pub(in super::super) fn class(&self) -> &'static str {
        match self.role.as_str() {
            "system" | "developer" => "system",
            "user" => "user",
            "assistant" | "model" => "assistant",
            "tool" | "function" => "tool",
            _ => "other",
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Part {
    /// What it is when it is no plain text: `calls get_weather`, `result`, `reasoning`.
    pub(in super::super) title: String,
    pub(in super::super) text: String,
}

/// Whether an attribute has what is said.
pub(in super::super) fn is_content(key: &str) -> bool {
    LISTS.iter().any(|(list, _)| *list == key)
        || NUMBERED.iter().any(|(prefix, _)| key.starts_with(prefix))
        || ["gen_ai.event.content", "content", "message", "tool_calls"].contains(&key)
        || ["input.value", "output.value"].contains(&key)
}

/// The attributes of a span that have lists of messages.
pub(super) fn keys(span: &Span) -> Vec<String> {
    let of_events = span.events.iter().flat_map(|event| event.attributes.iter());
    let all = span.attributes.iter().chain(of_events).map(|attribute| attribute.key.as_str());
    let mut keys: Vec<String> =
        all.filter(|key| LISTS.iter().any(|(list, _)| list == key)).map(str::to_owned).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The messages of a request in the order in which they were said, and how many more there are.
pub(in super::super) fn messages(span: &Span) -> (Vec<Message>, usize) {
    let mut found = of_attributes(&span.attributes);
    let mut events: Vec<_> = span.events.iter().collect();
    events.sort_by_key(|event| event.time_unix_nano);
    for event in events {
        match EVENTS.iter().find(|(name, _)| *name == event.name) {
            Some((_, role)) => {
                let object =
                    event.attributes.iter().map(|attribute| (short(&attribute.key), json_of(&attribute.value)));
                found.extend(message(&Value::Object(object.collect()), role, 0));
            }
            None => found.extend(of_attributes(&event.attributes)),
        }
    }
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    (found, more)
}

/// `gen_ai.event.content` is `content`.
fn short(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).to_owned()
}

fn of_attributes(attributes: &[Attribute]) -> Vec<Message> {
    let mut found = Vec::new();
    for (key, role) in LISTS {
        let values = attributes.iter().filter(|attribute| attribute.key == key);
        values.for_each(|attribute| found.extend(list(&json_of(&attribute.value), role)));
    }
    for (prefix, role) in NUMBERED {
        found.extend(numbered(attributes, prefix, role));
    }
    found
}

/// Messages whose parts stand in attributes with a number in their key.
fn numbered(attributes: &[Attribute], prefix: &str, default: &str) -> Vec<Message> {
    let mut by_number: std::collections::BTreeMap<usize, serde_json::Map<String, Value>> =
        std::collections::BTreeMap::new();
    for attribute in attributes {
        let Some((number, field)) = attribute.key.strip_prefix(prefix).and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let Ok(number) = number.parse::<usize>() else { continue };
        let field = field.strip_prefix("message.").unwrap_or(field);
        by_number.entry(number).or_default().insert(field.to_owned(), json_of(&attribute.value));
    }
    by_number.into_values().filter_map(|object| message(&Value::Object(object), default, 0)).collect()
}

fn list(value: &Value, role: &str) -> Vec<Message> {
    match value {
        Value::Array(items) if items.iter().any(is_message) => {
            items.iter().take(MOST + 1).filter_map(|item| message(item, role, 0)).collect()
        }
        other => message(other, role, 0).into_iter().collect(),
    }
}

fn is_message(value: &Value) -> bool {
    value.get("role").is_some() || value.get("parts").is_some() || value.get("message").is_some()
}

fn message(value: &Value, default: &str, depth: usize) -> Option<Message> {
    // A choice has its message inside.
    if let Some(inner) = value.get("message").filter(|inner| inner.is_object() && depth < DEEPEST) {
        return message(inner, default, depth + 1);
    }
    let role = value.get("role").and_then(Value::as_str).unwrap_or(default);
    let mut parts = Vec::new();
    match value {
        Value::Object(object) => {
            let content = ["parts", "content", "text", "message"].iter().filter_map(|key| object.get(*key));
            content.for_each(|content| add_parts(content, &mut parts));
            let calls = ["tool_calls", "function_call"].iter().filter_map(|key| object.get(*key));
            calls.for_each(|calls| add_parts(calls, &mut parts));
            if parts.is_empty() && !object.is_empty() && !object.contains_key("content") {
                parts.extend(part(value));
            }
        }
        other => add_parts(other, &mut parts),
    }
    (!parts.is_empty()).then(|| Message { role: format::shortened(role, 40), parts })
}

fn add_parts(value: &Value, parts: &mut Vec<Part>) {
    match value {
        Value::Array(items) => parts.extend(items.iter().take(MOST_PARTS).filter_map(part)),
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => match inner {
                Value::Array(items) => parts.extend(items.iter().take(MOST_PARTS).filter_map(part)),
                other => parts.extend(part(&other)),
            },
            _ => parts.extend(part(value)),
        },
        other => parts.extend(part(other)),
    }
    parts.truncate(MOST_PARTS);
}

fn part(value: &Value) -> Option<Part> {
    let shown = |title: String, value: &Value| {
        let text = match value {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            other => serde_json::to_string_pretty(other).unwrap_or_default(),
        };
        Some(Part { title: format::shortened(&title, 120), text: format::shortened(&text, LONGEST) })
    };
    let first = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key)).unwrap_or(&Value::Null);
    let name = || {
        let own = first(&["name", "tool_name"]);
        let inner = value.get("function").and_then(|function| function.get("name"));
        own.as_str().or_else(|| inner.and_then(Value::as_str)).unwrap_or("a tool").to_owned()
    };
    let arguments = || match value.get("function").and_then(|function| function.get("arguments")) {
        Some(inner) => inner.clone(),
        None => first(&["arguments", "input"]).clone(),
    };
    match value.get("type").and_then(Value::as_str) {
        Some("text" | "output_text" | "input_text") => shown(String::new(), first(&["content", "text"])),
        Some("reasoning" | "thinking") => {
            shown("reasoning".to_owned(), first(&["content", "thinking", "text", "reasoning"]))
        }
        Some("tool_call" | "function" | "tool_use" | "function_call") => {
            let arguments = arguments();
            let empty = Value::String("(no arguments)".to_owned());
            shown(format!("calls {}", name()), if arguments.is_null() { &empty } else { &arguments })
        }
        Some("tool_call_response" | "tool_result") => {
            shown("result".to_owned(), first(&["response", "result", "content", "output"]))
        }
        Some(kind) => shown(kind.to_owned(), value),
        None if value.get("function").is_some() => shown(format!("calls {}", name()), &arguments()),
        None => match value.get("content").or_else(|| value.get("text")) {
            Some(content) => shown(String::new(), content),
            None => shown(String::new(), value),
        },
    }
}

/// A value as JSON; a text that is JSON as what it says.
fn json_of(value: &AnyValue) -> Value {
    match value {
        AnyValue::Empty => Value::Null,
        AnyValue::String(text) if text.trim_start().starts_with(['[', '{']) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        AnyValue::String(text) => Value::String(text.clone()),
        AnyValue::Bool(truth) => Value::Bool(*truth),
        AnyValue::Int(number) => Value::from(*number),
        AnyValue::Double(number) => Value::from(*number),
        AnyValue::Bytes(_) => Value::String(format::value(value)),
        AnyValue::Array(items) => Value::Array(items.iter().map(json_of).collect()),
        AnyValue::KvList(pairs) => {
            Value::Object(pairs.iter().map(|pair| (pair.key.clone(), json_of(&pair.value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::SpanEvent;

    use super::*;

    fn said(span: &Span) -> Vec<(String, String, String)> {
        let (messages, _) = messages(span);
        let lines = messages.into_iter().flat_map(|message| {
            message.parts.into_iter().map(move |part| (message.role.clone(), part.title, part.text))
        });
        lines.collect()
    }

    fn of(attributes: &[(&str, &str)]) -> Span {
        Span {
            attributes: attributes.iter().map(|(key, value)| Attribute::new(*key, *value)).collect(),
            ..Span::default()
        }
    }

    fn line(role: &str, title: &str, text: &str) -> (String, String, String) {
        (role.to_owned(), title.to_owned(), text.to_owned())
    }

    #[test]
    fn lists_in_attributes_are_a_conversation() {
        let span = of(&[
            (
                "gen_ai.output.messages",
                r#"[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"Rain."}]}]"#,
            ),
            ("gen_ai.system_instructions", r#"[{"type":"text","content":"Be brief."}]"#),
            (
                "gen_ai.input.messages",
                r#"[{"role":"user","parts":[{"type":"text","content":"Weather?"}]},
              {"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"weather","arguments":{"city":"Bonn"}}]},
              {"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"rain"}]}]"#,
            ),
        ]);
        assert_eq!(
            said(&span),
            [
                line("system", "", "Be brief."),
                line("user", "", "Weather?"),
                line("assistant", "calls weather", "{\n  \"city\": \"Bonn\"\n}"),
                line("tool", "result", "rain"),
                line("assistant", "reasoning", "hm"),
                line("assistant", "", "Rain."),
            ]
        );
    }

    #[test]
    fn older_forms_say_the_same() {
        let json = of(&[("gen_ai.prompt", r#"[{"role":"user","content":"Hi"}]"#), ("gen_ai.completion", "Hello")]);
        let numbered = of(&[
            ("gen_ai.prompt.0.role", "user"),
            ("gen_ai.prompt.0.content", "Hi"),
            ("gen_ai.completion.0.content", "Hello"),
        ]);
        let inference = of(&[
            ("llm.input_messages.0.message.role", "user"),
            ("llm.input_messages.0.message.content", "Hi"),
            ("llm.output_messages.0.message.content", "Hello"),
        ]);
        let event = |time, name: &str, attributes: &[(&str, &str)]| SpanEvent {
            time_unix_nano: time,
            name: name.into(),
            attributes: attributes.iter().map(|(key, value)| Attribute::new(*key, *value)).collect(),
            ..SpanEvent::default()
        };
        let events = Span {
            events: vec![
                event(2, "gen_ai.choice", &[("index", "0"), ("message", r#"{"role":"assistant","content":"Hello"}"#)]),
                event(1, "gen_ai.user.message", &[("content", "Hi")]),
            ],
            ..Span::default()
        };
        for span in [json, numbered, inference, events] {
            assert_eq!(said(&span), [line("user", "", "Hi"), line("assistant", "", "Hello")]);
        }
        let old = of(&[(
            "gen_ai.completion",
            r#"[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]"#,
        )]);
        assert_eq!(said(&old), [line("assistant", "calls f", "{}")]);
    }

    #[test]
    fn whatever_is_sent_is_shown_and_bounded() {
        for text in [
            "",
            "[",
            "[]",
            "{}",
            "[1,null,[2]]",
            "null",
            r#"{"role":5}"#,
            r#"{"message":{"message":{"message":{"message":{}}}}}"#,
        ] {
            messages(&of(&[("gen_ai.prompt", text), ("gen_ai.input.messages", text)]));
        }
        let long = of(&[("gen_ai.prompt", &"x".repeat(1 << 20))]);
        assert!(said(&long)[0].2.len() < LONGEST + 10);
        let many = format!("[{}]", vec![r#"{"role":"user","content":"x"}"#; 50_000].join(","));
        let (found, more) = messages(&of(&[("gen_ai.prompt", &many)]));
        assert!(found.len() == MOST && more >= 1);
    }
}
