//! From an export to files that people read.

use crate::cli::client::{Client, encoded};
use anyhow::{Context, Result, bail};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Fields that come first, in this order; the others follow by name.
const FIRST: [&str; 10] =
    ["key", "display_name", "name", "object", "action", "description", "trigger", "module", "event_type", "version"];

/// Writes what a server has into a folder that is not there yet or empty, and gives the paths of the files.
pub(in crate::cli) fn write(client: &Client, folder: &Path, owner: Option<&str>) -> Result<Vec<PathBuf>> {
    check_empty(folder)?;
    let query = owner.map(|owner| format!("?owner_id={}", encoded(owner))).unwrap_or_default();
    let export = client.get(&format!("/export{query}"))?["data"].take();
    let mut modules = Modules { client, owner, folder, namings: namings(&export["modules"]), files: BTreeMap::new() };
    let mut files: BTreeMap<PathBuf, Map<String, Value>> = BTreeMap::new();
    let document = export["document"].as_object().context("the server gave no document")?;
    modules.list(&mut files)?;
    let mut taken = Names::default();
    let mut home: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (kind, list) in document {
        for item in list.as_array().into_iter().flatten() {
            let mut item = item.clone();
            let path = match kind.as_str() {
                "event_types" => taken.path("event-types", &item["display_name"]),
                "actions" => {
                    modules.put_file(&mut item)?;
                    let path = taken.path("actions", &item["name"]);
                    home.insert(item["name"].as_str().unwrap_or_default().to_owned(), path.clone());
                    path
                }
                "schedules" => taken.path("schedules", &item["name"]),
                "objects" => {
                    let object_type = item["object"].as_str().and_then(|object| object.split('/').next());
                    PathBuf::from("objects").join(format!("{}.yaml", slug(object_type.unwrap_or_default())))
                }
                // After the actions in the order of names, so that their files are known; see below.
                "attachments" => continue,
                "sources" | "source_types" => PathBuf::from("sources.yaml"),
                "sinks" | "sink_types" => PathBuf::from("sinks.yaml"),
                "secrets" => {
                    item["value_from"] = json!({ "env": taken.variable(&item["key"]) });
                    PathBuf::from("secrets.yaml")
                }
                other => PathBuf::from(format!("{}.yaml", slug(other))),
            };
            add(&mut files, path, kind, item);
        }
    }
    // Where an action is attached is read beside it.
    for item in document.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let beside = item["action"].as_str().and_then(|action| home.get(action)).cloned();
        add(&mut files, beside.unwrap_or_else(|| PathBuf::from("attachments.yaml")), "attachments", item.clone());
    }
    let mut written: Vec<PathBuf> = modules.files.into_values().collect();
    for (path, lists) in files {
        let text = serde_saphyr::to_string(&Lists(&lists)).with_context(|| path.display().to_string())?;
        save(&folder.join(&path), text.as_bytes())?;
        written.push(path);
    }
    written.sort();
    Ok(written)
}

fn add(files: &mut BTreeMap<PathBuf, Map<String, Value>>, path: PathBuf, kind: &str, item: Value) {
    let list = files.entry(path).or_default().entry(kind).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.push(item);
    }
}

fn check_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", folder.display())),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!("{} is not empty; an export gets a folder of its own", folder.display()),
        },
    }
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("{shown} cannot be written"))
}

/// A name of a module: digest, name, version.
type Naming = (String, String, String);

fn namings(modules: &Value) -> Vec<Naming> {
    let text = |module: &Value, field: &str| module[field].as_str().unwrap_or_default().to_owned();
    let naming = |module: &Value| (text(module, "digest"), text(module, "name"), text(module, "version"));
    modules.as_array().into_iter().flatten().map(naming).collect()
}

/// Components that were written, by digest.
struct Modules<'a> {
    client: &'a Client,
    owner: Option<&'a str>,
    folder: &'a Path,
    namings: Vec<Naming>,
    files: BTreeMap<String, PathBuf>,
}

impl Modules<'_> {
    /// Every name with its file, in the order in which they were given: the last of a name is its newest.
    fn list(&mut self, files: &mut BTreeMap<PathBuf, Map<String, Value>>) -> Result<()> {
        for (digest, name, version) in self.namings.clone() {
            let file = self.file(&digest)?;
            let file = file.file_name().map(|file| file.to_string_lossy().into_owned());
            let item = json!({ "name": name, "version": version, "file": file });
            add(files, PathBuf::from("modules/modules.yaml"), "modules", item);
        }
        Ok(())
    }

    /// An action that names its module by digest names its file instead, if it is one of the owner's.
    fn put_file(&mut self, action: &mut Value) -> Result<()> {
        let Some(digest) = action["module"].as_str().filter(|module| module.starts_with("sha256:")) else {
            return Ok(());
        };
        let digest = digest.to_owned();
        let found = self.client.find(&format!("/module/{digest}"))?;
        let owner = found.as_ref().and_then(|found| found["data"]["owner_id"].as_str());
        let known = self.files.contains_key(&digest);
        if known || owner.is_some_and(|owner| owner == self.owner.unwrap_or(owner)) {
            // A tenant does not get what the platform shares; its digest names it as well.
            if let Ok(file) = self.file(&digest) {
                action["module"] = format!("../{}", file.display()).into();
            }
        }
        Ok(())
    }

    fn file(&mut self, digest: &str) -> Result<PathBuf> {
        if let Some(known) = self.files.get(digest) {
            return Ok(known.clone());
        }
        let first = self.namings.iter().find(|(of, _, _)| of == digest);
        let name = match first {
            Some((_, name, version)) => format!("{name}@{version}.wasm"),
            None => format!("{}.wasm", digest.trim_start_matches("sha256:").get(..12).unwrap_or("module")),
        };
        let path = PathBuf::from("modules").join(name);
        let bytes = self.client.bytes(&format!("/module/{digest}/content"))?;
        save(&self.folder.join(&path), &bytes)?;
        self.files.insert(digest.to_owned(), path.clone());
        Ok(path)
    }
}

