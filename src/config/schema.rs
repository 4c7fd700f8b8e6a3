//! The JSON Schema of the config file, from the definitions that parse it: what a value may be is said here beside its
//! parser, which keys there are is read from the tables themselves.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::options::Options;
use super::values::{BasePath, Count, FormatWord, LineSize, Listen, Origin, Period, Size, Time, Zone};
use crate::event::RESERVED_NAMES;
use crate::format::Format;
use crate::http::access::peer::Proxy;
use crate::http::access::sites::HostName;

/// The schema of the config file, as text.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Options).to_value();
    schema["title"] = "The config file of sidetail".into();
    schema["description"] = "Every key is also a flag and an environment variable, but for the tables.".into();
    if let Some(keys) = schema["properties"].as_object_mut() {
        add_other_spelling(keys);
    }
    format!("{schema:#}\n")
}

/// The same keys with `_` for `-`.
fn add_other_spelling(keys: &mut Map<String, Value>) {
    let others = keys.iter().filter(|(key, _)| key.contains('-')).map(|(key, value)| (key.replace('-', "_"), value.clone()));
    let others: Vec<_> = others.collect();
    keys.extend(others);
}

/// What a value may be that is parsed from a string.
macro_rules! value {
    ($($type:ty, $name:literal, $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

const SIZE: &str = "^[0-9]+ *(B|KiB|MiB|GiB|TiB)?$";
const TIME: &str = "^ *(0|([0-9]+ *[A-Za-zµ]+ *)+)$";

value! {
    Listen, "Address", {
        "type": "string", "pattern": "^(unix:.+|.+:[0-9]{1,5})$", "examples": ["127.0.0.1:7878", "[::1]:7878", "unix:/run/sidetail.sock"]
    };
    BasePath, "BasePath", { "type": "string", "pattern": "^(/[A-Za-z0-9._~/-]*)?$", "examples": ["/logs"] };
    Origin, "Origin", { "type": "string", "pattern": "^https?://[^/* ]+$", "examples": ["https://ops.example.org"] };
    HostName, "HostName", { "type": "string", "pattern": "^([*]|([*][.])?[A-Za-z0-9._-]+)$", "examples": ["logs.example.org", "*.example.org"] };
    Proxy, "Proxy", { "type": "string", "pattern": "^(unix|[0-9a-fA-F.:]+(/[0-9]{1,3})?)$", "examples": ["10.0.0.0/8", "unix"] };
    Zone, "Zone", { "type": "string", "examples": ["UTC", "Europe/Berlin"] };
    Time, "Time", { "type": "string", "pattern": TIME, "examples": ["15s", "10m", "1h 30m"] };
    Period, "Period", { "type": "string", "pattern": TIME, "not": { "pattern": "^ *0+ *[A-Za-z]*$" }, "examples": ["15s"] };
    Size, "Size", { "type": ["string", "integer"], "minimum": 0, "pattern": SIZE, "examples": ["256KiB", "8MiB", "1GiB"] };
    LineSize, "LineSize", { "type": ["string", "integer"], "minimum": 64, "maximum": 67_108_864, "pattern": SIZE };
    Count, "Count", { "type": ["string", "integer"], "minimum": 1, "pattern": "^[0-9]*[1-9][0-9]*$" };
}

impl JsonSchema for FormatWord {
    fn schema_name() -> Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<String> = std::iter::once("auto".into()).chain(Format::ALL.map(|format| format.to_string())).collect();
        json_schema!({ "enum": words })
    }
}

/// A regular expression.
pub fn pattern(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 4096 })
}

/// How many of the records that a rule is about are let through.
pub fn keep(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(1/[0-9]+|[0-9]+/[smh])$", "examples": ["1/100", "10/s"] })
}

/// A level by one of its names.
pub fn level(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "examples": ["trace", "debug", "info", "notice", "warn", "error", "fatal"] })
}

/// The name of an event.
pub fn event_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "not": { "enum": RESERVED_NAMES } })
}

/// The name of a log.
pub fn log_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._/-]{1,255}$" })
}

/// What becomes the payload of a named record.
pub fn event_data(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["line", "captures"], "default": "line" })
}

/// How changes are learnt of.
pub fn watch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["auto", "notify", "poll"] })
}

/// How far symbolic links may lead.
pub fn links(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["any", "inside"] })
}

/// How much is said of ourselves.
pub fn log_level(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["error", "warn", "info", "debug", "trace"] })
}

/// Which lines belong to the one before.
pub fn multiline(_: &mut SchemaGenerator) -> Schema {
    let one = |key: &str| {
        let keys = json!({ key: { "type": "string" } });
        json!({ "type": "object", "properties": keys, "required": [key], "additionalProperties": false })
    };
    json_schema!({ "anyOf": [{ "const": "auto" }, one("start"), one("continuation")] })
}
