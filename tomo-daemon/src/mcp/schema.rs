//! Schemas as models read them: inline, without what costs tokens and says nothing.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

/// Values that an outline names; where there are more they stand in the API reference.
const MOST_NAMES: usize = 16;

/// The slim schema of a type.
pub(super) fn of<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    slim(&mut schema);
    match schema {
        Value::Object(mut object) => {
            object.remove("description");
            object.entry("type").or_insert_with(|| "object".into());
            object
        }
        _ => JsonObject::new(),
    }
}

/// The outline of an answer's type: its fields with their types, those of listed things, and what is deeper as an object. The
/// whole of it stands in the API reference; here it would cost more than all arguments together.
pub(super) fn outline<T: JsonSchema>() -> JsonObject {
    match shorten(&Value::Object(of::<T>()), 0, false) {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

/// `depth`: objects around this one. `listed`: whether a list is around it.
fn shorten(schema: &Value, depth: usize, listed: bool) -> Value {
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        let names: Vec<&Value> = choices.iter().filter_map(|choice| choice.get("const")).collect();
        return match (names.is_empty(), listed) {
            (true, _) => json!({ "type": "object" }),
            (false, true) => json!({ "type": "string" }),
            (false, false) if names.len() > MOST_NAMES => json!({ "type": "string" }),
            (false, false) => json!({ "type": "string", "enum": names }),
        };
    }
    let kind = schema.get("type");
    match (kind.and_then(Value::as_str), schema.get("properties")) {
        (Some("array"), _) => match schema.get("items") {
            Some(items) => json!({ "type": "array", "items": shorten(items, depth, true) }),
            None => json!({ "type": "array" }),
        },
        (Some("object"), Some(Value::Object(fields))) if depth == 0 || (depth == 1 && listed) => {
            let fields: JsonObject =
                fields.iter().map(|(name, field)| (name.clone(), shorten(field, depth + 1, listed))).collect();
            let mut outline = json!({ "type": "object", "properties": fields });
            if let (0, Some(required)) = (depth, schema.get("required")) {
                outline["required"] = required.clone();
            }
            outline
        }
        (Some(_), _) => json!({ "type": kind }),
        (None, _) => json!({}),
    }
}

/// Drops titles, formats, defaults and bounds that follow from the type, and descriptions that only repeat a field's name; `anyOf [X,
/// null]` becomes X.
fn slim(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(fields)) = object.get_mut("properties") {
                for (name, field) in fields {
                    let says = field.get("description").and_then(Value::as_str).unwrap_or_default();
                    if says.trim_end_matches('.').eq_ignore_ascii_case(&name.replace('_', " "))
                        && let Some(field) = field.as_object_mut()
                    {
                        field.remove("description");
                    }
                }
            }
            for noise in ["$schema", "title", "format", "default", "minimum", "maximum"] {
                if !matches!(object.get(noise), Some(Value::Object(_))) {
                    object.remove(noise);
                }
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    for (key, value) in one {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(slim);
        }
        Value::Array(list) => list.iter_mut().for_each(slim),
        _ => {}
    }
}