/// Names of files and of variables, each once.
#[derive(Default)]
struct Names {
    paths: BTreeSet<PathBuf>,
    variables: BTreeSet<String>,
}

impl Names {
    fn path(&mut self, folder: &str, name: &Value) -> PathBuf {
        let name = slug(name.as_str().unwrap_or_default());
        let numbered = |number: u32| match number {
            1 => format!("{name}.yaml"),
            number => format!("{name}-{number}.yaml"),
        };
        let mut paths = (1..).map(|number| PathBuf::from(folder).join(numbered(number)));
        let path = paths.find(|path| !self.paths.contains(path)).unwrap_or_default();
        self.paths.insert(path.clone());
        path
    }

    /// The variable that a secret's value comes from, unless somebody writes another.
    fn variable(&mut self, key: &Value) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = key.as_str().unwrap_or_default().chars().map(letter).collect();
        let numbered = |number: u32| if number == 1 { name.clone() } else { format!("{name}_{number}") };
        // `a-b` and `a.b` have values of their own.
        let variable = (1..).map(numbered).find(|name| !self.variables.contains(name)).unwrap_or_default();
        self.variables.insert(variable.clone());
        variable
    }
}

/// A name in the letters that every file system has.
fn slug(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let slug: String = name.chars().map(letter).take(100).collect();
    let slug = slug.trim_matches(['.', '-']);
    if slug.is_empty() { "unnamed".to_owned() } else { slug.to_owned() }
}

/// Lists of things, whose fields come in an order for people.
struct Lists<'a>(&'a Map<String, Value>);

impl Serialize for Lists<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (kind, list) in self.0 {
            let items: Vec<Thing<'_>> = list.as_array().into_iter().flatten().map(Thing).collect();
            map.serialize_entry(kind, &items)?;
        }
        map.end()
    }
}

struct Thing<'a>(&'a Value);

impl Serialize for Thing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let rank = |field: &String| FIRST.iter().position(|first| first == field).unwrap_or(FIRST.len());
        let mut names: Vec<&String> = fields.keys().collect();
        names.sort_by_key(|name| (rank(name), *name));
        let mut map = serializer.serialize_map(Some(names.len()))?;
        for name in names {
            map.serialize_entry(name, &fields[name])?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| if number.is_finite() { json!(number) } else { Value::Null }),
            // What YAML might take for something else, and anything at all.
            prop::sample::select(vec![
                "",
                " ",
                "no",
                "Yes",
                "~",
                "null",
                "0x1F",
                "1e3",
                "012",
                "- a",
                "a: b",
                "#",
                "{a}",
                "*a",
                "&a",
                "!a",
                "|",
                ">",
                "%",
                "@",
                "`",
                "<<",
                "=",
                "2020-01-01",
                "1:30",
                "---",
                "...",
                "a\nb\n",
                "\n",
                "\ta",
                "a ",
                ".inf",
                "+1",
                "'",
                "\"",
            ])
            .prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,12}", inner, 0..5).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            let lists = Map::from_iter([("actions".to_owned(), json!([{ "name": "a", "input": value }]))]);
            let text = serde_saphyr::to_string(&Lists(&lists)).unwrap();
            let back: Value = serde_saphyr::from_str(&text).unwrap();
            prop_assert_eq!(back, Value::Object(lists), "{}", text);
        }
    }

    #[test]
    fn names_of_files_are_plain_and_each_is_there_once() {
        let mut names = Names::default();
        let mut path = |name: &str| names.path("actions", &name.into()).display().to_string();
        assert_eq!(path("Tür öffnen"), "actions/t-r--ffnen.yaml");
        assert_eq!(path("tür/öffnen"), "actions/t-r--ffnen-2.yaml");
        assert_eq!(path("../.."), "actions/unnamed.yaml");
        assert_eq!(path("."), "actions/unnamed-2.yaml");
    }

    #[test]
    fn every_secret_has_a_variable_of_its_own() {
        let mut names = Names::default();
        let variables = ["api-key", "api.key", "Api_Key_2", "api_key"].map(|key| names.variable(&key.into()));
        assert_eq!(variables, ["API_KEY", "API_KEY_2", "API_KEY_2_2", "API_KEY_3"]);
    }
}
