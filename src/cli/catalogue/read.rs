//! From a folder to a document.

use super::find::Folder;
use super::place::{Place, Places};
use crate::cli::source;
use crate::domain::Digest;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What a variable of the environment says, for values that are in no file.
pub(in crate::cli) type Values<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The files of a folder, as one document.
pub(in crate::cli) struct Files {
    folder: Folder,
    /// What `POST /apply` takes.
    pub(super) document: Map<String, Value>,
    pub(super) places: Places,
    /// What must be there before, in the order of the files.
    pub(super) modules: Vec<ModuleFile>,
}

/// A component that a file names.
pub(super) struct ModuleFile {
    pub(super) path: PathBuf,
    /// As far as can be told here; the server says what it is.
    pub(super) digest: Digest,
    /// `name` and `version`, when it is known by one.
    pub(super) name: Option<(String, String)>,
}

impl Files {
    /// Reads every file of the folder.
    pub(in crate::cli) fn read(folder: &Path, values: Values<'_>) -> Result<Files> {
        let folder = Folder::open(folder)?;
        let paths = folder.files()?;
        let places = Places::new(folder.shown());
        let mut files = Files { folder, document: Map::new(), places, modules: Vec::new() };
        for path in paths {
            let text = files.folder.text(&path)?;
            let shown = path.display().to_string();
            let content = serde_saphyr::from_str(&text).map_err(|error| anyhow!("{shown}: {error}"))?;
            files.take(&path, content, values).with_context(|| shown)?;
        }
        Ok(files)
    }

    fn take(&mut self, file: &Path, content: Value, values: Values<'_>) -> Result<()> {
        let lists = match content {
            Value::Null => return Ok(()),
            Value::Object(lists) => lists,
            _ => bail!("a file has lists of things, such as `actions:`"),
        };
        for (kind, list) in lists {
            let Value::Array(items) = list else {
                bail!("{kind}: this is a list; write [] for one that is empty");
            };
            if kind == "modules" {
                for (index, item) in items.iter().enumerate() {
                    self.take_module(file, item).with_context(|| format!("modules[{index}]"))?;
                }
                continue;
            }
            let mut taken = Vec::new();
            self.places.list(&kind, file);
            for (index, item) in items.into_iter().enumerate() {
                let (item, env) =
                    self.local(file, (&kind, item), values).with_context(|| format!("{kind}[{index}]"))?;
                self.places.thing(&kind, Place { file: file.to_owned(), index, name: name_of(&item), env });
                taken.push(item);
            }
            let all = self.document.entry(kind).or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.extend(taken);
            }
        }
        Ok(())
    }

    /// A thing with what is here only, files and variables, put in; and the variable, if it names one.
    fn local(
        &mut self,
        file: &Path,
        (kind, mut item): (&str, Value),
        values: Values<'_>,
    ) -> Result<(Value, Option<String>)> {
        if kind == "actions"
            && let Some(module) = item["module"].as_str().map(str::to_owned)
        {
            self.put_module(file, &module, &mut item).context("module")?;
        }
        if kind == "actions" && item["code"].is_object() {
            self.put_code(file, &mut item).context("code")?;
        }
        if kind == "secrets" && item.get("value").is_some() {
            bail!("value: a file is no place for one; write value_from: {{env: NAME}} and set that variable");
        }
        let Some(from) = item.as_object_mut().filter(|_| kind == "secrets").and_then(|item| item.remove("value_from"))
        else {
            return Ok((item, None));
        };
        let env = from["env"].as_str().filter(|_| from.as_object().is_some_and(|from| from.len() == 1));
        let env =
            env.context("value_from: it is written {env: NAME}, with the name of a variable of the environment")?;
        if let Some(value) = values(env) {
            item["value"] = value.into();
        }
        Ok((item, Some(env.to_owned())))
    }

    /// An action whose module is a file has its digest instead.
    fn put_module(&mut self, file: &Path, module: &str, item: &mut Value) -> Result<()> {
        let path = beside(file, module);
        if !module.contains('/') {
            if [".wasm", ".wat"].iter().any(|end| module.ends_with(end)) && path.exists() {
                bail!("to name a file write ./{module}; without a / this is the name of a module");
            }
            return Ok(());
        }
        let digest = self.digest(&path)?;
        item["module"] = digest.to_string().into();
        self.modules.push(ModuleFile { path, digest, name: None });
        Ok(())
    }

    /// An action whose code is a file has its text instead, and the language that the file's name says.
    fn put_code(&self, file: &Path, item: &mut Value) -> Result<()> {
        let named =
            item["code"]["file"].as_str().filter(|_| item["code"].as_object().is_some_and(|code| code.len() == 1));
        let path = beside(file, named.context("it is a text, or {file: NAME} with the name of a file")?);
        item["code"] = self.folder.text(&path)?.into();
        if item.get("language").is_none() {
            let language =
                source::language_of(&path).with_context(|| format!("{}: say its language", path.display()))?;
            item["language"] = language.as_str().into();
        }
        Ok(())
    }

    fn take_module(&mut self, file: &Path, item: &Value) -> Result<()> {
        let known = ["name", "version", "file"];
        let fields = item.as_object().context("a module has `name`, `version` and `file`")?;
        if let Some(other) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            bail!("{other}: a module has `name`, `version` and `file`");
        }
        let text = |field: &str| item[field].as_str();
        let path = beside(file, text("file").context("file: a module has one")?);
        let digest = self.digest(&path).context("file")?;
        let name = text("name").context("name: without one, name the file in the action")?.to_owned();
        let version = text("version").map_or_else(|| digest.hex()[..12].to_owned(), str::to_owned);
        self.modules.push(ModuleFile { path, digest, name: Some((name, version)) });
        Ok(())
    }

    /// What the server will call a component: the digest of its binary form.
    fn digest(&self, path: &Path) -> Result<Digest> {
        let bytes = self.folder.component(path)?;
        // What is no text of a component is left for the server to say.
        let binary = wat::parse_bytes(&bytes).map(|binary| Digest::of(&binary));
        Ok(binary.unwrap_or_else(|_| Digest::of(&bytes)))
    }

    /// The document with what the server knows a module by in the place of what was told here.
    pub(super) fn rename(&mut self, told: &Digest, known: &str) {
        let told = told.to_string();
        if let Some(Value::Array(actions)) = self.document.get_mut("actions") {
            for action in actions.iter_mut().filter(|action| action["module"] == told.as_str()) {
                action["module"] = known.into();
            }
        }
    }
}

/// What people call a thing by.
fn name_of(item: &Value) -> Option<String> {
    let text = |field: &str| item.get(field)?.as_str();
    let name = ["display_name", "name", "key"].into_iter().find_map(text);
    let name = name.map(str::to_owned);
    name.or_else(|| Some(format!("{} on {}", text("action")?, text("object")?)))
        .or_else(|| text("object").map(str::to_owned))
}

/// A path in a file means one from where the file is.
fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}
