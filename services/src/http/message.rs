//! The body of a posted message.
//!
//! `text` and `user` are required; `user_name`, `channel`, `reply_to` (text) and `attachments` (a list of objects with
//! `filename`, `data` in base64 and, if known, `mimetype`) may be left out or null. Every field that is wrong is named
//! in the answer, also one that does not exist: a field that is spelled wrongly would else be lost silently.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use stargazer_core::envelope::Attachment;

use super::problem::{FieldError, Problem};
use crate::roles::webchat::Post;

/// Longest name of a user, a channel or a message, in bytes.
const NAME: usize = 200;

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Post, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body is not JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid-json", detail)
    })?;
    let mut errors = Vec::new();
    let post = match value {
        Value::Object(fields) => post(fields, &mut errors),
        other => {
            tell(&mut errors, "", format!("it must be an object, not {}", name_of(&other)));
            Post::default()
        }
    };
    match errors.first() {
        None => Ok(post),
        Some(first) => {
            let detail = format!("{}: {}", first.pointer, first.detail);
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-message", detail).with_fields(errors))
        }
    }
}

fn post(fields: Map<String, Value>, errors: &mut Vec<FieldError>) -> Post {
    let mut object = Object { fields, at: String::new(), errors };
    let text = object.required("text");
    let user = object.name("user", true);
    let post = Post {
        text,
        user: user.unwrap_or_default(),
        user_name: object.name("user_name", false),
        channel: object.name("channel", false),
        reply_to: object.name("reply_to", false),
        attachments: Vec::new(),
    };
    let files = object.take("attachments");
    object.nothing_else();
    let attachments = match files {
        None => Vec::new(),
        Some(Value::Array(files)) => {
            files.into_iter().enumerate().filter_map(|(n, file)| attachment(n, file, errors)).collect()
        }
        Some(other) => {
            tell(errors, "/attachments", format!("it must be a list, not {}", name_of(&other)));
            Vec::new()
        }
    };
    Post { attachments, ..post }
}

fn attachment(n: usize, file: Value, errors: &mut Vec<FieldError>) -> Option<Attachment> {
    let at = format!("/attachments/{n}");
    let Value::Object(fields) = file else {
        tell(errors, &at, format!("it must be an object, not {}", name_of(&file)));
        return None;
    };
    let before = errors.len();
    let mut object = Object { fields, at, errors };
    let filename = object.name("filename", true);
    let mimetype = object.name("mimetype", false);
    let data = object.required("data");
    object.nothing_else();
    let Ok(data) = STANDARD.decode(data) else {
        object.tell("data", "it must be base64".into());
        return None;
    };
    let mimetype = mimetype.unwrap_or_else(|| "application/octet-stream".into());
    (errors.len() == before).then(|| Attachment::new(data, mimetype, filename.unwrap_or_default()))
}

/// An object that is read field by field.
struct Object<'a> {
    fields: Map<String, Value>,
    at: String,
    errors: &'a mut Vec<FieldError>,
}

impl Object<'_> {
    /// A field; null counts as left out.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                self.tell(name, format!("it must be text, not {}", name_of(&other)));
                None
            }
        }
    }

    /// A text that must be there, and may be empty.
    fn required(&mut self, name: &str) -> String {
        let errors = self.errors.len();
        let text = self.text(name);
        if text.is_none() && self.errors.len() == errors {
            self.tell(name, "it is missing".into());
        }
        text.unwrap_or_default()
    }

    /// A short text that is not empty.
    fn name(&mut self, name: &str, required: bool) -> Option<String> {
        let text = if required { Some(self.required(name)) } else { self.text(name) };
        let told = self.errors.last().is_some_and(|error| error.pointer == self.pointer(name));
        if !told && text.as_ref().is_some_and(|text| text.is_empty() || text.len() > NAME) {
            self.tell(name, format!("it must have 1 to {NAME} bytes"));
        }
        text
    }

    /// What is left is unknown.
    fn nothing_else(&mut self) {
        for name in std::mem::take(&mut self.fields).keys() {
            self.tell(name, "there is no such field".into());
        }
    }

    fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    fn tell(&mut self, name: &str, detail: String) {
        let pointer = self.pointer(name);
        tell(self.errors, &pointer, detail);
    }
}

fn tell(errors: &mut Vec<FieldError>, pointer: &str, detail: String) {
    errors.push(FieldError { pointer: pointer.to_owned(), detail });
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_is_read() {
        let body = r#"{"text": "hi", "user": "ann", "user_name": "Ann", "channel": "c", "reply_to": null,
            "attachments": [{"filename": "a.txt", "mimetype": "text/plain", "data": "aGk="}]}"#;
        let post = read(body.as_bytes()).unwrap();
        assert_eq!((post.text.as_str(), post.user.as_str(), post.channel.as_deref()), ("hi", "ann", Some("c")));
        assert_eq!((post.reply_to, post.attachments[0].data.as_ref()), (None, &b"hi"[..]));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let body = r#"{"text": 7, "user": "", "chanel": "c", "attachments": [{"data": "?"}, 3]}"#;
        let problem = format!("{:?}", read(body.as_bytes()).unwrap_err());
        for pointer in ["/text", "/user", "/chanel", "/attachments/0/filename", "/attachments/0/data", "/attachments/1"]
        {
            assert!(problem.contains(&format!("{pointer:?}")), "{pointer} in {problem}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["[]", "3", "null"] {
            assert!(format!("{:?}", read(body.as_bytes()).unwrap_err()).contains("422"), "{body}");
        }
        for body in ["", "{", "{\"text\": \"\\ud800\"}", &"[".repeat(1000)] {
            assert!(format!("{:?}", read(body.as_bytes()).unwrap_err()).contains("400"), "{body}");
        }
    }
}
