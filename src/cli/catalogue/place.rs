//! Where the things of a document stand in the files, so that what is wrong with one is found by people.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a thing stands: a file, and its place in that file's list.
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) index: usize,
    pub(super) name: Option<String>,
    /// The variable that has its value, for a secret.
    pub(super) env: Option<String>,
}

/// Every list of a document, with where its things stand.
pub(super) struct Places {
    folder: PathBuf,
    lists: BTreeMap<String, List>,
}

struct List {
    /// Where the first of the kind begins.
    file: PathBuf,
    things: Vec<Place>,
}

/// What is wrong with a thing, and where.
#[derive(Debug)]
pub(super) struct Fault {
    file: PathBuf,
    /// JSON Pointer within the file.
    pointer: String,
    /// The pointer for people.
    field: String,
    message: String,
}

/// A server did not take the files.
#[derive(Debug)]
pub(in crate::cli) struct Refused(pub(super) Vec<Fault>);

impl Places {
    pub(super) fn new(folder: &Path) -> Places {
        Places { folder: folder.to_owned(), lists: BTreeMap::new() }
    }

    /// A list begins in a file; it may be empty.
    pub(super) fn list(&mut self, kind: &str, file: &Path) {
        let list = || List { file: file.to_owned(), things: Vec::new() };
        self.lists.entry(kind.to_owned()).or_insert_with(list);
    }

    /// The next thing of a list that has begun.
    pub(super) fn thing(&mut self, kind: &str, place: Place) {
        if let Some(list) = self.lists.get_mut(kind) {
            list.things.push(place);
        }
    }

    /// What a server found wrong at a pointer into the document.
    pub(super) fn fault(&self, pointer: &str, message: &str) -> Fault {
        let (place, rest) = self.find(pointer);
        let message = self.with_places(message);
        let Some((kind, place)) = place else {
            let list = pointer.split('/').nth(1).and_then(|kind| self.lists.get_key_value(kind));
            let (field, file) = match list {
                Some((kind, list)) => (kind.clone(), list.file.clone()),
                None => (pointer.to_owned(), self.folder.clone()),
            };
            return Fault { file, pointer: pointer.to_owned(), field, message };
        };
        let name = place.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let (rest, message) = match &place.env {
            // The value is not in the file; where it would come from is.
            Some(env) if rest == "/value" => {
                ("/value_from/env", format!("{env} is not set, or not fit to be a secret: {message}"))
            }
            _ => (rest, message),
        };
        let dotted: String = rest.split('/').skip(1).map(|part| format!(".{}", unescaped(part))).collect();
        Fault {
            file: place.file.clone(),
            pointer: format!("/{kind}/{}{rest}", place.index),
            field: format!("{kind}[{}]{name}{dotted}", place.index),
            message,
        }
    }

    /// The thing that a pointer leads into, and the rest of the pointer.
    fn find<'a, 'p>(&'a self, pointer: &'p str) -> (Option<(&'p str, &'a Place)>, &'p str) {
        let mut parts = pointer.splitn(4, '/').skip(1);
        let (Some(kind), Some(number)) = (parts.next(), parts.next()) else { return (None, pointer) };
        let thing = number.parse::<usize>().ok().and_then(|number| self.lists.get(kind)?.things.get(number));
        let rest = parts.next().map_or("", |field| &pointer[pointer.len() - field.len() - 1..]);
        (thing.map(|thing| (kind, thing)), rest)
    }

    /// A message that ends with a pointer to another thing names its file instead.
    fn with_places(&self, message: &str) -> String {
        let other = message.rsplit_once(" at /").and_then(|(before, pointer)| {
            let (kind, place) = self.find(&message[message.len() - pointer.len() - 1..]).0?;
            Some(format!("{before} at {}: {kind}[{}]", place.file.display(), place.index))
        });
        other.unwrap_or_else(|| message.to_owned())
    }
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl Refused {
    /// For programs.
    pub(in crate::cli) fn json(&self) -> Value {
        let fault = |fault: &Fault| json!({ "file": fault.file.display().to_string(), "pointer": fault.pointer, "message": fault.message });
        self.0.iter().map(fault).collect()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was applied, since this is wrong:")?;
        for Fault { file, field, message, .. } in &self.0 {
            let field = if field.is_empty() { String::new() } else { format!(" {field}:") };
            write!(f, "\n  {}:{field} {message}", file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mut places = Places::new(Path::new("files"));
        let place = |file: &str, index, env: Option<&str>| Place {
            file: file.into(),
            index,
            name: Some(format!("name {index}")),
            env: env.map(str::to_owned),
        };
        places.list("actions", Path::new("files/a.yaml"));
        places.thing("actions", place("files/a.yaml", 0, None));
        places.thing("actions", place("files/b.yaml", 0, None));
        places.list("secrets", Path::new("files/s.yaml"));
        places.thing("secrets", place("files/s.yaml", 7, Some("BANK")));
        places
    }

    #[test]
    fn a_pointer_into_the_document_leads_to_a_file_and_a_field() {
        let places = places();
        let told = |pointer: &str, message: &str| {
            let refused = Refused(vec![places.fault(pointer, message)]);
            let text = refused.to_string().lines().nth(1).unwrap().trim().to_owned();
            (text, refused.json()[0]["pointer"].as_str().unwrap().to_owned())
        };
        for (pointer, message, text, local) in [
            (
                "/actions/1/limits/fuel",
                "x",
                "files/b.yaml: actions[0] (name 0).limits.fuel: x",
                "/actions/0/limits/fuel",
            ),
            ("/actions/1", "x", "files/b.yaml: actions[0] (name 0): x", "/actions/0"),
            (
                "/actions/0/input/a~1b~0c",
                "x",
                "files/a.yaml: actions[0] (name 0).input.a/b~c: x",
                "/actions/0/input/a~1b~0c",
            ),
            ("/actions/9", "x", "files/a.yaml: actions: x", "/actions/9"),
            ("/actions", "x", "files/a.yaml: actions: x", "/actions"),
            ("", "x", "files: x", ""),
            ("/colours", "x", "files: /colours: x", "/colours"),
            (
                "/secrets/0/value",
                "x",
                "files/s.yaml: secrets[7] (name 7).value_from.env: BANK is not set, or not fit to be a secret: x",
                "/secrets/7/value_from/env",
            ),
            (
                "/actions/1",
                "there already, at /actions/0",
                "files/b.yaml: actions[0] (name 0): there already, at files/a.yaml: actions[0]",
                "/actions/0",
            ),
            ("/actions/1", "look at /nothing/0", "files/b.yaml: actions[0] (name 0): look at /nothing/0", "/actions/0"),
        ] {
            assert_eq!(told(pointer, message), (text.to_owned(), local.to_owned()));
        }
    }
}
